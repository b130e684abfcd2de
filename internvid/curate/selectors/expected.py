"""How much a weighted draw is expected to take up to a key, from the counts of sources."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from internvid.core.errors import ConfigInvalidError
from internvid.curate.selectors.scratch_tables import run_one
from internvid.dataset.given import refuse_no_number

if TYPE_CHECKING:
    import duckdb

_MICROSECONDS = 1_000_000
MOST_HOURS = 1e12
"""More than all video there is, and few enough that sums of microseconds are exact."""
_LEAVE_OUT = "internvid list shows what a selector takes when it is left out"
# A table of so few rows is sorted whole.
_FEW = 100_000


@dataclass(frozen=True)
class Amount:
    """How much is drawn: clips, hours, or what of both is reached first.

    Attributes:
        count: so many clips; None for no limit.
        hours: clips as long as their sum stays within it; None for no limit.
    """

    count: int | None = None
    hours: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no amount.

        Raises:
            ConfigInvalidError: less than one clip, no time, or more than `MOST_HOURS`.
        """
        for name, amount in (("count", self.count), ("hours", self.hours)):
            if amount is not None:
                refuse_no_number(amount, name, is_whole=name == "count")
        if self.count is not None and self.count < 1:
            raise ConfigInvalidError(f"count must be at least 1, got {self.count}", hint=_LEAVE_OUT)
        if self.hours is not None and not 0 < self.hours <= MOST_HOURS:
            raise ConfigInvalidError(
                f"hours must be above 0 and at most {MOST_HOURS:.0e}, got {self.hours}",
                hint=_LEAVE_OUT,
            )

    @property
    def microseconds(self) -> int | None:
        """The hours as whole microseconds, in which sums are exact in any order."""
        return None if self.hours is None else round(self.hours * 3600 * _MICROSECONDS)


@dataclass(frozen=True)
class World:
    """A table to draw from, by the number of rows that a source has.

    Attributes:
        weights: [K] keys of a row are exponential with this mean.
        rows_of: [K] rows with that weight.
        seconds_of: [K] how long they are.
        squares_of: [K] sum of their squared seconds.
        rows: all rows.
        length: of all, microseconds.
    """

    weights: npt.NDArray[np.float64]
    rows_of: npt.NDArray[np.float64]
    seconds_of: npt.NDArray[np.float64]
    squares_of: npt.NDArray[np.float64]
    rows: int
    length: int

    @classmethod
    def of(cls, table: duckdb.DuckDBPyRelation, sources: str, *, by_source: bool) -> World:
        """The counts of a table of sources."""
        weight = "rows_of_source" if by_source else "1"
        grouped = run_one(
            table,
            f"select list(w order by w), list(r order by w), list(l order by w), "
            "list(s order by w), coalesce(sum(r), 0)::hugeint, coalesce(sum(l), 0)::hugeint from "
            f"(select {weight} as w, sum(rows_of_source) as r, sum(length) as l, "
            f"sum(squares) as s from {sources} group by 1)",
        )
        weights, rows_of, lengths, squares, rows, length = grouped
        return cls(
            _floats(weights),
            _floats(rows_of),
            _floats(lengths) / _MICROSECONDS,
            _floats(squares),
            int(rows),
            int(length),
        )

    def holds(self, amount: Amount) -> bool:
        """Whether the whole table is no more than the amount."""
        most = amount.microseconds
        few = amount.count is None or self.rows <= amount.count
        return few and (most is None or self.length <= most)

    def bracket(self, amount: Amount, sigmas: float) -> tuple[float, float]:
        """Two keys between which the threshold lies, but for odds beyond `sigmas`."""
        if self.rows <= _FEW:
            return 0.0, math.inf
        lows, highs = [], []
        if amount.count is not None:
            low, high = self._around(self.rows_of, self.rows_of, amount.count, 50.0, sigmas)
            lows.append(low)
            highs.append(high)
        if amount.hours is not None:
            # The rounding of the last clip: no clip of a video is longer than all its seconds.
            longest = float(np.sqrt(self.squares_of.max()))
            seconds = amount.hours * 3600
            low, high = self._around(self.seconds_of, self.squares_of, seconds, longest, sigmas)
            lows.append(low)
            highs.append(high)
        return min(lows), min(highs)

    def rows_up_to(self, key: float) -> float:
        """How many rows are expected to have this key or a lower one."""
        return float((self.rows_of * -np.expm1(-key / self.weights)).sum())

    def _around(
        self,
        of: npt.NDArray[np.float64],
        squares: npt.NDArray[np.float64],
        amount: float,
        least: float,
        sigmas: float,
    ) -> tuple[float, float]:
        """Keys between which a sum over the drawn rows reaches `amount`."""

        def drawn(key: float) -> npt.NDArray[np.float64]:
            return -np.expm1(-key / self.weights)

        middle = _solve(lambda key: float((of * drawn(key)).sum()), amount)
        share = drawn(middle) if math.isfinite(middle) else np.ones_like(of)
        spread = sigmas * math.sqrt(float((squares * share * (1 - share)).sum())) + least
        low = _solve(lambda key: float((of * drawn(key)).sum()), amount - spread)
        high = _solve(lambda key: float((of * drawn(key)).sum()), amount + spread)
        return low, high


def _floats(values: list[float] | None) -> npt.NDArray[np.float64]:
    return np.array(values or [], np.float64)


def _solve(drawn: Callable[[float], float], amount: float) -> float:
    """The key below which the expected sum is `amount`."""
    if amount <= 0:
        return 0.0
    low, high = 1e-12, 1.0
    while drawn(high) < amount:
        high *= 2
        if high > 1e15:
            return math.inf
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if drawn(middle) < amount else (low, middle)
    return high
