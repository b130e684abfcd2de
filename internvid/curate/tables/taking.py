"""Takes the rows at given places out of Parquet files, in one streaming pass over those."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from internvid.core.system.streams import prepared
from internvid.curate.tables.rows import Origin
from internvid.curate.tables.standard import PLACE_BITS
from internvid.dataset.parts import reading_part

# Row groups that are decoded at a time, and that wait to be written.
_THREADS = 2
_AHEAD = 3
# Larger groups are decoded piece by piece by whoever writes them.
_LARGE_BYTES = 256 << 20
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
    names = list(origin.schema.names if columns is None else columns)
    groups = _groups(origin.files, _Queue(places))
    whole = prepared(groups, lambda group: _of_group(group, names), threads=_THREADS, ahead=_AHEAD)
    for _, tables in whole:
        for table in tables:
            yield table if columns is not None else with_columns_of(table, origin.schema)


@dataclass(frozen=True)
class _Group:
    """Rows to take from one row group, by their numbers in it."""

    path: Path
    metadata: Any
    number: int
    wanted: NDArray[np.int64]

    @property
    def is_large(self) -> bool:
        return bool(self.metadata.row_group(self.number).total_byte_size > _LARGE_BYTES)


def _groups(files: Sequence[Path], queue: _Queue) -> Iterator[_Group]:
    """The row groups that have any of the places."""
    for number, path in enumerate(files):
        base = number << PLACE_BITS
        first = queue.first()
        if first is None:
            return
        if first >= base + (1 << PLACE_BITS):
            continue
        with reading_part(path):
            metadata = pq.read_metadata(path)
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group).num_rows
            wanted = queue.below(base + rows) - base
            base += rows
            if len(wanted):
                yield _Group(path, metadata, group, wanted)


def _of_group(group: _Group, names: list[str]) -> Iterable[pa.Table]:
    """The rows: at once, or of a large group some at a time, as they are consumed."""
    tables = _in_batches(group, names)
    return tables if group.is_large else list(tables)


def _in_batches(group: _Group, names: list[str]) -> Iterator[pa.Table]:
    size = _BATCH_ROWS if group.is_large else group.metadata.row_group(group.number).num_rows
    base, at = 0, 0
    with reading_part(group.path), pq.ParquetFile(group.path, metadata=group.metadata) as file:
        present = set(file.schema_arrow.names)
        batches = file.iter_batches(
            size,
            row_groups=[group.number],
            columns=[name for name in names if name in present],
            use_threads=False,
        )
        for batch in batches:
            end = int(np.searchsorted(group.wanted, base + batch.num_rows))
            wanted = group.wanted[at:end] - base
            base, at = base + batch.num_rows, end
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
