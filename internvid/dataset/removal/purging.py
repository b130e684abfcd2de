"""Purges what pending removals name, whatever happens on the way.

Rows are taken out by writing parts anew under their names: the one way in which a part of a
dataset ever changes, beside sources that were moved. Rows that stay keep their order, and their
row groups their bytes; a part that loses nothing is not touched; one that loses everything stays,
empty, because its name is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from internvid.dataset.answers.review_log import without_reviewed_clips
from internvid.dataset.answers.verdict_log import without_clips
from internvid.dataset.layout import Layout, Record
from internvid.dataset.parts import (
    commit_json,
    commit_table,
    discard,
    part_writer,
    read_groups,
    read_part,
    reading_part,
    storage_errors,
    sync_folder,
    written_schema,
)
from internvid.dataset.removal.copies import (
    EXPORT,
    PURGED,
    UNTOUCHED,
    note_removal,
    recorded_copies,
)
from internvid.dataset.removal.copy_outcomes import CopyOutcome
from internvid.dataset.removal.copy_purge import purge_copy
from internvid.dataset.removal.pending import (
    NAMING,
    PLAN,
    PURGE,
    REQUEST,
    SAME,
    Removed,
    members_of,
    pending_files,
    pending_folder,
    read_ids,
    removed_of,
    write_ids,
)
from internvid.dataset.removal.purge_plan import FileStep, Heir, Plan, make_plan, size_of_path
from internvid.dataset.removal.resolving import Wanted, resolve
from internvid.dataset.removal.scrubbing import Needles, scrub_json, scrubbed
from internvid.dataset.removal.tombstones import add_tombstones, removals_folder
from internvid.dataset.tables import VideoRow

_RENUMBERED = "renumbered"

Progress = Callable[[int, int], None]
"""Called with how many files are done, and of how many."""


class Receipt(TypedDict):
    """What a removal took away, without a single id; kept as `removals/receipt-<number>.json`.

    Attributes:
        removed_clips, removed_videos: kept clips of the current cut, videos.
        purged: names of the tables and files that held something of them.
        removed_rejected: rejected clips of the current cut. removed_clip_ids: clips of all cuts.
        removed_sources: sources.
        files: files and folders that were written anew or deleted. bytes_freed: less than before.
        copies: exports and the like that hold or may hold removed clips, and what became of them.
    """

    removed_clips: int
    removed_videos: int
    purged: list[str]
    removed_rejected: int
    removed_clip_ids: int
    removed_sources: int
    files: int
    bytes_freed: int
    copies: list[CopyOutcome]


@contextmanager
def writing(layout: Layout, progress: Progress | None = None) -> Iterator[list[Receipt]]:
    """Hold the write lock of a dataset from which every pending removal was purged.

    All that write to a dataset begin so: nobody writes on beside what is to be gone.

    Args:
        layout: of the dataset.
        progress: of the purge, where there is one to finish.

    Yields:
        Receipts of removals that were finished now.

    Raises:
        DatasetBusyError: another process holds the lock.
        InternvidError: a removal cannot be finished; readers pass over what it names all the same.
    """
    with layout.locked():
        yield finish_removals(layout, progress)


def finish_removals(layout: Layout, progress: Progress | None = None) -> list[Receipt]:
    """Purge all that is pending. Under the write lock; whatever a kill left is gone on with.

    Raises:
        StorageError: the disk is full or refuses; what is left is done by the next call.
        DatasetFormatError: a part is damaged.
    """
    if not pending_folder(layout).is_dir():
        return []
    receipts: list[Receipt] = []
    _clear(layout)
    while pending_files(layout, REQUEST) or pending_files(layout, PURGE):
        for path in pending_files(layout, REQUEST):
            # More may be there by now than there was when it was written.
            wanted = [Wanted(row.id, ((row.kind, row.id),), is_listed=True)
                      for row in read_ids(path)
                      if (row.group_kind, row.group) == (row.kind, row.id)]  # fmt: skip
            write_ids(layout, PURGE, resolve(layout, wanted).rows)
            discard(path)
        for path in pending_files(layout, PURGE):
            receipts.append(_purge(layout, path, progress))
    _clear(layout)
    return receipts


def _clear(layout: Layout) -> None:
    """Remove what belongs to purges that are done."""
    going = {path.stem.removeprefix(PURGE) for path in pending_files(layout, PURGE)}
    for path in pending_files(layout, PLAN):
        if path.stem.removeprefix(PLAN) in going:
            continue
        plan = Plan.read(path)
        for name in plan.stages if plan is not None else ():
            discard(layout.root / name / _RENUMBERED)
        discard(path)
    folder = pending_folder(layout)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _purge(layout: Layout, path: Path, progress: Progress | None) -> Receipt:
    rows = read_ids(path)
    record = layout.read_record()
    plan_path = path.with_name(f"{PLAN}{path.stem.removeprefix(PURGE)}.json")
    plan = Plan.read(plan_path)
    if plan is None:
        number = len(list(removals_folder(layout).glob("receipt-*.json")))
        plan = make_plan(layout, record, rows, number)
        commit_json(plan_path, plan.plain())
    add_tombstones(layout, members_of(rows))
    _Purge(layout, record, removed_of(rows), plan).run(progress)
    receipt = _receipt(layout, plan)
    commit_json(removals_folder(layout) / f"receipt-{plan.receipt:05d}.json", receipt)
    # From here on it is done: the plan is only cleared away.
    discard(path)
    _clear(layout)
    return receipt


def _receipt(layout: Layout, plan: Plan) -> Receipt:
    before = sum(step["bytes"] for step in plan.files)
    after = sum(size_of_path(layout.root / step["path"]) for step in plan.files)
    return Receipt(
        removed_clips=plan.clips,
        removed_videos=plan.videos,
        purged=plan.tables,
        removed_rejected=plan.rejected,
        removed_clip_ids=plan.clip_ids,
        removed_sources=plan.sources,
        files=len(plan.files),
        bytes_freed=before - after,
        copies=plan.copies,
    )


@dataclass
class _Purge:
    """One purge: every step may be done a second time."""

    layout: Layout
    record: Record
    removed: Removed
    plan: Plan

    def run(self, progress: Progress | None) -> None:
        self._purge_copies()
        total = len(self.plan.files)
        for at, step in enumerate(self.plan.files):
            if progress is not None:
                progress(at, total)
            self._do(step)
        self._recount()
        if progress is not None:
            progress(total, total)

    def _purge_copies(self) -> None:
        gone = self.removed.clips.union(self.plan.handed_clips)
        outcomes = {(each["kind"], each["path"]): each for each in self.plan.copies}
        for copy in recorded_copies(self.layout):
            outcome = outcomes.get((copy.get("kind", EXPORT), copy["path"]))
            if outcome is not None and outcome["action"] == PURGED:
                purge_copy(self.layout, copy, gone, Needles.of(self.removed))
        for copy in recorded_copies(self.layout):
            outcome = outcomes.get((copy.get("kind", EXPORT), copy["path"]))
            if outcome is not None and outcome["action"] != UNTOUCHED:
                note_removal(self.layout, copy, outcome["action"], outcome["reason"])

    def _do(self, step: FileStep) -> None:
        """One step, by its action.

        `sources`, `videos`, `seen`, `clips`, `answers` and `frames` write a table without rows of
        removed sources, videos or clips; `stage` sorts out the stages of a part; `subset` states
        what a subset has left; `scrub` takes ids out of a JSON file; `verdicts` and `reviews` take
        clips out of the logs of what people recorded; `delete` removes what is made again when it
        is needed.
        """
        path = self.layout.root / step["path"]
        action = step["action"]
        if action == "delete":
            discard(path)
            for folder in (path.parent, path.parent.parent):
                _remove_empty(folder, self.layout.root)
        elif action == "stage":
            self._stage(path, self.plan.stages[step["path"]])
        elif action == "subset":
            facts = self.plan.subsets[path.stem]
            if facts:
                commit_json(path, scrubbed(facts, Needles.of(self.removed)))
        elif action == "scrub":
            scrub_json(path, Needles.of(self.removed))
        elif action == "verdicts":
            without_clips(self.layout, self.removed.clips)
        elif action == "reviews":
            without_reviewed_clips(self.layout, self.removed.clips)
        elif action == "videos":
            self._videos(path)
        elif action == "clips":
            self._clips(path)
        else:
            keeps = {
                "sources": self._named,
                "seen": self._named,
                "answers": self._answered,
                "frames": self._shown,
            }
            _keep_rows(path, keeps[action])

    def _named(self, table: pa.Table) -> list[bool]:
        names = [name for name in ("uri", "video_id", "source_id") if name in table.column_names]
        return [
            not self.removed.hides(row["uri"], row.get("video_id"), row.get("source_id"))
            for row in table.select(names).to_pylist()
        ]

    def _answered(self, table: pa.Table) -> list[bool]:
        # What a duplicate says of a clip that is gone goes with it: it is looked for anew.
        names = [name for name in ("clip_id", *NAMING) if name in table.column_names]
        return [
            self.removed.clips.isdisjoint(row.values()) for row in table.select(names).to_pylist()
        ]

    def _shown(self, table: pa.Table) -> list[bool]:
        # A dictionary of few values, not one text for each of many frames.
        ids = table["video_id"].combine_chunks().dictionary_encode()
        gone = [each in self.removed.videos for each in ids.dictionary.to_pylist()]
        kept = pc.invert(pc.take(pa.array(gone, pa.bool_()), ids.indices))
        return [bool(each) for each in kept.to_pylist()]

    def _heirs(self, scan: str) -> dict[str, Heir]:
        return {heir["video_id"]: heir for heir in self.plan.heirs if heir["scan"] == scan}

    def _videos(self, path: Path) -> None:
        """Rows of `videos`; where another source stands for a video now, its row says what was
        scanned, and later ones that they have its bytes.
        """
        heirs = self._heirs(path.parent.parent.name)
        table = read_part(path)
        rows: list[VideoRow] = []
        for before in table.to_pylist():
            row = _in_place_of(before, path.stem, heirs, self.removed)
            if not self.removed.hides(row["uri"], row["video_id"], row["source_id"]):
                rows.append(row)
        first: dict[str, VideoRow] = {}
        for row in rows:  # an heir in the same part has one row, the first
            first.setdefault(row["uri"], row)
        changed = pa.Table.from_pylist([*first.values()], schema=table.schema)
        if not changed.equals(table):
            commit_table(path, changed)

    def _clips(self, path: Path) -> None:
        scan = self.record.cuts.get(path.parent.parent.name, {}).get("scan") or ""
        heirs = self._heirs(scan)

        def changed(table: pa.Table) -> pa.Table:
            ids = table["video_id"].to_pylist()
            sources = [
                heirs[video]["row"]["source_id"] if video in heirs else source
                for video, source in zip(ids, table["source_id"].to_pylist(), strict=True)
            ]
            at = table.column_names.index("source_id")
            table = table.set_column(at, table.schema.field(at), pa.array(sources, pa.string()))
            kept = [video not in self.removed.videos for video in ids]
            return table.filter(pa.array(kept, pa.bool_()))

        _rewrite(path, changed)

    def _stage(self, folder: Path, kept: list[int]) -> None:
        """The stages of sources that stay, under their numbers in the list that is left."""
        fresh = pending_folder(self.layout) / f"stage-{folder.parent.name}-{folder.name}"
        if (folder / _RENUMBERED).exists() or not (folder.exists() or fresh.exists()):
            return
        with storage_errors(folder):
            fresh.mkdir(exist_ok=True)
            for new, old in enumerate(kept):
                # Data before their row; those that no row names may come along.
                names = sorted(folder.glob(f"{old:05d}.*")) if old >= 0 else []
                for source in sorted(names, key=lambda path: path.suffix == ".json"):
                    source.replace(fresh / source.name.replace(f"{old:05d}", f"{new:05d}", 1))
            discard(folder)
            (fresh / _RENUMBERED).touch()
            sync_folder(fresh)
            folder.parent.mkdir(parents=True, exist_ok=True)
            fresh.rename(folder)
            sync_folder(folder.parent)

    def _recount(self) -> None:
        """The record states how many sources each part has."""
        parts = {Path(step["path"]).stem for step in self.plan.files if step["action"] == "sources"}
        changed = False
        record = self.layout.read_record()
        for entry in record.parts:
            if entry["name"] in parts:
                path = self.layout.sources(entry["name"])
                with reading_part(path):
                    rows = int(pq.read_metadata(path).num_rows)
                changed, entry["sources"] = changed or rows != entry["sources"], rows
        if changed:
            self.layout.write_record(record)


def _in_place_of(row: VideoRow, part: str, heirs: dict[str, Heir], removed: Removed) -> VideoRow:
    """A row of a video as it is once another source stands for it."""
    heir = heirs.get(row["video_id"] or "")
    if heir is None:
        return row
    if row["status"] == "ok" and part == heir["part"] and removed.hides(row["uri"], None, None):
        return heir["row"]
    if row["status"] != "duplicate":
        return row
    if row["uri"] == heir["row"]["uri"] and part == heir["heir_part"]:
        return heir["row"]
    return {**row, "error": SAME + heir["row"]["uri"]}


def _keep_rows(path: Path, keeps: Callable[[pa.Table], list[bool]]) -> None:
    _rewrite(path, lambda table: table.filter(pa.array(keeps(table), pa.bool_())))


def _rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Write a part anew, row group by row group. A part that is not there was purged already."""
    if not path.exists():
        return
    with part_writer(path, written_schema(path)) as writer:
        for table in read_groups(path):
            left = change(table)
            if left.num_rows:
                writer.write_table(left, row_group_size=left.num_rows)


def _remove_empty(folder: Path, root: Path) -> None:
    if folder != root and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
