"""Parses lines of JSON objects: a block at once, or line by line where a block has bad ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json

from internvid.curate.tables.faults import FaultyLine
from internvid.curate.tables.text.line_blocks import shown
from internvid.curate.tables.text.plan import (
    BAD,
    ColumnsChanged,
    Plan,
    column_array,
    fitted,
    plain_type,
    type_of_values,
)
from internvid.curate.tables.text.splitting import Records


def parse_fast(records: Records, plan: Plan) -> pa.Table | None:
    """All records of a block as a table; null where one of them needs a careful look.

    Raises:
        ColumnsChanged: there are columns that the plan does not have.
    """
    data = pa.py_buffer(records.data)
    try:
        # Arrow takes bytes as they are, and DuckDB refuses those that are no UTF-8.
        pa.array([records.data], pa.large_binary()).cast(pa.large_string())
        table = pyarrow.json.read_json(
            pa.BufferReader(data),
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(data) + 1),
            parse_options=pyarrow.json.ParseOptions(
                explicit_schema=plan.parsed, unexpected_field_behavior="infer"
            ),
        )
    except (pa.ArrowException, OverflowError):
        return None
    if table.num_rows != len(records):
        return None
    new = {
        field.name: plain_type(field.type) for field in table.schema if field.name not in plan.types
    }
    parsed = plan.parsed
    grown = {
        field.name: plain_type(table.schema.field(field.name).type)
        for field in parsed
        if table.schema.field(field.name).type != field.type
    }
    if new or grown:
        known = {name: kind for name, kind in new.items() if not pa.types.is_null(kind)}
        raise ColumnsChanged({**dict.fromkeys(new, pa.string()), **known, **grown})
    return table if parsed == plan.schema else table.cast(plan.schema)


def parse_careful(
    records: Records, plan: Plan
) -> tuple[pa.Table, list[str | None], np.ndarray[Any, Any], list[FaultyLine]]:
    """The records of a block one after another.

    Returns:
        A table, the fault of each of its rows, the indices of its records, and the lines that are
        no rows.

    Raises:
        ColumnsChanged: the plan does not hold all values.
    """
    rows: list[Mapping[str, Any]] = []
    faults: list[str | None] = []
    indices: list[int] = []
    faulty: list[FaultyLine] = []
    for index in range(len(records)):
        value, fault = read_object(records.at(index))
        if isinstance(value, str):
            line = int(records.lines[index])
            faulty.append(FaultyLine(records.path, line, value, shown(records.at(index))))
            continue
        rows.append(value)
        faults.append(fault)
        indices.append(index)
    _refuse_new(rows, plan)
    columns = []
    for name, kind in plan.types.items():
        values = [fitted(row.get(name), name, kind) for row in rows]
        for at, value in enumerate(values):
            if value is BAD:
                faults[at] = faults[at] or "bad_type"
        columns.append(column_array(values, kind))
    table = pa.Table.from_arrays(columns, schema=plan.schema)
    return table, faults, np.array(indices, np.int64), faulty


def read_object(line: bytes) -> tuple[Mapping[str, Any] | str, str | None]:
    """An object and its fault, or why the line is none."""
    fault = None
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        text, fault = line.decode("utf-8", "replace"), "broken_text"
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return "malformed_json", None
    if not isinstance(value, dict):
        return "not_an_object", None
    if "\\ud" in text or "\\uD" in text:
        value, broken = _without_surrogates(value)
        fault = fault or ("broken_text" if broken else None)
    return value, fault


def _without_surrogates(value: Any) -> tuple[Any, bool]:
    """A value whose halves of characters, which no file can hold, are replaced."""
    text = json.dumps(value, ensure_ascii=False)
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return (value, False) if whole == text else (json.loads(whole), True)


def _refuse_new(rows: list[Mapping[str, Any]], plan: Plan) -> None:
    new: dict[str, list[Any]] = {}
    for row in rows:
        for name in row.keys() - plan.types.keys():
            new.setdefault(name, []).append(row[name])
    if new:
        values = {
            name: [value for value in each if value is not None]
            for name, each in sorted(new.items())
        }
        raise ColumnsChanged({name: type_of_values(each) for name, each in values.items()})
