"""Small tables of clips in InternVid's layout, with a skew of clips over videos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def stamp(seconds: float) -> str:
    """HH:MM:SS.mmm."""
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def rows_of(sources: list[int], *, seed: int = 0, digits: int = 4) -> list[dict[str, Any]]:
    """Rows of so many clips a source, with made-up lengths and scores."""
    generator = np.random.default_rng(seed)
    rows = []
    for source, clips in enumerate(sources):
        for clip in range(clips):
            length = float(generator.exponential(12)) + 0.2
            rows.append(
                {
                    "YoutubeID": f"{source:011d}",
                    "Start_timestamp": stamp(clip * 200),
                    "End_timestamp": stamp(clip * 200 + length),
                    "Caption": f"clip {clip} of {source}",
                    "Aesthetic_Score": round(float(generator.normal(4.5, 1)), digits),
                    "UMT_Score": round(float(generator.normal(0.35, 0.05)), digits),
                }
            )
    return rows


def write_table(rows: list[dict[str, Any]], path: Path, *, group: int = 1000) -> Path:
    """The rows as Parquet."""
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=group)
    return path


def name_of(row: dict[str, Any]) -> tuple[str, str, str]:
    """What tells rows apart."""
    return row["YoutubeID"], row["Start_timestamp"], row["End_timestamp"]
