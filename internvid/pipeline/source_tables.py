"""Tables of sources, row by row: one bad row costs itself, and is named with its line.

A cell of a CSV file is text, whatever it looks like: `007` is no number. It becomes one where a
type is known for its column.
"""

from __future__ import annotations

import csv
import datetime as dt
import decimal
import json
import math
import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict, cast

import pyarrow as pa
import pyarrow.parquet as pq

from internvid.collect.fetched_rows import fetched_row, is_fetched
from internvid.core.errors import ConfigInvalidError
from internvid.dataset.layout import Layout
from internvid.dataset.parts import commit_json
from internvid.dataset.sources.metadata import UNKNOWN, join_kinds, kinds_of, readable, row_to_json

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"})
NOTED = 20
"""So many of the rows that are set aside are named, the first ones."""
_ASIDE = frozenset({"table", "rows", "values", "first"})
_YOUTUBE = ("YoutubeID", "youtube_id")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FLAGS = {"true": True, "false": False, "1": True, "0": False}
# How tables say that a number is not known.
_UNKNOWN_WORDS = frozenset({"na", "n/a", "#n/a", "nan", "null", "none", "-"})
_WORDS = {
    "BIGINT": "a whole number", "DOUBLE": "a number", "BOOLEAN": "a flag", "VARCHAR": "text",
    "DATE": "a date", "TIMESTAMP": "a time",
}  # fmt: skip


@dataclass
class SetAside:
    """What a table says that was not taken.

    Attributes:
        table: its path.
        rows: how many rows name no source that can be used; the others were taken.
        values: how many values are of another type than their column; they stand in the metadata
            as they are, and are null in the typed column.
        first: (line, reason) of the first ones.
    """

    table: str
    rows: int = 0
    values: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.rows or self.values)

    def note(self) -> str:
        """A sentence for people."""
        shown_lines = [f"line {line}: {reason}" for line, reason in self.first[:3]]
        more = "; ..." if self.rows + self.values > len(shown_lines) else ""
        counts = [f"rows {self.rows}"] if self.rows else []
        counts += [f"values {self.values}"] if self.values else []
        return f"set aside of {self.table}: {', '.join(counts)} ({'; '.join(shown_lines)}{more})"


@dataclass
class SourceTable:
    """The rows of a table that name sources.

    Attributes:
        uris: as they stand in it.
        source_ids: what belongs together; None where it does not say.
        metadata: the other columns as JSON text; None where there are none.
        kinds: key of the metadata -> SQL type.
        aside: what was not taken.
    """

    aside: SetAside
    uris: list[str] = field(default_factory=list)
    source_ids: list[str | None] = field(default_factory=list)
    metadata: list[str | None] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)


def read_source_table(
    path: Path, types: Mapping[str, str], fixed: Collection[str] = ()
) -> SourceTable:
    """Read a table; what is wrong with a row sets it aside, and the rest goes on.

    Args:
        path: csv, tsv, jsonl, ndjson or parquet. Of fetched files (with `path` and `status`) the
            rows that have one are taken, with the metadata of the source.
        types: SQL types that are known of columns; texts in them are read so.
        fixed: columns whose type does not change, whatever the values are.

    Raises:
        ConfigInvalidError: it cannot be read at all, has no column `uri`, or a column twice.
    """
    reader = _Reader(path, types, fixed)
    try:
        if path.suffix.lower() == ".parquet":
            reader.take_parquet()
        elif path.suffix.lower() in (".jsonl", ".ndjson"):
            reader.take(_json_rows(path))
        else:
            reader.take(_csv_rows(path))
    except (pa.ArrowException, OSError) as error:
        raise ConfigInvalidError(f"{path} cannot be read as a table: {error}") from error
    return reader.finish()


def remember_set_aside(layout: Layout, tables: Sequence[SetAside]) -> None:
    """Note what these tables have that was not taken, in place of what was noted of them before."""
    noted = {entry["table"]: entry for entry in read_set_aside(layout)}
    before = dict(noted)
    for table in tables:
        noted.pop(table.table, None)
        if table:
            noted[table.table] = {
                "table": table.table,
                "rows": table.rows,
                "values": table.values,
                "first": [{"line": line, "reason": reason} for line, reason in table.first],
            }
    if noted != before:
        commit_json(_aside_path(layout), [noted[table] for table in sorted(noted)])


class AsideLine(TypedDict):
    """A row of a table that was not taken, or not in full, and why."""

    line: int
    reason: str


class AsideEntry(TypedDict):
    """What a table has that was not taken: the fields of `SetAside`."""

    table: str
    rows: int
    values: int
    first: list[AsideLine]


def read_set_aside(layout: Layout) -> list[AsideEntry]:
    """What tables of sources have that was not taken, one entry a table: the fields of `SetAside`.

    Nothing where that was lost: the next build finds it again.
    """
    try:
        found = json.loads(_aside_path(layout).read_text("utf-8"))
    except (OSError, ValueError):
        return []
    rows = found if isinstance(found, list) else []
    whole = [row for row in rows if isinstance(row, dict) and set(row) >= _ASIDE]
    return cast("list[AsideEntry]", whole)


def _aside_path(layout: Layout) -> Path:
    return layout.root / "sources" / "aside.json"


class _Reader:
    """One table on its way in: rows taken, rows set aside, and the types of the values."""

    def __init__(self, path: Path, types: Mapping[str, str], fixed: Collection[str]) -> None:
        self.table = SourceTable(SetAside(os.path.abspath(path)))
        self.types, self.fixed = types, fixed
        self.kinds: dict[str, Counter[str]] = defaultdict(Counter)
        self.lines: dict[tuple[str, str], list[int]] = defaultdict(list)
        self.keys: set[str] = set()

    def take(self, rows: Iterator[tuple[int, dict[str, Any] | str]]) -> None:
        """Take rows of values, or say why they are set aside."""
        for line, row in rows:
            reason = row if isinstance(row, str) else self._keep(line, row)
            if reason is not None:
                self._refuse(line, reason)

    def take_parquet(self) -> None:
        """Take the rows of a Parquet file, which has types of its own."""
        table = pq.read_table(self.table.aside.table)
        _check_names(self.table.aside.table, table.column_names)
        others = [name for name in table.column_names if name not in ("uri", "source_id")]
        if not is_fetched(table.column_names):
            self.table.kinds = kinds_of(table.select(others))
        plain = pa.table(
            [readable(table.column(name)) for name in table.column_names], names=table.column_names
        )
        batches = (batch.to_pylist() for batch in plain.to_batches(8192))
        self.take(enumerate((row for batch in batches for row in batch), 1))

    def _keep(self, line: int, row: dict[str, Any]) -> str | None:
        if is_fetched(row):
            source = fetched_row(row)
            if isinstance(source, str):
                return source
            row = source
        uri = row.pop("uri", None)
        if isinstance(uri, int) and not isinstance(uri, bool):
            uri = str(uri)
        if uri is None or (isinstance(uri, str) and not uri.strip()):
            return "it has no uri"
        if not isinstance(uri, str) or "\0" in uri:
            return f"its uri is no path: {uri!r:.80}"
        source_id = _source_id(row)
        if isinstance(source_id, (list, dict)):
            return f"its source_id is no text: {source_id!r:.80}"
        row.pop("source_id", None)
        found = [(key, *_typed(value, self.types.get(key))) for key, value in row.items()]
        text = row_to_json({key: value for key, value, _ in found})
        if not _is_unicode(f"{uri}{source_id}{text}"):
            return "it has text that is no Unicode"
        for key, value, kind in found:
            self.keys.add(key)
            if value is not None:
                self._count(line, key, kind)
        self.table.uris.append(uri)
        self.table.source_ids.append(None if source_id is None else str(source_id))
        self.table.metadata.append(text)
        return None

    def _count(self, line: int, key: str, kind: str) -> None:
        self.kinds[key][kind] += 1
        lines = self.lines[key, kind]
        if len(lines) < NOTED:
            lines.append(line)

    def _refuse(self, line: int, reason: str) -> None:
        self.table.aside.rows += 1
        self.table.aside.first.append((line, reason))
        # The first ones by their line, which are not known before the end.
        if len(self.table.aside.first) > NOTED:
            self.table.aside.first = sorted(self.table.aside.first)[:NOTED]

    def finish(self) -> SourceTable:
        """The table, with the types of its columns.

        Raises:
            ConfigInvalidError: no row can be used, though there are some.
        """
        aside = self.table.aside
        if not self.table.uris and aside.rows:
            raise ConfigInvalidError(
                f"{aside.table} names no source: {aside.rows} rows, of which none can be used; "
                f"line {aside.first[0][0]}: {aside.first[0][1]}",
                hint="give each row the path of its video in a column called `uri`",
            )
        for key, counts in self.kinds.items():
            # A file with types of its own is believed, but where its texts are to be something.
            if key not in self.table.kinds or key in self.types:
                self.table.kinds[key] = self._kind_of(key, counts)
        for key in self.keys:
            self.table.kinds.setdefault(key, UNKNOWN)
        if not self.keys:
            self.table.metadata = [None] * len(self.table.uris)
        aside.first = sorted(aside.first)[:NOTED]
        return self.table

    def _kind_of(self, key: str, counts: Counter[str]) -> str:
        """The type of a column; values of another type are counted, and left as they are."""
        joined = _joined(counts)
        if key in self.fixed:
            holds = self.types[key]
        elif joined != "VARCHAR" or set(counts) == {"VARCHAR"}:
            return joined
        else:
            numbers = {kind: counts[kind] for kind in ("BIGINT", "DOUBLE") if counts[kind]}
            most, count = counts.most_common(1)[0]
            if sum(numbers.values()) > count:
                most, count = _joined(numbers), sum(numbers.values())
            holds = most if 2 * count > counts.total() else "VARCHAR"
        for kind, number in sorted(counts.items()):
            is_other = _joined({holds: 1, kind: 1}) != holds
            if is_other or (holds == "VARCHAR" != kind and key not in self.fixed):
                self.table.aside.values += number
                words = f"{key} is {_WORDS[kind]}, the column {_WORDS[holds]}"
                self.table.aside.first += [(line, words) for line in self.lines[key, kind]]
        return holds


def _joined(counts: Mapping[str, int]) -> str:
    found: dict[str, str] = {}
    for kind in sorted(counts):
        found = join_kinds(found, {"": kind})
    return found.get("", UNKNOWN)


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        try:
            header = next(reader, [])
        except csv.Error as error:
            raise ConfigInvalidError(f"{path} cannot be read as a table: {error}") from error
        if not header:
            raise ConfigInvalidError(
                f"{path} is empty", hint="give it a header with a column `uri`"
            )
        _check_names(path, header)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield line, f"it cannot be read: {error}"
                continue
            if cells is None:
                return
            if len(cells) == len(header):
                # An empty cell says nothing.
                found = zip(header, cells, strict=True)
                yield line, {name: cell or None for name, cell in found}
            elif cells:
                yield line, f"it has {len(cells)} cells, the header {len(header)}"


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    has_uri, rows = False, 0
    with path.open("rb") as file:
        for line, data in enumerate(file, 1):
            if not data.strip():
                continue
            try:
                row = json.loads(data)
            except (ValueError, RecursionError) as error:
                yield line, f"it is not JSON: {error}"
                continue
            if not isinstance(row, dict):
                yield line, "it is no JSON object"
                continue
            has_uri, rows = has_uri or "uri" in row, rows + 1
            yield line, row
    if rows and not has_uri:
        _check_names(path, list(row) if isinstance(row, dict) else [])


def _check_names(path: Path | str, names: list[str]) -> None:
    if "uri" not in names:
        raise ConfigInvalidError(
            f"{path} has no column `uri`; it has: {', '.join(names)!a}",
            hint="name the column that holds paths `uri`, and save the table as UTF-8",
        )
    if len(set(names)) != len(names):
        raise ConfigInvalidError(f"{path} names a column twice: {', '.join(names)}")


def _source_id(row: Mapping[str, Any]) -> Any:
    """What caps, splits and removal count by: given, else from a YouTube id."""
    given = row.get("source_id")
    if given not in (None, ""):
        return given
    found = next((row[name] for name in _YOUTUBE if row.get(name) not in (None, "")), None)
    return None if found is None else f"youtube:{found}"


def _typed(value: Any, known: str | None) -> tuple[Any, str]:
    """A value as the known type of its column wants it, where it can be that; and its own type."""
    if isinstance(value, str):
        is_plain = known is None or known in (UNKNOWN, "VARCHAR")
        return (value, "VARCHAR") if is_plain else _read_as(value, str(known))
    if isinstance(value, bool):
        return value, "BOOLEAN"
    if isinstance(value, int):
        return value, "BIGINT" if -(2**63) <= value < 2**63 else "VARCHAR"
    if isinstance(value, float):
        return (value, "DOUBLE") if math.isfinite(value) else (None, UNKNOWN)
    if isinstance(value, decimal.Decimal):
        return value, "DOUBLE"
    if isinstance(value, dt.datetime):
        return value, "TIMESTAMP" if value.tzinfo is None else "VARCHAR"
    if isinstance(value, dt.date):
        return value, "DATE"
    return value, "VARCHAR"


def kind_of(value: Any) -> str:
    """The SQL type of a value as JSON has it."""
    return UNKNOWN if value is None else _typed(value, None)[1]


def _read_as(text: str, kind: str) -> tuple[Any, str]:
    """A text as a value of a type; itself where it is none."""
    if text.strip().lower() in _UNKNOWN_WORDS:
        return None, UNKNOWN
    if kind == "BOOLEAN" and text.lower() in _FLAGS:
        return _FLAGS[text.lower()], kind
    if kind == "BIGINT" and _NUMBER.fullmatch(text) and text.lstrip("-").isdigit():
        return _typed(int(text), None)
    if kind == "DOUBLE" and _NUMBER.fullmatch(text):
        return float(text), kind
    try:
        if kind == "DATE" and _DAY.fullmatch(text):
            return dt.date.fromisoformat(text), kind
        if kind == "TIMESTAMP":
            moment = dt.datetime.fromisoformat(text)
            return moment, kind if moment.tzinfo is None else "VARCHAR"
    except ValueError:
        pass
    return text, "VARCHAR"


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
