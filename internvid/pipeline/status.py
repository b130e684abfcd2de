"""What a dataset has done, has to do, and could not do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from internvid.dataset.columns import column_progress
from internvid.dataset.layout import Layout


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
        for row in pq.read_table(path, columns=columns).to_pylist():
            latest[row["uri"]] = row
    counts.update(row["status"] for row in latest.values())
    kept: list[bool] = []
    if record.cut is not None:
        for part in record.parts:
            path = layout.clips(record.cut, part["name"])
            if path.exists():
                kept += pq.read_table(path, columns=["kept"])["kept"].to_pylist()
    cuts = sorted(path.name for path in (layout.root / "cuts").glob("*"))
    return {
        "dataset": str(layout.root),
        "videos": dict(counts),
        "clips": sum(kept),
        "rejected": len(kept) - sum(kept),
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
