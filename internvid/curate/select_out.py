"""Writes clips of a dataset that a selection chose to a table file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from internvid.curate.tables.opening import open_rows
from internvid.curate.tables.scratch import scratch_folder
from internvid.curate.tables.writing import write_rows
from internvid.dataset.parts import part_writer

if TYPE_CHECKING:
    import duckdb

_ROWS = 1 << 14


def write_relation(relation: duckdb.DuckDBPyRelation, out: Path) -> int:
    """Write a relation, in its order, to .parquet, .csv or .jsonl; how many rows.

    Args:
        relation: read once.
        out: a path where nothing is, see `write_rows`.

    Raises:
        StorageError: the disk is full or refuses.
    """
    if out.suffix.lower() == ".parquet":
        return _write_parquet(relation, out)
    with scratch_folder(out.absolute().parent) as folder:
        table = folder / "rows.parquet"
        _write_parquet(relation, table)
        with open_rows(table) as rows:
            return write_rows(rows, rows.relation, out)


def _write_parquet(relation: duckdb.DuckDBPyRelation, path: Path) -> int:
    written = 0
    # A reader that is not closed would keep the connection from its next query.
    with (
        relation.to_arrow_reader(_ROWS) as reader,
        part_writer(path, reader.schema) as writer,
    ):
        for batch in reader:
            writer.write_batch(batch)
            written += batch.num_rows
    return written
