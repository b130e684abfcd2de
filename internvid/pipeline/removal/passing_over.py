"""Sources that a build does not read, because they were removed from the dataset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from internvid.dataset.layout import Layout
from internvid.dataset.removal.tombstones import SOURCE, URI, read_tombstones, tombstones_path
from internvid.pipeline.sources import Sources

_ROWS = 65_536


def pass_over_removed(layout: Layout, sources: Sources) -> tuple[Sources, int]:
    """What a build may read of its inputs, and how many sources it passes over."""
    tombstones = read_tombstones(tombstones_path(layout))
    if tombstones is None:
        return sources, 0
    kept: list[pa.Table] = []
    for start in range(0, sources.table.num_rows, _ROWS):
        rows = sources.table.slice(start, _ROWS)
        gone = tombstones.holds(URI, rows["uri"].to_pylist())
        gone |= tombstones.holds(SOURCE, rows["source_id"].to_pylist())
        kept.append(rows.filter(pa.array(~gone)))
    table = pa.concat_tables(kept).combine_chunks() if kept else sources.table
    passed = sources.table.num_rows - table.num_rows
    return (replace(sources, table=table) if passed else sources), passed


def tombstones_for_workers(layout: Layout) -> Path | None:
    """The file by which a worker recognises removed bytes; None where nothing was removed."""
    path = tombstones_path(layout)
    return path if path.exists() else None
