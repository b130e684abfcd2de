"""Takes rows out of files that list videos; rows that stay keep their bytes.

An index is as its writer (`internvid.publishing.index_files`) left it: JSON with a row in each
line, JSON lines, csv, or Parquet in row groups of `ROWS_AT_ONCE`. Rows are read one by one, so that
an index of millions is never in memory, and what is left has the bytes of an index that never had
the others.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from internvid.core.errors import DatasetFormatError
from internvid.dataset.parts import committed, part_writer, read_groups, written_schema

ROWS_AT_ONCE = 4096
"""Rows of a row group of Parquet."""

Gone = Callable[[str], bool]
"""Whether a path in a row leads to a file that is taken out."""


def without_rows(path: Path, form: str, path_field: str, gone: Gone) -> None:
    """Write an index anew without rows of files that are taken out.

    Args:
        path: of the index.
        form: one of `ROW_FORMS`.
        path_field: the field with the path of the video, or a list of such paths, of which one
            that is gone is enough; `a.b` is a field inside a field. Empty where the index is a JSON
            object whose keys are the paths.
        gone: says it of a path.

    Raises:
        DatasetFormatError: the file is none of that form.
        StorageError: it cannot be written.
    """
    ROW_FORMS[form](path, path_field, gone)


def _json(path: Path, path_field: str, gone: Gone) -> None:
    with path.open("rb") as source, committed(path) as temporary, temporary.open("wb") as file:
        opening = source.readline()
        if opening in (b"[]\n", b"{}\n"):
            file.write(opening)
            return
        if opening not in (b"[\n", b"{\n"):
            raise _strange(path, "it does not have a row in each line")
        is_object, count = opening == b"{\n", 0
        for line in _rows_of_json(path, source, b"}\n" if is_object else b"]\n"):
            row = _parsed(path, b"{%b}" % line if is_object else line)
            paths = _values_at(row, path_field) if path_field else list(row)
            if not any(map(gone, paths)):
                file.write((b",\n" if count else opening) + line)
                count += 1
        closing = b"}\n" if is_object else b"]\n"
        file.write(b"\n" + closing if count else opening.strip() + closing)


def _rows_of_json(path: Path, source: BinaryIO, end: bytes) -> Iterator[bytes]:
    for line in source:
        if line == end:
            if source.read(1):
                raise _strange(path, "something stands behind its end")
            return
        yield line.removesuffix(b"\n").removesuffix(b",")
    raise _strange(path, "it is cut short")


def _lines(path: Path, path_field: str, gone: Gone) -> None:
    with path.open("rb") as source, committed(path) as temporary, temporary.open("wb") as file:
        for line in source:
            if not any(map(gone, _values_at(_parsed(path, line), path_field))):
                file.write(line)


def _csv(path: Path, path_field: str, gone: Gone) -> None:
    with path.open("rb") as source, committed(path) as temporary, temporary.open("wb") as file:
        records = _records(source)
        header = next(records, None)
        if header is None:
            return
        names = _cells(path, header)
        if path_field not in names:
            raise _strange(path, f"it has no column {path_field!r}")
        at, is_begun = names.index(path_field), False
        for record in records:
            cells = _cells(path, record)
            if len(cells) != len(names):
                raise _strange(path, f"a row has {len(cells)} cells, the header has {len(names)}")
            if not gone(cells[at]):
                # A table without rows was published without a header too.
                file.write(record if is_begun else header + record)
                is_begun = True


def _records(source: BinaryIO) -> Iterator[bytes]:
    """The rows of a csv file, as their bytes: a quoted cell may hold lines of its own."""
    record = b""
    for line in source:
        record += line
        if record.count(b'"') % 2 == 0:
            yield record
            record = b""
    if record:
        yield record


def _cells(path: Path, record: bytes) -> list[str]:
    # A lone carriage return inside a cell need not be quoted, and no path has one.
    text = record.decode("utf-8", "surrogateescape").replace("\r", " ")
    previous = csv.field_size_limit(len(text) + 1)
    try:
        return next(csv.reader([text]))
    except (csv.Error, StopIteration) as error:
        raise _strange(path, f"a row is no csv: {error}") from error
    finally:
        csv.field_size_limit(previous)


def _parquet(path: Path, path_field: str, gone: Gone) -> None:
    schema = written_schema(path)
    name, _, below = path_field.partition(".")
    if path_field in schema.names:
        name, below = path_field, ""
    if name not in schema.names:
        raise _strange(path, f"it has no column {path_field!r}")
    with part_writer(path, schema) as writer:
        waiting: list[pa.Table] = []
        rows = 0
        for table in read_groups(path):
            values = table[name].to_pylist()
            kept = [not any(map(gone, _texts_in(value, below))) for value in values]
            waiting.append(table.filter(pa.array(kept, pa.bool_())))
            rows += waiting[-1].num_rows
            while rows >= ROWS_AT_ONCE:
                whole = pa.concat_tables(waiting)
                writer.write_table(_as_written(whole.slice(0, ROWS_AT_ONCE), schema))
                waiting, rows = [whole.slice(ROWS_AT_ONCE)], rows - ROWS_AT_ONCE
        if rows:
            writer.write_table(_as_written(pa.concat_tables(waiting), schema))


def _as_written(table: pa.Table, schema: pa.Schema) -> pa.Table:
    return table.combine_chunks().cast(schema)


def _parsed(path: Path, line: bytes) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise _strange(path, f"a line is no JSON: {error}") from error
    if not isinstance(row, dict):
        raise _strange(path, "a row is no JSON object")
    return row


def _values_at(row: Any, path_field: str) -> list[str]:
    """The paths in a row."""
    if isinstance(row, Mapping) and path_field in row:
        return _texts_in(row[path_field], "")
    return _texts_in(row, path_field)


def _texts_in(value: Any, below: str) -> list[str]:
    if isinstance(value, list):
        return [text for each in value for text in _texts_in(each, below)]
    if below and isinstance(value, Mapping):
        name, _, rest = below.partition(".")
        return _texts_in(value.get(name), rest)
    return [value] if isinstance(value, str) and not below else []


def _strange(path: Path, what: str) -> DatasetFormatError:
    return DatasetFormatError(
        f"{path} is damaged: {what}",
        hint="restore it from a copy, or publish again, into a new folder",
    )


ROW_FORMS: Mapping[str, Callable[[Path, str, Gone], None]] = {
    "json": _json,
    "jsonl": _lines,
    "csv": _csv,
    "parquet": _parquet,
}
"""Form of an index -> what takes rows out of one."""
