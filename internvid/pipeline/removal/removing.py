"""Takes videos out of a dataset: for readers at once, from its files after that."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from internvid.core.errors import DatasetBusyError, MisuseError, StorageError
from internvid.core.system.shell import command
from internvid.dataset.layout import Layout
from internvid.dataset.removal.copies import REISSUE, UNTOUCHED
from internvid.dataset.removal.copy_outcomes import CopyOutcome
from internvid.dataset.removal.pending import (
    PURGE,
    REQUEST,
    Removed,
    pending_removal,
    removed_of,
    write_ids,
)
from internvid.dataset.removal.purge_plan import make_plan
from internvid.dataset.removal.purging import Progress, Receipt, finish_removals, writing
from internvid.dataset.removal.resolving import KeptVideo, Resolution, Wanted, resolve
from internvid.dataset.removal.tombstones import SOURCE, URI, VIDEO, forget
from internvid.dataset.stores.store_path import located
from internvid.pipeline.removal.id_tables import RemovalRequest
from internvid.pipeline.runs import write_run

_SHOWN = 5
_OURS = frozenset(
    "sources scans cuts subsets search staged runs removals exports "  # noqa: SIM905
    "dataset.json dataset.json.damaged lock work.json".split()
)
_MOST_SEARCHED, _CHUNK = 2000, 1 << 24


class RemovalPlan(TypedDict):
    """What a removal would take away; nothing is changed."""

    removed_clips: int
    removed_videos: int
    purged: list[str]
    removed_rejected: int
    removed_clip_ids: int
    removed_sources: int
    files: list[str]
    bytes: int
    copies: list[CopyOutcome]


@dataclass(frozen=True)
class Removal:
    """What a removal took away: its receipt, and what the request named.

    Attributes:
        removed_clips: kept clips of the current cut. removed_videos: videos.
        purged: tables and files that held something of them.
        removed_rejected: rejected clips of the current cut. removed_clip_ids: clips of all cuts.
        removed_sources: sources.
        files: files and folders written anew or deleted. bytes_freed: less than before.
        copies: exports and the like that hold or may hold removed clips.
        unknown: requested ids of which the dataset has nothing; later builds refuse them.
        already: requested ids that were removed before.
        kept: videos that stay because other sources have them, of uris that were removed alone.
        left: other files in the folder that name a removed id; they are not internvid's.
        forgotten: digests that are no longer refused.
    """

    removed_clips: int = 0
    removed_videos: int = 0
    purged: tuple[str, ...] = ()
    removed_rejected: int = 0
    removed_clip_ids: int = 0
    removed_sources: int = 0
    files: int = 0
    bytes_freed: int = 0
    copies: tuple[CopyOutcome, ...] = ()
    unknown: tuple[str, ...] = ()
    already: int = 0
    kept: tuple[KeptVideo, ...] = ()
    left: tuple[str, ...] = ()
    forgotten: int = 0

    @property
    def to_reissue(self) -> list[CopyOutcome]:
        """Copies that somebody has to write or upload again."""
        return [copy for copy in self.copies if copy["action"] == REISSUE]


def remove(
    dataset: Path,
    request: RemovalRequest,
    *,
    forgets: Sequence[str] = (),
    progress: Progress | None = None,
) -> Removal:
    """Take videos out of a dataset, and finish what earlier removals left undone.

    From the moment that the request is written no reader shows them. Killed later, the next
    command that writes finishes the purge, this one too.

    Args:
        dataset: the folder.
        request: which videos; none only finishes what is pending.
        forgets: ids that may be built again.
        progress: called with how many files are done, and of how many.

    Raises:
        MisuseError: an id cannot be one, or the dataset has nothing of one that was not listed in
            a table; nothing is changed.
        DatasetBusyError: another process is writing; readers obey all the same from now on.
        StorageError: the disk is full or refuses; once the request is written, readers obey.
        DatasetFormatError: there is no dataset, or a part of it is damaged.
    """
    layout = Layout(located(dataset))
    layout.read_record()  # a folder that is no dataset stays as it is
    wanted = request.wanted()
    started = time.monotonic()
    try:
        with writing(layout, progress) as finished:
            receipts = [*finished]
            if forgets:
                return _summary(receipts, Resolution(), (), forgotten=forget(layout, forgets))
            resolved = _resolved(layout, wanted)
            if resolved.rows:
                write_ids(layout, PURGE, resolved.rows)
                with _standing(layout):
                    receipts += finish_removals(layout, progress)
    except DatasetBusyError as error:
        if _is_pending(layout, wanted):
            raise
        raise _hidden_only(layout, wanted, error) from error
    if receipts:
        write_run(layout, {"seconds": round(time.monotonic() - started, 3), "removals": receipts})
    return _summary(receipts, resolved, _left(layout, removed_of(resolved.rows)))


def plan_removal(dataset: Path, request: RemovalRequest) -> RemovalPlan:
    """What a removal would take away; nothing is changed, and no lock is needed.

    Raises:
        MisuseError, DatasetFormatError: see `remove`.
    """
    layout = Layout(located(dataset))
    record = layout.read_record()
    plan = make_plan(layout, record, _resolved(layout, request.wanted()).rows, 0)
    return {
        "removed_clips": plan.clips,
        "removed_videos": plan.videos,
        "purged": plan.tables,
        "removed_rejected": plan.rejected,
        "removed_clip_ids": plan.clip_ids,
        "removed_sources": plan.sources,
        "files": [step["path"] for step in plan.files],
        "bytes": sum(step["bytes"] for step in plan.files),
        "copies": [copy for copy in plan.copies if copy["action"] != UNTOUCHED],
    }


def _resolved(layout: Layout, wanted: Sequence[Wanted]) -> Resolution:
    """What the request comes to.

    Raises:
        MisuseError: the dataset has nothing of an id that no table named.
    """
    if not wanted:
        return Resolution()
    resolved = resolve(layout, wanted)
    missing = [each.text for each in resolved.unknown if not each.is_listed]
    if missing:
        named = ", ".join(map(repr, missing[:_SHOWN]))
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise MisuseError(
            f"{layout.root} has nothing of {named}{more}; nothing was removed",
            hint="--ignore-missing removes the others, and lets later builds refuse these too",
        )
    return resolved


def _is_pending(layout: Layout, wanted: Sequence[Wanted]) -> bool:
    """Whether all that is requested is hidden already, and only waits for its purge."""
    pending = pending_removal(layout) or Removed()
    ids = {VIDEO: pending.videos, SOURCE: pending.sources, URI: pending.uris}
    return all(any(text in ids[kind] for kind, text in each.ids) for each in wanted)


def _hidden_only(
    layout: Layout, wanted: Sequence[Wanted], busy: DatasetBusyError
) -> DatasetBusyError:
    """Writes the request beside a process that holds the lock, and says what that means."""
    resolved = _resolved(layout, wanted)
    if not resolved.rows:
        return busy
    write_ids(layout, REQUEST, resolved.rows)
    return DatasetBusyError(
        f"{busy.message}; what was to be removed is hidden from every reader from now on, and "
        "still on disk",
        hint=f"when the other process has ended: {command('remove', layout.root)}",
    )


@contextmanager
def _standing(layout: Layout) -> Iterator[None]:
    """Says of trouble with the purge what holds all the same."""
    try:
        yield
    except StorageError as error:
        raise StorageError(
            f"{error.message}; what is removed is hidden from every reader, and partly still on "
            "disk",
            hint=f"free space or fix the permission, then: {command('remove', layout.root)}",
        ) from error


def _summary(
    receipts: Sequence[Receipt],
    resolved: Resolution,
    left: Sequence[str],
    *,
    forgotten: int = 0,
) -> Removal:
    numbers = {
        name: sum(int(receipt[name]) for receipt in receipts)
        for name in (
            "removed_clips", "removed_videos", "removed_rejected", "removed_clip_ids",
            "removed_sources", "files", "bytes_freed",
        )
    }  # fmt: skip
    tables = (name for receipt in receipts for name in receipt["purged"])
    copies = {
        copy["path"]: copy
        for receipt in receipts
        for copy in receipt["copies"]
        if copy["action"] != UNTOUCHED
    }
    return Removal(
        **numbers,
        purged=tuple(dict.fromkeys(tables)),
        copies=tuple(copies.values()),
        unknown=tuple(each.text for each in resolved.unknown),
        already=resolved.already,
        kept=tuple(resolved.kept),
        left=tuple(left),
        forgotten=forgotten,
    )


def _left(layout: Layout, removed: Removed) -> list[str]:
    """Files in the folder that are not internvid's and that name a removed id."""
    ids = removed.videos | removed.uris | removed.clips
    if not ids or len(ids) > _MOST_SEARCHED:
        return []
    needles = [text.encode("utf-8", "surrogatepass") for text in sorted(ids)]
    longest = max(map(len, needles))
    found = []
    for top in sorted(layout.root.iterdir()):
        if top.name in _OURS:
            continue
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and _names_one(path, needles, longest):
                found.append(str(path))
    return found


def _names_one(path: Path, needles: Sequence[bytes], longest: int) -> bool:
    with path.open("rb") as file:
        rest = b""
        while data := file.read(_CHUNK):
            block = rest + data
            if any(needle in block for needle in needles):
                return True
            rest = block[-longest:]
    return False
