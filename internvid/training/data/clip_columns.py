"""Columns of many clips without a Python object for each: Arrow arrays, mapped from a file.

Loader workers and the processes of one machine share the mapped pages; what is pickled into a
worker is the file's path.
"""

from __future__ import annotations

import bisect
import functools
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
import pyarrow as pa

from internvid.dataset.parts import committed
from internvid.training.data.order import IntArray

ROWS = 1 << 16
"""Rows of a record batch, and of what is looked at together."""

Item = TypeVar("Item")


def in_runs(values: Iterable[Item], length: int = ROWS) -> Iterator[list[Item]]:
    """The values, so many at a time."""
    rest = iter(values)
    while run := list(islice(rest, length)):
        yield run


class Strings(Sequence[Any]):
    """Texts in Arrow arrays: each becomes a Python object when it is looked at, and none stays.

    Args:
        chunks: of one type, in order; nulls are None.
    """

    def __init__(self, chunks: Sequence[pa.Array]) -> None:
        self._chunks = [each for each in chunks if len(each)]
        self._ends = list(accumulate(len(each) for each in self._chunks))

    @classmethod
    def of(cls, values: Iterable[str | None]) -> Strings:
        """The values, a run of them at a time."""
        return cls([pa.array(run, pa.large_string()) for run in in_runs(values)])

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, at: int) -> Any: ...
    @overload
    def __getitem__(self, at: slice) -> list[Any]: ...
    def __getitem__(self, at: int | slice) -> Any:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        place = at + len(self) if at < 0 else int(at)
        if not 0 <= place < len(self):
            raise IndexError(f"{at} of {len(self)}")
        chunk = bisect.bisect_right(self._ends, place)
        start = self._ends[chunk - 1] if chunk else 0
        return self._chunks[chunk][place - start].as_py()

    def __iter__(self) -> Iterator[Any]:
        for chunk in self._chunks:
            for start in range(0, len(chunk), ROWS):
                yield from chunk[start : start + ROWS].to_pylist()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(other) != len(self):
            return False
        return all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self)} texts>"

    @property
    def chunks(self) -> list[pa.Array]:
        """The arrays."""
        return self._chunks

    def taken(self, places: IntArray) -> Strings:
        """The texts at ascending places; the same arrays, where that is all of them."""
        if len(places) == len(self):
            return self
        found, start = [], 0
        for chunk, end in zip(self._chunks, self._ends, strict=True):
            low, high = np.searchsorted(places, (start, end))
            found.append(chunk.take(pa.array(places[low:high] - start)))
            start = end
        return Strings(found)


def as_strings(values: Sequence[str | None]) -> Strings:
    """The values as Arrow arrays, if they are not that already."""
    return values if isinstance(values, Strings) else Strings.of(values)


def label(values: Strings) -> tuple[IntArray, Strings]:
    """Numbers in order of first appearance, and the values by number."""
    if not len(values):
        return np.zeros(0, dtype=np.int64), values
    whole = pa.chunked_array([each.cast(pa.large_string()) for each in values.chunks])
    encoded = whole.dictionary_encode(null_encoding="encode").combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    numbers: IntArray = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers, Strings([encoded.dictionary])


class MappedTable:
    """An Arrow file whose columns are mapped, not read. Pickled, it is its path.

    Args:
        path: of the file, as `write_table` makes it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @functools.cached_property
    def _batches(self) -> list[pa.RecordBatch]:
        reader = pa.ipc.open_file(pa.memory_map(str(self.path)))
        return [reader.get_batch(at) for at in range(reader.num_record_batches)]

    def __len__(self) -> int:
        return sum(batch.num_rows for batch in self._batches)

    def strings(self, name: str) -> Strings:
        """A column of texts."""
        return Strings([batch.column(name) for batch in self._batches])

    def row(self, at: int, names: Sequence[str]) -> list[Any]:
        """Some values of one row."""
        batch, place = self._batches[at // ROWS], at % ROWS
        return [batch.column(name)[place].as_py() for name in names]

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class TableBuilder:
    """Rows in, record batches of `ROWS` out: compact while they come, written when all are there.

    Args:
        schema: of the columns.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._waiting: list[list[Any]] = [[] for _ in schema]
        self._batches: list[pa.RecordBatch] = []
        self.rows = 0

    def add(self, *values: Any) -> None:
        """One row."""
        for column, value in zip(self._waiting, values, strict=True):
            column.append(value)
        self.rows += 1
        if len(self._waiting[0]) == ROWS:
            self._flush()

    def _flush(self) -> None:
        columns = zip(self._waiting, self._schema, strict=True)
        arrays = [pa.array(values, field.type) for values, field in columns]
        self._batches.append(pa.record_batch(arrays, schema=self._schema))
        self._waiting = [[] for _ in self._schema]

    def batches(self) -> list[pa.RecordBatch]:
        """All rows."""
        if self._waiting[0]:
            self._flush()
        return self._batches

    def write(self, path: Path) -> None:
        """Writes them to a file that appears whole.

        Raises:
            StorageError: it cannot be written.
        """
        with (
            committed(path) as temporary,
            pa.OSFile(str(temporary), "wb") as file,
            pa.ipc.new_file(file, self._schema) as writer,
        ):
            for batch in self.batches():
                writer.write_batch(batch)
