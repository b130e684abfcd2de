"""What a dataset has done, has to do, and could not do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TypedDict

from internvid.dataset.answers.columns import ColumnProgress, column_progress
from internvid.dataset.current import count_clips, gone_videos
from internvid.dataset.layout import Layout
from internvid.dataset.parts import read_part
from internvid.dataset.removal.copies import CopyState, copy_states
from internvid.dataset.removal.pending import Removed, pending_removal
from internvid.dataset.stores.store_path import located
from internvid.dataset.subset_files import SubsetEntry, list_subsets
from internvid.dataset.tables import VideoRow
from internvid.pipeline.given.rejected_rows import count_rejected
from internvid.pipeline.source_tables import AsideEntry, read_set_aside
from internvid.pipeline.watching.live_work import LiveWork, live_work


class SourceFailure(TypedDict):
    """A source that could not be used, and why."""

    uri: str
    reason: str | None
    error: str | None


class DatasetStatus(TypedDict):
    """What is done, what is pending, what failed.

    Attributes:
        dataset: the folder.
        videos: how many sources are ok, failed, duplicate and pending; and `removed`, where there
            are some: their bytes are those of a video that was removed before.
        staged: sources that are scanned, though their part is not whole yet.
        clips, rejected: of the current cut.
        uncut: videos that are scanned and not cut yet.
        scan, cut: the current ones; None before the first build is done.
        other_cuts: those that lie beside the current one.
        columns: how far each column of the current cut is.
        subsets: what there is of them.
        set_aside: what tables of sources have that was not taken.
        given_rejected: reason -> rows of tables that became no clips of the current cut.
        failures: sources that could not be used.
        copies: exports and the like that were made of it, and what removals did to them.
        work: the processes that work on it; None where there are none.
    """

    dataset: str
    videos: dict[str, int]
    staged: int
    clips: int
    rejected: int
    uncut: int
    scan: str | None
    cut: str | None
    other_cuts: list[str]
    columns: list[ColumnProgress]
    subsets: list[SubsetEntry]
    set_aside: list[AsideEntry]
    given_rejected: dict[str, int]
    failures: list[SourceFailure]
    copies: list[CopyState]
    work: LiveWork | None


def read_status(dataset: Path) -> DatasetStatus:
    """Counts and failures, from the recorded parts and what exists of them.

    Raises:
        DatasetFormatError: there is no dataset.
    """
    layout = Layout(located(dataset))
    record = layout.read_record()
    scan = record.scan or _only_scan(layout)
    staged = 0
    counts: Counter[str] = Counter(ok=0, failed=0, duplicate=0, pending=0)
    latest: dict[str, tuple[str, VideoRow]] = {}
    removed = pending_removal(layout) or Removed()
    for part in record.parts:
        path = layout.scanned(scan, "videos", part["name"]) if scan else None
        if path is None or not path.exists():
            counts["pending"] += part["sources"]
            staged += _staged(layout, scan, part["name"])
            continue
        columns = ["uri", "video_id", "source_id", "status", "reason", "error"]
        for row in read_part(path, columns).to_pylist():
            latest[row["uri"]] = part["name"], row
    latest = {
        uri: found
        for uri, found in latest.items()
        if not removed.hides(uri, found[1]["video_id"], found[1]["source_id"])
    }
    counts.update(row["status"] for _, row in latest.values())
    kept = rejected = 0
    if record.scan is not None and record.cut is not None:
        parts = [part["name"] for part in record.parts]
        gone = gone_videos(layout, record.scan, parts)
        kept, rejected = count_clips(layout, record.cut, parts, gone)
    uncut = sum(
        row["status"] == "ok" and not layout.clips(record.cut or "", part).exists()
        for part, row in latest.values()
    )
    cuts = sorted(path.name for path in (layout.root / "cuts").glob("*"))
    return {
        "dataset": str(layout.root),
        "videos": dict(counts),
        "staged": staged,
        "clips": kept,
        "rejected": rejected,
        "uncut": uncut,
        "scan": scan,
        "cut": record.cut,
        "other_cuts": [cut for cut in cuts if cut != record.cut],
        "columns": column_progress(layout, record, record.cut) if record.cut else [],
        "subsets": list_subsets(layout, record),
        "set_aside": read_set_aside(layout),
        "given_rejected": count_rejected(layout, scan, record.cut, record.parts)
        if scan and record.cut
        else {},
        "failures": [
            {"uri": row["uri"], "reason": row["reason"], "error": row["error"]}
            for _, row in latest.values()
            if row["status"] == "failed"
        ],
        "copies": copy_states(layout),
        "work": live_work(layout),
    }


def _only_scan(layout: Layout) -> str | None:
    """The scan of a first build that is not done: its sealed parts, or what it has staged."""
    scans = [path.name for path in (layout.root / "scans").glob("*")]
    scans += [path.name for path in layout.staged_scans()]
    return min(scans, default=None)


def _staged(layout: Layout, scan: str | None, part: str) -> int:
    """Sources of a part that are scanned, though the part is not whole yet."""
    return sum(1 for _ in layout.staged(scan, part).glob("*.json")) if scan else 0
