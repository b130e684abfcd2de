"""Timeline columns in their stored form, filled while a video is watched.

Stored values take one or two bytes; their floats would take four or eight for as long as the
video lasts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from internvid.core.types import ColumnSpec

_FRAMES_AT_ONCE = 1 << 16


@runtime_checkable
class StoringObserver(Protocol):
    """An observer that hands over its columns as they are stored: an optional part of the kind."""

    def finish_stored(self) -> dict[str, npt.NDArray[Any]]:
        """What `finish` returns, encoded by the column specs."""
        ...


@dataclass
class StoredColumns:
    """Columns that grow by rows and are held encoded.

    Attributes:
        specs: how each column is stored, in the order of the rows' numbers.
    """

    specs: Mapping[str, ColumnSpec]
    _bytes: dict[str, bytearray] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._bytes = {name: bytearray() for name in self.specs}

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Add rows [K, columns] in the columns' own units."""
        for (name, spec), values in zip(self.specs.items(), rows.T, strict=True):
            self._bytes[name] += spec.encode(values).tobytes()

    def stored(self) -> dict[str, npt.NDArray[Any]]:
        """Every column encoded, one value a row; nothing may be appended any more."""
        return {
            name: np.frombuffer(self._bytes[name], spec.dtype) for name, spec in self.specs.items()
        }

    def values(self) -> dict[str, npt.NDArray[np.float64]]:
        """Every column in its own unit, one value a row."""
        return decode_columns(self.specs, self.stored())


def decode_columns(
    specs: Mapping[str, ColumnSpec], stored: Mapping[str, npt.NDArray[Any]]
) -> dict[str, npt.NDArray[np.float64]]:
    """Stored columns in their own units."""
    return {name: specs[name].decode(column) for name, column in stored.items()}


def encode_column(spec: ColumnSpec, values: npt.ArrayLike) -> npt.NDArray[Any]:
    """`spec.encode` in portions, so that hours of video take no room for intermediate results."""
    array = np.asarray(values)
    stored = np.empty(array.shape, spec.dtype)
    for start in range(0, len(array), _FRAMES_AT_ONCE):
        part = slice(start, start + _FRAMES_AT_ONCE)
        stored[part] = spec.encode(array[part])
    return stored
