"""Writes chosen rows of a table: their own columns, bit for bit, in the order of the input.

A relation says which rows; their values come from the table itself, in one streaming pass. So
types, nested values and metadata of Parquet stay as they are, and lines of text files are copied.
"""

from __future__ import annotations

import glob
import json
import time
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from internvid.core.errors import MisuseError, OutputExistsError, StorageError
from internvid.core.system.temporary import is_left_over, is_temporary
from internvid.curate.tables.rows import Origin, Rows
from internvid.curate.tables.taking import taken
from internvid.curate.tables.text.copying import LINE_COLUMNS, copy_lines
from internvid.dataset.answers.column_views import quoted_name
from internvid.dataset.parts import committed, part_writer, storage_errors

if TYPE_CHECKING:
    import duckdb

_SUFFIXES = (".parquet", ".csv", ".jsonl")
_PLACES_AT_ONCE = 1 << 16
# Row groups: as many rows as a reader of one column likes, and as many bytes as memory does.
_GROUP_ROWS = 1 << 16
_GROUP_BYTES = 64 << 20


def write_rows(
    rows: Rows,
    relation: duckdb.DuckDBPyRelation,
    out: Path,
    *,
    label: str | None = None,
    overwrite: bool = False,
) -> int:
    """Write the own columns of the rows of a relation, in the order of the input.

    The connection runs no other query meanwhile.

    The same rows make the same bytes, whatever the order of the relation. A row that the relation
    has twice is written twice. The file appears whole or not at all.

    Args:
        rows: the table.
        relation: made of `rows.relation`, with its column `row_place`; other columns, and values
            that were changed, are not looked at.
        out: a path that ends with .parquet (zstd), .csv or .jsonl.
        label: a column of texts of the relation that is written too, behind the table's own.
        overwrite: replace a file that is there.

    Returns:
        How many rows were written.

    Raises:
        MisuseError: another suffix, or `row_place` was lost.
        OutputExistsError: the file is there.
        StorageError: the disk is full or refuses.
    """
    refuse_output(out, overwrite=overwrite)
    _remove_left_over(out)
    if "row_place" not in relation.columns:
        raise MisuseError(
            f"rows without row_place cannot be written; columns are: {', '.join(relation.columns)}",
            hint="keep the column row_place in the relation",
        )
    labels: deque[pa.ChunkedArray] = deque()
    with closing(_places(relation, label, labels)) as places:
        return _write(rows.origin, places, out, label, labels)


def _write(
    origin: Origin,
    places: Iterator[NDArray[np.int64]],
    out: Path,
    label: str | None,
    labels: deque[pa.ChunkedArray],
) -> int:
    suffix, form = out.suffix.lower(), origin.input.form
    is_copied = origin.is_verbatim and suffix[1:] == ("jsonl" if form == "json" else form)
    schema, tables = origin.schema, taken(origin, places, LINE_COLUMNS if is_copied else None)
    if label is not None:
        field = pa.field(label, pa.string())
        schema, tables = schema.append(field), _labelled(tables, field, labels)
    if is_copied:
        with committed(out) as temporary, temporary.open("wb") as file:
            return copy_lines(origin, tables, file, label=label)
    if suffix == ".parquet":
        return _write_parquet(schema, tables, out)
    with committed(out) as temporary, temporary.open("wb") as file:
        write = _write_csv if suffix == ".csv" else _write_jsonl
        return write(schema, tables, file)


def _labelled(
    tables: Iterator[pa.Table], field: pa.Field, labels: deque[pa.ChunkedArray]
) -> Iterator[pa.Table]:
    """Tables with their labels, which lie in the same order in other portions."""
    held = pa.chunked_array([], pa.string())
    for table in tables:
        while len(held) < table.num_rows:
            held = pa.chunked_array([*held.chunks, *labels.popleft().chunks], pa.string())
        own = held.slice(0, table.num_rows)
        held = held.slice(table.num_rows)
        yield table.append_column(field, own)


def refuse_output(out: Path, *, overwrite: bool = False) -> None:
    """Find out before the work begins whether rows can be written to a path.

    Raises:
        MisuseError: its suffix is not known.
        OutputExistsError: a file is there, or a folder.
    """
    if out.suffix.lower() not in _SUFFIXES:
        raise MisuseError(
            f"{out} has no suffix that says how to write it", hint=f"one of {', '.join(_SUFFIXES)}"
        )
    with storage_errors(out):
        exists = out.exists() or out.is_symlink()
    if out.is_dir():
        raise OutputExistsError(f"{out} is a folder, not a file", hint="name a file in it")
    if exists and not overwrite:
        raise OutputExistsError(f"{out} exists", hint="choose another path, or remove it first")


def _remove_left_over(out: Path) -> None:
    """Remove what killed writers of this file left beside it: it may be as large as the file."""
    now = time.time()
    with storage_errors(out):
        left = [
            path
            for path in out.parent.glob(glob.escape(out.name) + ".*")
            if is_temporary(path.name) and is_left_over(path, now)
        ]
    for path in left:
        with suppress(OSError):
            path.unlink()


def _places(
    relation: duckdb.DuckDBPyRelation, label: str | None, labels: deque[pa.ChunkedArray]
) -> Generator[NDArray[np.int64], None, None]:
    """Places in order, some at a time; their labels are laid into `labels` meanwhile."""
    import duckdb

    names = ["row_place"] if label is None else ["row_place", label]
    columns = ", ".join(map(quoted_name, names))
    ordered = relation.project(columns).order(quoted_name("row_place"))
    try:
        # A reader that is not closed would keep the connection from its next query.
        with ordered.to_arrow_reader(_PLACES_AT_ONCE) as reader:
            for batch in reader:
                if batch.num_rows:
                    if label is not None:
                        labels.append(pa.chunked_array([batch.column(1).cast(pa.string())]))
                    yield batch.column(0).to_numpy(zero_copy_only=False).astype(np.int64)
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        raise StorageError(
            f"the rows cannot be sorted: {_first_line(error)}",
            hint="free space in the folder for temporary files, or name another one",
        ) from error
    except duckdb.Error as error:
        # Relations are lazy: a condition that reads well may still fail on the values.
        raise MisuseError(
            f"the rows cannot be chosen: {_first_line(error)}",
            hint="try_cast(column as double) is null where a value is no number",
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _write_parquet(schema: pa.Schema, tables: Iterator[pa.Table], out: Path) -> int:
    written = 0
    with part_writer(out, schema) as writer:
        held: list[pa.Table] = []
        for table in tables:
            held.append(table)
            while sum(each.num_rows for each in held) >= _GROUP_ROWS:
                whole = pa.concat_tables(held)
                writer.write_table(whole.slice(0, _GROUP_ROWS), row_group_size=_GROUP_ROWS)
                written += _GROUP_ROWS
                held = [whole.slice(_GROUP_ROWS)]
            if sum(each.nbytes for each in held) >= _GROUP_BYTES:
                written += _write_group(writer, held)
                held = []
        written += _write_group(writer, held)
    return written


def _write_group(writer: Any, held: list[pa.Table]) -> int:
    rows = sum(int(each.num_rows) for each in held)
    if rows:
        writer.write_table(pa.concat_tables(held), row_group_size=rows)
    return rows


def _write_csv(schema: pa.Schema, tables: Iterator[pa.Table], file: BinaryIO) -> int:
    columns = [
        pa.field(field.name, pa.string() if _is_nested(field.type) else field.type)
        for field in schema
    ]
    written = 0
    with pyarrow.csv.CSVWriter(file, pa.schema(columns)) as writer:
        for table in tables:
            writer.write_table(_flat(table, pa.schema(columns)))
            written += table.num_rows
    return written


def _flat(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Nested values as JSON, bytes as hexadecimal digits: what a cell of a csv file can hold."""
    columns = []
    for field in schema:
        column = table.column(field.name)
        if _is_nested(column.type):
            texts = [None if each is None else _json(each) for each in column.to_pylist()]
            column = pa.array([text if text is None else text.strip('"') for text in texts])
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)


def _is_nested(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_nested(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_dictionary(kind)
    )


def _write_jsonl(schema: pa.Schema, tables: Iterator[pa.Table], file: BinaryIO) -> int:
    written = 0
    names = [json.dumps(name, ensure_ascii=False) + ": " for name in schema.names]
    for table in tables:
        columns = [_json_texts(table.column(index), field) for index, field in enumerate(schema)]
        lines = [
            "{" + ", ".join(map("".join, zip(names, values, strict=True))) + "}\n"
            for values in zip(*columns, strict=True)
        ]
        file.write("".join(lines).encode("utf-8"))
        written += table.num_rows
    return written


def _json_texts(column: pa.ChunkedArray, field: pa.Field) -> list[str]:
    values = column.to_pylist()
    if pa.types.is_integer(field.type):
        return ["null" if each is None else str(each) for each in values]
    if pa.types.is_floating(field.type):
        finite = pc.is_finite(column).to_pylist()
        return [repr(each) if good else "null" for each, good in zip(values, finite, strict=True)]
    return [_json(each) for each in values]


def _json(value: Any) -> str:
    return json.dumps(_strict(value), ensure_ascii=False)


def _strict(value: Any) -> Any:
    """A value that JSON can hold."""
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, (list, tuple)):
        return [_strict(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _strict(each) for key, each in value.items()}
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
