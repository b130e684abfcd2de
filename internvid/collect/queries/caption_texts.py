"""Texts in which actions are looked for: a column of a table, or the captions of a dataset."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from internvid.core.errors import MisuseError, SourceMissingError

COLUMNS = (
    "caption",
    "captions",
    "sentence",
    "sentences",
    "description",
    "query",
    "text",
    "Caption",
    "title",
)
_ROWS_AT_ONCE = 10_000


def read_texts(path: Path, column: str | None = None) -> Iterator[str]:
    """Texts of a file, one after another; the file is streamed where its form allows it.

    Args:
        path: csv, tsv, JSON lines, JSON (a list of objects, or objects within objects), Parquet,
            or a text with a sentence a line.
        column: the field with the texts; the first of `COLUMNS` that there is when None.

    Raises:
        SourceMissingError: there is no such file.
        MisuseError: it cannot be read, or has no such field.
    """
    if not path.is_file():
        raise SourceMissingError(f"{path} is not there", hint="name a table of captions")
    suffix, found = path.suffix.lower(), False
    try:
        if suffix in (".csv", ".tsv"):
            texts = _of_csv(path, column, "\t" if suffix == ".tsv" else ",")
        elif suffix == ".parquet":
            texts = _of_parquet(path, column)
        elif suffix in (".json", ".jsonl", ".ndjson"):
            texts = _of_json(path, column, by_line=suffix != ".json")
        else:
            texts = _lines(path)
        for text in texts:
            if text.strip():
                found = True
                yield text
    except (ValueError, csv.Error, OSError) as error:
        raise MisuseError(
            f"{path} cannot be read as {suffix or 'text'}: {error}".splitlines()[0],
            hint="csv, tsv, JSON, JSON lines, Parquet, or a text with a sentence a line",
        ) from error
    if not found:
        raise MisuseError(
            f"{path} has no texts in {column or 'any of ' + ', '.join(COLUMNS)}",
            hint="name the field: --texts FILE:FIELD",
        )


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        yield from file


def _of_csv(path: Path, column: str | None, delimiter: str) -> Iterator[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.DictReader(file, delimiter=delimiter)
        name = _chosen(column, reader.fieldnames or (), path)
        for row in reader:
            yield row.get(name) or ""


def _of_parquet(path: Path, column: str | None) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            name = _chosen(column, file.schema_arrow.names, path)
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=[name]):
                for value in batch.column(0).to_pylist():
                    yield from _strings(value)
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error


def _of_json(path: Path, column: str | None, *, by_line: bool) -> Iterator[str]:
    if not by_line:
        yield from _of_value(json.loads(path.read_text("utf-8-sig")), column)
        return
    with path.open(encoding="utf-8-sig") as file:
        for line in file:
            if line.strip():
                yield from _of_value(json.loads(line), column)


def _of_value(value: Any, column: str | None) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _of_value(item, column)
    elif isinstance(value, Mapping):
        names = (column,) if column is not None else COLUMNS
        name = next((name for name in names if name in value), None)
        if name is not None:
            yield from _strings(value[name])
        else:
            for item in value.values():
                if isinstance(item, (list, Mapping)):
                    yield from _of_value(item, column)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _chosen(column: str | None, names: Any, path: Path) -> str:
    if column is not None and column in names:
        return column
    if column is None:
        name = next((name for name in COLUMNS if name in names), None)
        if name is not None:
            return name
    raise MisuseError(
        f"{path} has no column {column or 'of ' + ', '.join(COLUMNS)}; it has: {', '.join(names)}",
        hint="name one of them: --texts FILE:COLUMN",
    )
