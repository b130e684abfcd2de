"""Takes the rows at given places out of Parquet files, in one streaming pass over those."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from internvid.curate.tables.rows import Origin
from internvid.curate.tables.standard import PLACE_BITS
from internvid.dataset.parts import reading_part

# Few enough that rows with embeddings or small pictures do not fill the memory.
_BATCH_ROWS = 1 << 14


class _Queue:
    """Sorted places, of which the first are taken off."""

    def __init__(self, places: Iterator[NDArray[np.int64]]) -> None:
        self._more = places
        self._held = np.empty(0, np.int64)

    def first(self) -> int | None:
        """The next place, null at the end."""
        while not len(self._held):
            held = next(self._more, None)
            if held is None:
                return None
            self._held = held
        return int(self._held[0])

    def below(self, limit: int) -> NDArray[np.int64]:
        """All places below a limit, taken off."""
        pieces = []
        while (first := self.first()) is not None and first < limit:
            count = int(np.searchsorted(self._held, limit))
            pieces.append(self._held[:count])
            self._held = self._held[count:]
        return np.concatenate(pieces) if pieces else np.empty(0, np.int64)


def taken(
    origin: Origin,
    places: Iterator[NDArray[np.int64]],
    columns: Sequence[str] | None = None,
) -> Iterator[pa.Table]:
    """Rows at sorted places, as tables of some thousand rows.

    Args:
        origin: the files.
        places: sorted, some at a time; those that occur twice are taken twice.
        columns: other columns than the table's own.

    Raises:
        DatasetFormatError: a file is damaged; the message names it.
    """
    queue = _Queue(places)
    names = list(origin.schema.names if columns is None else columns)
    for number, path in enumerate(origin.files):
        base = number << PLACE_BITS
        first = queue.first()
        if first is None:
            return
        if first >= base + (1 << PLACE_BITS):
            continue
        for table in _of_file(path, names, base, queue):
            yield table if columns is not None else with_columns_of(table, origin.schema)


def _of_file(path: Path, names: list[str], base: int, queue: _Queue) -> Iterator[pa.Table]:
    with reading_part(path):
        file = pq.ParquetFile(path)
    with file:
        present = set(file.schema_arrow.names)
        present_names = [name for name in names if name in present]
        for group in range(file.metadata.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            first = queue.first()
            if first is None:
                return
            if first < base + rows:
                yield from _of_group(path, file, group, present_names, base, queue)
            base += rows


def _of_group(
    path: Path,
    file: pq.ParquetFile,
    group: int,
    names: list[str],
    base: int,
    queue: _Queue,
) -> Iterator[pa.Table]:
    batches = file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=names)
    while True:
        with reading_part(path):
            batch = next(batches, None)
        if batch is None:
            return
        wanted = queue.below(base + batch.num_rows) - base
        base += batch.num_rows
        if len(wanted) == batch.num_rows and (np.diff(wanted) == 1).all():
            yield pa.Table.from_batches([batch])
        elif len(wanted):
            yield pa.Table.from_batches([batch]).take(pa.array(wanted))


def with_columns_of(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A file's rows with the columns of all files."""
    if table.schema.equals(schema, check_metadata=True):
        return table
    columns = [
        table.column(field.name).cast(field.type)
        if field.name in table.schema.names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
