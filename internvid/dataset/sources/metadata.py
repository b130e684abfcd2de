"""Metadata of sources: what tables say of them beside their uris, one JSON text a source.

Tables differ in columns and types from build to build, but all parts of `videos` must have one
schema, so that any engine reads them together. The views make columns of the keys again.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

# A key of which no value was seen yet.
UNKNOWN = "UNKNOWN"
_WIDER = {
    frozenset({"BIGINT", "DOUBLE"}): "DOUBLE",
    frozenset({"DATE", "TIMESTAMP"}): "TIMESTAMP",
}
_MOST = 2**63
KINDS = frozenset({UNKNOWN, "BIGINT", "DOUBLE", "VARCHAR", "BOOLEAN", "DATE", "TIMESTAMP"})
"""SQL types that a key of the metadata may have."""


def kinds_of(table: pa.Table) -> dict[str, str]:
    """Name -> SQL type of each column; text where it is nothing simpler, nested values too."""
    return {field.name: _kind(table.column(field.name), field.type) for field in table.schema}


def join_kinds(first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, str]:
    """The types that hold the values of both; text where they conflict. Sorted by name."""
    joined = dict(first)
    for name, kind in second.items():
        known = joined.get(name, UNKNOWN)
        if UNKNOWN in (known, kind) or known == kind:
            joined[name] = kind if known == UNKNOWN else known
        else:
            joined[name] = _WIDER.get(frozenset({known, kind}), "VARCHAR")
    return dict(sorted(joined.items()))


def column_names(keys: Iterable[str], taken: Collection[str]) -> dict[str, str]:
    """Key -> the name of its column in a view, which knows no capitals.

    Args:
        keys: of the metadata.
        taken: names that are columns already; a key of that name, or without one, gets `meta_`
            before it.
    """
    names: dict[str, str] = {}
    used = {"", *(name.lower() for name in taken)}
    for key in sorted(keys):
        name = key
        while name.lower() in used:
            name = f"meta_{name}"
        used.add(name.lower())
        names[key] = name
    return names


def expressions(kinds: Mapping[str, str], taken: Collection[str]) -> Iterator[tuple[str, str]]:
    """(column of a view, SQL over `metadata` that makes it) of each key."""
    for key, name in column_names(kinds, taken).items():
        # A JSON pointer, the one kind of path in which any key can stand.
        pointer = "/" + key.replace("~", "~0").replace("/", "~1")
        text = "json_extract_string(metadata, '" + pointer.replace("'", "''") + "')"
        kind = kinds[key]
        yield name, text if kind in ("VARCHAR", UNKNOWN) else f"try_cast({text} as {kind})"


def readable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column whose values Python has: it has no nanoseconds."""
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return column.cast(pa.timestamp("us", kind.tz), safe=False)
    if pa.types.is_duration(kind) and kind.unit == "ns":
        return column.cast(pa.duration("us"), safe=False)
    return column


def row_to_json(row: Mapping[str, Any]) -> str:
    """A row as one JSON text: keys sorted, nulls left out, so that equal rows are equal texts.

    Times are ISO 8601, bytes are hexadecimal; NaN and infinity are null.
    """
    finite = ((key, _finite(value)) for key, value in row.items())
    return _ENCODER.encode({key: value for key, value in finite if value is not None})


def _finite(value: Any) -> Any:
    """JSON has no NaN."""
    if value is None or type(value) is str:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return float(value) if isinstance(value, decimal.Decimal) else str(value)


_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, default=_plain)


def _kind(column: pa.ChunkedArray, kind: pa.DataType) -> str:
    if column.null_count == len(column):
        return UNKNOWN
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_integer(kind):
        fits = kind != pa.uint64() or max(filter(None, column.to_pylist()), default=0) < _MOST
        return "BIGINT" if fits else "VARCHAR"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "DOUBLE"
    if pa.types.is_timestamp(kind) and kind.tz is None:
        return "TIMESTAMP"
    known = ((pa.types.is_boolean, "BOOLEAN"), (pa.types.is_date, "DATE"))
    return next((name for fits, name in known if fits(kind)), "VARCHAR")
