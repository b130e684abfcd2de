"""Converts text files to one Parquet file: in blocks, on several threads, in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from internvid.core.errors import DatasetFormatError
from internvid.curate.tables.expanding import Expander
from internvid.curate.tables.faults import Faults, FaultyLine
from internvid.curate.tables.known_layouts import Layout
from internvid.curate.tables.standard import FAULT, FILE, LENGTH, LINE, OFFSET
from internvid.curate.tables.taking import with_columns_of
from internvid.curate.tables.text import delimited, jsonl
from internvid.curate.tables.text.plan import ColumnsChanged, Plan
from internvid.curate.tables.text.sniffing import TextTable
from internvid.curate.tables.text.splitting import Records
from internvid.dataset.parts import reading_part, storage_errors

_MOST_BEGINNINGS = 50
_MOST_COLUMNS = 2000
_VIDEOS_AT_ONCE = 1 << 12
_HIDDEN = pa.schema(
    [
        (LINE, pa.int64()),
        (FAULT, pa.string()),
        (OFFSET, pa.int64()),
        (LENGTH, pa.int64()),
        (FILE, pa.int32()),
    ]
)
Parsed = tuple[pa.Table, list[FaultyLine]]


@dataclass(frozen=True)
class Converted:
    """A converted table.

    Attributes:
        path: the Parquet file: own columns, then the hidden ones.
        schema: of the own columns.
        faults: lines that are no rows.
    """

    path: Path
    schema: pa.Schema
    faults: Faults


def convert(
    table: TextTable,
    target: Path,
    *,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Converted:
    """Convert the text files of a table.

    Args:
        table: how they are read.
        target: the Parquet file.
        threads: that parse.
        progress: called with bytes read, decompressed; from the begin where the columns changed.

    Raises:
        DatasetFormatError: a file is damaged, or its columns change all the time.
        StorageError: the disk is full.
    """
    plan = table.plan
    for _ in range(_MOST_BEGINNINGS):
        try:
            return _convert(replace(table, plan=plan), target, threads, progress)
        except ColumnsChanged as changed:
            plan = plan.changed(changed.types)
        if len(plan.types) > _MOST_COLUMNS:
            break
    raise DatasetFormatError(
        f"{table.files.paths[0]} has rows whose columns keep changing; they are by now: "
        f"{', '.join(list(plan.types)[:20])}, ...",
        hint="give all rows the same keys",
    )


def convert_parquet(
    paths: Sequence[Path], schema: pa.Schema, layout: Layout, target: Path
) -> Converted:
    """Convert Parquet files whose rows are videos with lists of clips.

    Args:
        paths: the files.
        schema: of all of them.
        layout: theirs.
        target: the Parquet file.

    Raises:
        DatasetFormatError: a file is damaged.
        StorageError: the disk is full.
    """
    expand = Expander(layout, schema, paths)

    def parsed() -> Iterator[Parsed]:
        for number, path in enumerate(paths):
            line = 1
            with reading_part(path):
                file = pq.ParquetFile(path)
            with file:
                batches = file.iter_batches(_VIDEOS_AT_ONCE)
                while (batch := _next_batch(batches, path)) is not None:
                    rows = with_columns_of(pa.Table.from_batches([batch]), schema)
                    numbers = np.arange(line, line + rows.num_rows)
                    none = np.zeros(rows.num_rows, np.int64)
                    lines = _Lines(numbers, [None] * rows.num_rows, none, none, number)
                    yield expand(lines.appended(rows), [])
                    line += rows.num_rows

    return _write(expand, parsed(), target)


def _next_batch(batches: Iterator[pa.RecordBatch], path: Path) -> pa.RecordBatch | None:
    with reading_part(path):
        return next(batches, None)


def _convert(
    table: TextTable,
    target: Path,
    threads: int | None,
    progress: Callable[[int], None] | None,
) -> Converted:
    workers = threads or os.cpu_count() or 1
    expand = Expander(table.layout, table.plan.schema, table.files.paths)
    parse = _parser(table)
    total = 0

    def count(read_bytes: int) -> None:
        nonlocal total
        total += read_bytes
        if progress is not None:
            progress(total)

    def read() -> Iterator[tuple[int, Records]]:
        for number, path in enumerate(table.files.paths):
            for records in table.read(path, count):
                yield number, records

    def work(item: tuple[int, Records]) -> Parsed:
        return expand(*parse(*item))

    with ThreadPoolExecutor(workers) as pool:
        return _write(expand, _in_order(pool, work, read(), 2 * workers), target)


def _write(expand: Expander, parsed: Iterable[Parsed], target: Path) -> Converted:
    faults = Faults()
    schema = pa.schema([*expand.schema, *_HIDDEN, *expand.hidden])
    with storage_errors(target), pq.ParquetWriter(target, schema, **_settings(schema)) as writer:
        for rows, faulty in parsed:
            for line in faulty:
                faults.add(line)
            if rows.num_rows:
                writer.write_table(rows.select(schema.names), row_group_size=rows.num_rows)
    return Converted(target, expand.schema, faults)


def _settings(schema: pa.Schema) -> dict[str, object]:
    """Settings of a file that is read a few times and thrown away."""
    steady = (LINE, OFFSET, LENGTH)
    return {
        "compression": "lz4",
        "use_dictionary": [name for name in schema.names if name in (FAULT, FILE)],
        "column_encoding": {name: "DELTA_BINARY_PACKED" for name in schema.names if name in steady},
        "write_statistics": False,
    }


def _in_order(
    pool: ThreadPoolExecutor,
    work: Callable[[tuple[int, Records]], Parsed],
    items: Iterable[tuple[int, Records]],
    ahead: int,
) -> Iterator[Parsed]:
    """Results in the order of the items, of which only some are held at a time."""
    running: deque[Future[Parsed]] = deque()
    try:
        for item in items:
            running.append(pool.submit(work, item))
            if len(running) >= ahead:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        for each in running:
            each.cancel()


def _parser(table: TextTable) -> Callable[[int, Records], Parsed]:
    plan = table.plan
    delimiter = delimited.DELIMITERS.get(table.files.form)

    def parse(number: int, records: Records) -> Parsed:
        rows = _fast(records, plan, delimiter)
        if rows is not None:
            faults: list[str | None] = [None] * len(records)
            indices, faulty = np.arange(len(records)), list(records.faulty)
        else:
            if delimiter is None:
                rows, faults, indices, faulty = jsonl.parse_careful(records, plan)
            else:
                rows, faults, indices, faulty = delimited.parse_careful(records, plan, delimiter)
            faulty = sorted([*records.faulty, *faulty], key=lambda each: each.line)
        lines = _Lines(
            records.lines[indices],
            faults,
            records.offsets[indices],
            records.lengths[indices],
            number,
        )
        return lines.appended(rows), faulty

    return parse


@dataclass(frozen=True)
class _Lines:
    """The hidden columns of a block's rows."""

    numbers: NDArray[np.int64]
    faults: list[str | None]
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]
    file: int

    def appended(self, rows: pa.Table) -> pa.Table:
        """Rows with these columns at their end."""
        columns = (
            pa.array(self.numbers),
            pa.array(self.faults, pa.string()),
            pa.array(self.offsets),
            pa.array(self.lengths),
            pa.array(np.full(len(self.numbers), self.file, np.int32)),
        )
        for field, column in zip(_HIDDEN, columns, strict=True):
            rows = rows.append_column(field, column)
        return rows


def _fast(records: Records, plan: Plan, delimiter: str | None) -> pa.Table | None:
    if not len(records):
        return plan.schema.empty_table()
    if delimiter is None:
        return jsonl.parse_fast(records, plan)
    return delimited.parse_fast(records, plan, delimiter)
