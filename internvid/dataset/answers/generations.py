"""Rows of a column that hold: those of its latest generations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from internvid.dataset.parts import read_part, read_part_schema


def latest_rows(
    files: Sequence[Path],
    columns: Sequence[str] | None = None,
    *,
    optional: Sequence[str] = (),
) -> pa.Table | None:
    """The rows that hold, each clip once, of one part of a column; None where there is no file.

    Args:
        files: its generations, the oldest first.
        columns: only these, with `clip_id` among them; all when None.
        optional: further ones, null where a file was written without them.
    """
    if not files:
        return None
    # A column written before seals existed lacks some of the columns.
    tables = [_read(path, columns, optional) for path in files]
    if len(tables) == 1:
        return tables[0]
    whole = pa.concat_tables(tables, promote_options="default")
    last = {clip_id: at for at, clip_id in enumerate(whole["clip_id"].to_pylist())}
    return whole.take(pa.array(sorted(last.values()), pa.int64()))


def _read(path: Path, columns: Sequence[str] | None, optional: Sequence[str]) -> pa.Table:
    if not optional or columns is None:
        return read_part(path, columns)
    there = read_part_schema(path).names
    table = read_part(path, [*columns, *(name for name in optional if name in there)])
    for name in optional:
        if name not in there:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
    return table
