"""What an opened table gives: its rows as a relation, and how to get at them again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from internvid.curate.tables.faults import Faults
from internvid.curate.tables.files import TableFiles

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Origin:
    """Where the values of a table's own columns are.

    Attributes:
        input: the files of the table.
        files: Parquet files that a place in `row_place` counts: those of the input, or the one
            that the input was converted to.
        schema: types of the own columns.
        is_verbatim: whether lines of the input stand for rows, so that they can be copied.
        header: what stands above the lines of a csv file that has a header.
    """

    input: TableFiles
    files: tuple[Path, ...]
    schema: pa.Schema
    is_verbatim: bool = False
    header: bytes = b""


@dataclass(frozen=True)
class Rows:
    """Clips to choose from, of a table, as one DuckDB relation.

    The relation has the table's own columns with their names, values and types, then, where the
    table has no column of that name (capitals aside), the standard columns `source_id` VARCHAR,
    `start_seconds`, `end_seconds`, `duration_seconds` DOUBLE and `caption` VARCHAR. A column of the
    table that has the name of an id or time, and another type, has that type here: a number is the
    text of an id, a text is a time or null. And always

    - `row_key` UBIGINT: what the row names, the same on any machine and in any order of rows;
    - `row_fault` VARCHAR: null for a sound row, else one word (docs/how-to/published-tables.md);
    - `row_line` BIGINT: the number of the row in its file, or of its line in a text file, from 1;
    - `row_place` BIGINT: grows with the order of the input and is no other row's;
    - `row_caption` VARCHAR: the caption as plain text, also where the table's own column of that
      name holds a list of one.

    A table that has a column with one of these five names is refused. A query that does not use a
    standard column does not compute it.

    Attributes:
        connection: locked: it reads the table and writes the folders that were allowed.
        relation: lazy, in no order.
        columns: the table's own columns, in order: what an output keeps.
        layout: how the table names what it has: `internvid`, `panda-70m`, ..., `own`.
        faults: lines that could not be read as rows at all.
        origin: where the values are, for `write_rows`.
    """

    connection: duckdb.DuckDBPyConnection
    relation: duckdb.DuckDBPyRelation
    columns: tuple[str, ...]
    layout: str
    faults: Faults
    origin: Origin
