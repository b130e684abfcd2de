"""What a dataset has done, has to do, and could not do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from internvid.dataset.columns import column_progress
from internvid.dataset.current import count_clips, gone_videos
from internvid.dataset.layout import Layout
from internvid.dataset.parts import read_part


def read_status(dataset: Path) -> dict[str, Any]:
    """Counts and failures, from the recorded parts and what exists of them.

    Raises:
        DatasetFormatError: there is no dataset.
    """
    layout = Layout(dataset.absolute())
    record = layout.read_record()
    scans = sorted(path.name for path in (layout.root / "scans").glob("*"))
    scan = record.scan or (scans[0] if scans else None)
    counts: Counter[str] = Counter(ok=0, failed=0, duplicate=0, pending=0)
    latest: dict[str, dict[str, Any]] = {}
    for part in record.parts:
        path = layout.scanned(scan, "videos", part["name"]) if scan else None
        if path is None or not path.exists():
            counts["pending"] += part["sources"]
            continue
        columns = ["uri", "status", "reason", "error"]
        for row in read_part(path, columns).to_pylist():
            latest[row["uri"]] = row
    counts.update(row["status"] for row in latest.values())
    kept = rejected = 0
    if record.scan is not None and record.cut is not None:
        parts = [part["name"] for part in record.parts]
        gone = gone_videos(layout, record.scan, parts)
        kept, rejected = count_clips(layout, record.cut, parts, gone)
    cuts = sorted(path.name for path in (layout.root / "cuts").glob("*"))
    return {
        "dataset": str(layout.root),
        "videos": dict(counts),
        "clips": kept,
        "rejected": rejected,
        "scan": scan,
        "cut": record.cut,
        "other_cuts": [cut for cut in cuts if cut != record.cut],
        "columns": column_progress(layout, record, record.cut) if record.cut else [],
        "subsets": sorted(path.stem for path in (layout.root / "subsets").glob("*.parquet")),
        "failures": [
            {key: row[key] for key in ("uri", "reason", "error")}
            for row in latest.values()
            if row["status"] == "failed"
        ],
    }
