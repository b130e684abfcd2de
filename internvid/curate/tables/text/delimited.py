"""Splits and parses csv and tsv: fast where lines are records, with care where quotes are odd.

A record ends at a newline outside quotes. A stray quote would then swallow the rest of the file:
a quoted field that does not close within a megabyte, or that makes a wrong number of fields, is
taken as what it is on its own line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from internvid.curate.tables.faults import FaultyLine
from internvid.curate.tables.text.line_blocks import Block, Progress, read_blocks, shown
from internvid.curate.tables.text.plan import BAD, Plan, cell_value, column_array
from internvid.curate.tables.text.splitting import Records, lines_of

_QUOTE = 34
_MOST_RECORD_BYTES = 1 << 20
DELIMITERS = {"csv": ",", "tsv": "\t"}


def fields_of(text: str, delimiter: str) -> list[str] | None:
    """The fields of a record; null where a quote is not closed, or closed inside a field.

    A quote in a field that does not begin with one is a character.
    """
    fields: list[str] = []
    at, end = 0, len(text)
    pattern = _pattern(delimiter)
    while True:
        match = pattern.match(text, at)
        if match is None:
            return None
        quoted, plain = match.groups()
        fields.append(plain if quoted is None else quoted.replace('""', '"'))
        at = match.end()
        if at >= end:
            return fields
        at += 1
        if at == end:
            return [*fields, ""]


def _pattern(delimiter: str) -> re.Pattern[str]:
    each = re.escape(delimiter)
    return re.compile(
        rf'(?:"([^"]*(?:""[^"]*)*)"|((?:[^"{each}][^{each}]*)?))(?={each}|\Z)', re.DOTALL
    )


def read_delimited(
    path: Path, delimiter: str, width: int, progress: Progress | None = None
) -> Iterator[Records]:
    """The records of a file, its header included.

    Args:
        path: the file.
        delimiter: between fields.
        width: fields of a record.
        progress: see `read_blocks`.
    """
    rest = Block(b"", 1, 0)
    for block in read_blocks(path, progress):
        whole = block
        if rest.data:
            whole = Block(rest.data + block.data, rest.line, rest.offset, block.faulty)
        records, rest = _split(path, whole, delimiter, width, is_last=False)
        yield records
    if rest.data:
        yield _split(path, rest, delimiter, width, is_last=True)[0]


def _split(
    path: Path, block: Block, delimiter: str, width: int, *, is_last: bool
) -> tuple[Records, Block]:
    """The records of a block, and lines at its end that may be the begin of one."""
    lines = lines_of(path, block)
    nothing = Block(b"", 0, 0)
    if b'"' not in lines.data or not len(lines):
        return lines, nothing
    quotes = np.flatnonzero(np.frombuffer(lines.data, np.uint8) == _QUOTE)
    ends = lines.starts + lines.lengths
    before = np.searchsorted(quotes, lines.starts)
    odd = np.flatnonzero((np.searchsorted(quotes, ends) - before) % 2)
    if not len(odd):
        return lines, nothing
    return _joined(lines, odd.tolist(), delimiter, width, is_last=is_last)


def _joined(
    lines: Records, odd: list[int], delimiter: str, width: int, *, is_last: bool
) -> tuple[Records, Block]:
    """Lines with odd quotes joined to records, where that makes records."""
    is_start = np.ones(len(lines), bool)
    lengths = lines.lengths.copy()
    rest = Block(b"", 0, 0)
    limit, at, is_odd = len(lines), 0, False
    while at < len(odd):
        first = odd[at]
        start = int(lines.starts[first])
        last = odd[at + 1] if at + 1 < len(odd) else None
        if last is None:
            if not is_last and len(lines.data) - start < _MOST_RECORD_BYTES:
                limit = first
                rest = Block(lines.data[start:], int(lines.lines[first]), int(lines.offsets[first]))
            else:
                is_odd = True
            break
        end = int(lines.starts[last] + lines.lengths[last])
        if _is_record(lines.data[start:end], delimiter, width):
            is_start[first + 1 : last + 1] = False
            lengths[first] = end - start
            at += 2
        else:
            at, is_odd = at + 1, True
    kept = np.flatnonzero(is_start[:limit])
    data = lines.data if limit == len(lines) else lines.data[: int(lines.starts[limit])]
    records = Records(
        lines.path,
        data,
        lines.starts[kept],
        lengths[kept],
        lines.lines[kept],
        lines.offsets[kept],
        lines.faulty,
        has_newlines=True,
        is_odd=is_odd,
    )
    return records, rest


def _is_record(data: bytes, delimiter: str, width: int) -> bool:
    if len(data) > _MOST_RECORD_BYTES:
        return False
    fields = fields_of(data.decode("utf-8", "replace").rstrip("\r"), delimiter)
    return fields is not None and len(fields) == width


def parse_fast(records: Records, plan: Plan, delimiter: str) -> pa.Table | None:
    """All records of a block as a table; null where one of them needs a careful look."""
    if records.is_odd:
        return None
    names = list(plan.types)
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(pa.py_buffer(records.data)),
            read_options=pyarrow.csv.ReadOptions(
                column_names=names, use_threads=False, block_size=len(records.data) + 1
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=records.has_newlines
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=plan.schema,
                null_values=[""],
                true_values=["true", "True"],
                false_values=["false", "False"],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowException:
        return None
    return table if table.num_rows == len(records) else None


def parse_careful(
    records: Records, plan: Plan, delimiter: str
) -> tuple[pa.Table, list[str | None], np.ndarray[Any, Any], list[FaultyLine]]:
    """The records of a block one after another; what it returns is in `jsonl.parse_careful`.

    Raises:
        ColumnsChanged: the plan does not hold all values.
    """
    rows: list[list[str]] = []
    faults: list[str | None] = []
    indices: list[int] = []
    faulty: list[FaultyLine] = []
    for index in range(len(records)):
        text, fault = _decoded(records.at(index))
        fields = fields_of(text, delimiter)
        if fields is None or len(fields) != len(plan.types):
            line = int(records.lines[index])
            faulty.append(FaultyLine(records.path, line, "wrong_fields", shown(records.at(index))))
            continue
        rows.append(fields)
        faults.append(fault)
        indices.append(index)
    columns = []
    for column, (name, kind) in enumerate(plan.types.items()):
        values = [cell_value(row[column], kind, name) for row in rows]
        for at, value in enumerate(values):
            if value is BAD:
                faults[at] = faults[at] or "bad_type"
        columns.append(column_array(values, kind))
    table = pa.Table.from_arrays(columns, schema=plan.schema)
    return table, faults, np.array(indices, np.int64), faulty


def _decoded(line: bytes) -> tuple[str, str | None]:
    try:
        return line.decode("utf-8").rstrip("\r"), None
    except UnicodeDecodeError:
        return line.decode("utf-8", "replace").rstrip("\r"), "broken_text"
