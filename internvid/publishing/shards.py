"""Tar shards that a rerun does not write again.

A shard holds a fixed run of the clips requested, so that what is in it does not depend on how
others turned out. What was found out while it was written lies in a note beside it until the
export is whole; the note counts only for the very same clips and columns.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, cast

from internvid.core.contracts import ExportItem
from internvid.core.errors import InternvidError, VideoError
from internvid.core.system.streams import batched
from internvid.dataset.parts import commit_json, committed
from internvid.publishing.source_files import Sources

NOTES = ".unfinished"


class ClipDroppedError(Exception):
    """A clip that the format does not take; its one argument is the reason, a word."""


WrittenClip = dict[str, Any]
"""What an exporter wants to know of a clip that it wrote, as plain JSON values."""
Add = Callable[[tarfile.TarFile, ExportItem], WrittenClip]
"""Adds a clip to an open shard."""
Refuse = Callable[[ExportItem], str | None]
"""Why the format does not take a clip, found out without its pixels; None where it does."""


class MissingClip(TypedDict):
    """A clip that could not be written, and why."""

    clip_id: str
    uri: str | None
    start_seconds: float
    end_seconds: float
    reason: str
    error: str


class DroppedClip(TypedDict):
    """A clip that the format does not take (`dropped_clips`), and why; `seconds` is its length."""

    clip_id: str
    reason: str
    seconds: float


class _Note(TypedDict):
    """What is known of a shard that is written; `key` names its very clips and columns."""

    key: str
    clips: list[WrittenClip]
    missing: list[MissingClip]
    dropped: list[DroppedClip]


@dataclass(frozen=True)
class Shard:
    """One run of clips.

    Attributes:
        name: of its file; None where none of its clips could be written.
        clips: what `add` returned for each clip written, in order.
        missing: of others its id, uri, time, and why it could not be written.
        dropped: of the rest, why the format does not take it.
    """

    name: str | None
    clips: Sequence[WrittenClip]
    missing: Sequence[MissingClip]
    dropped: Sequence[DroppedClip] = ()


def write_shards(
    items: Iterable[ExportItem],
    folder: Path,
    clips_per_shard: int,
    add: Add,
    refuse: Refuse = lambda _: None,
    *,
    reads_sources: bool = True,
) -> Iterator[Shard]:
    """Writes `shard-000000.tar` and so on, passing over those that are there already.

    Args:
        items: the clips, in an order that does not change.
        folder: where shards go; their notes go to `.unfinished` in it.
        clips_per_shard: how many clips a shard takes.
        add: writes one clip; `ClipDroppedError` from it drops the clip, a VideoError lists it as
            missing. It is given clips whose source is there and has the bytes that were scanned.
        refuse: whether a clip is dropped.
        reads_sources: whether `add` needs them; else they need not be there.
    """
    sources = Sources() if reads_sources else None
    for at, batch in enumerate(batched(items, clips_per_shard)):
        name = f"shard-{at:06d}.tar"
        note, key = folder / NOTES / f"{name}.json", key_of(batch)
        known = _read(note, key)
        if known is None or (known["clips"] and not (folder / name).is_file()):
            known = _write(folder / name, batch, add, refuse, sources)
            known["key"] = key
            commit_json(note, known)
        yield Shard(
            name if known["clips"] else None, known["clips"], known["missing"], known["dropped"]
        )


def _write(
    path: Path, batch: Sequence[ExportItem], add: Add, refuse: Refuse, sources: Sources | None
) -> _Note:
    while True:
        clips: list[WrittenClip] = []
        missing: list[MissingClip] = []
        dropped: list[DroppedClip] = []
        with committed(path) as temporary, tarfile.open(temporary, "w") as shard:
            for item in batch:
                try:
                    if (reason := refuse(item)) is not None:
                        raise ClipDroppedError(reason)
                    clips.append(add(shard, sources.check(item) if sources else item))
                except ClipDroppedError as error:
                    dropped.append(dropped_clip(item, str(error)))
                except VideoError as error:
                    missing.append(missing_clip(item, error.reason, error.message))
                except (OSError, InternvidError):
                    raise  # of the folder that is written to
                except Exception as error:  # noqa: BLE001 - one clip must not end the export of all others
                    text = f"{type(error).__name__}: {error}"
                    missing.append(missing_clip(item, "bug", text))
        # Another try leaves out the clips of what changed meanwhile.
        if sources is None or not sources.changed_since():
            break
    if not clips:
        path.unlink()
    return {"key": "", "clips": clips, "missing": missing, "dropped": dropped}


def dropped_clip(item: ExportItem, reason: str) -> DroppedClip:
    """The row of a clip that the format does not take."""
    seconds = item.clip.span.duration_seconds
    return {"clip_id": item.clip.clip_id, "reason": reason, "seconds": seconds}


def missing_clip(item: ExportItem, reason: str, text: str) -> MissingClip:
    """The row of a clip that could not be written."""
    # Where a source lies is told by `uri` alone, if at all.
    for path in (item.source, *item.copies):
        if path is not None:
            text = text.replace(str(path), path.name)
    return {
        "clip_id": item.clip.clip_id,
        "uri": item.uri,
        "start_seconds": item.clip.span.start_seconds,
        "end_seconds": item.clip.span.end_seconds,
        "reason": reason,
        "error": text,
    }


def _read(note: Path, key: str) -> _Note | None:
    try:
        known: Any = json.loads(note.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    is_same = isinstance(known, dict) and known.get("key") == key
    return cast("_Note", known) if is_same else None


def key_of(batch: Sequence[ExportItem]) -> str:
    """Digest of clips that is another one where clips, columns or sources are others."""
    digest = hashlib.blake2b(digest_size=16)
    for item in batch:
        described = [dict(item.row), item.uri, dict(item.metadata)]
        described += [] if item.split is None else [item.split]
        row = json.dumps(described, sort_keys=True, default=str)
        # Names of files need not be UTF-8.
        digest.update(f"{item.clip} {item.source} {row}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def add_file(shard: tarfile.TarFile, name: str, data: bytes) -> int:
    """Adds a file and tells where its bytes begin."""
    # No clock, user or mode of this machine: equal clips make equal shards.
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    start = shard.offset
    shard.addfile(entry, io.BytesIO(data))
    return start + tarfile.BLOCKSIZE
