"""Places in a sequence: the middles of equal parts of it, and runs of true values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")


def middles(available: int, wanted: int) -> list[int]:
    """The middles of `wanted` equal parts of so many places, in order.

    Where more are wanted than there are, some places come twice.
    """
    return [(2 * at + 1) * available // (2 * wanted) for at in range(wanted)]


def spread(items: Sequence[T], most: int) -> list[T]:
    """At most so many items, from the middles of equal parts; all where there are no more."""
    if len(items) <= most:
        return list(items)
    return [items[at] for at in middles(len(items), most)]


def list_runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, stop) of each longest run of true values, in order; `stop` is not part of it."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(stop)) for first, stop in edges.reshape(-1, 2)]
