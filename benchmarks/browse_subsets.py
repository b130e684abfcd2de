"""Seconds that subsets and failed sources take in pages of `internvid browse`.

    python -m benchmarks.browse_subsets --folder TMP [--rows 2e6 2e7] [--json FILE]

The dataset is that of `large_dataset.py` with two subsets of about half its kept clips each, and
one failed source for each source that was scanned. Figures are taken when all columns are copied;
each request is sent twice, since the first one may read what later ones need not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import internvid
from benchmarks.page_server import Server, parser_of, report

_REASONS = ("missing", "not_media", "no_frames", "damaged", "no_video_stream")
_PAIR = "a=drawn&b=long"
_REQUESTS = {
    "in one, not in another: page": "/api/clips?subset=drawn&outside=long",
    "in one, not in another: count": "/api/totals?subset=drawn&outside=long",
    "compare: counts": f"/api/compare?{_PAIR}",
    "compare: a sample": f"/api/compare/sample/a?{_PAIR}&seed=0",
    "compare: a column": f"/api/compare/column/motion_mean?{_PAIR}",
    "compare: reasons": f"/api/compare/reasons?{_PAIR}",
    "compare with all kept clips": "/api/compare?a=drawn&b=",
    "failed sources": "/api/failed?",
    "failed sources, page 1,000": "/api/failed?page=1000",
    "failed sources of a reason": "/api/failed?reason=damaged",
    "failed sources that contain": "/api/failed?q=nowhere/000000777",
}


def add_subsets(root: Path) -> None:
    """Two subsets that overlap, unless they are there."""
    data = internvid.open(root)
    known = data.subsets()
    if "drawn" not in known:
        internvid.select(data, "random", "drawn", len(data) // 2, seed=1)
    if "long" not in known:
        internvid.select(data, "where", "long", "duration_seconds > 2.25")


def add_failed(root: Path) -> None:
    """As many failed sources in each part as it has others, unless they are there."""
    data = internvid.open(root)
    for number, part in enumerate(data.parts):
        path = data.layout.scanned(data.record.scan or "", "videos", part)
        videos = pq.read_table(path)
        if set(videos["status"].unique().to_pylist()) != {"ok"}:
            return
        count = len(videos)
        numbers = range(number * 1_000_000, number * 1_000_000 + count)
        reasons = np.resize(_REASONS, count)
        known = {
            "uri": [f"file:///nowhere/failed/{each:010}.mp4" for each in numbers],
            "status": ["failed"] * count,
            "reason": reasons,
            "error": [f"the file cannot be read: {each}" for each in reasons],
            "video_id": [f"{each:032x}" for each in numbers],
            "source_id": [f"{each:032x}" for each in numbers],
        }
        failed = pa.table(
            [
                pa.array(known[field.name], field.type)
                if field.name in known
                else pa.nulls(count, field.type)
                for field in videos.schema
            ],
            schema=videos.schema,
        )
        pq.write_table(pa.concat_tables([videos, failed]), path, compression="snappy")


def measure(root: Path) -> dict[str, float]:
    """Seconds of each request, at first and again, and the peak memory in MB."""
    add_subsets(root)
    add_failed(root)
    server, found = Server(root), {}
    try:
        server.wait_for_columns()
        for name, address in _REQUESTS.items():
            found[name] = server.seconds(address)
            found[f"{name}, again"] = server.seconds(address)
        found["peak MB"] = server.peak_mb
    finally:
        server.stop()
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark as the command line says."""
    report(parser_of(__doc__, [2e6, 2e7]).parse_args(arguments), measure)


if __name__ == "__main__":
    main()
