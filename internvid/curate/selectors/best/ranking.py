"""Thresholds on a column: the value that the best rows reach, exactly, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from internvid.curate.selectors.scratch_tables import over, run_one
from internvid.curate.selectors.verdict import Sums, Verdict

if TYPE_CHECKING:
    import duckdb

# Scores of six decimals between 0 and 1 then have a bucket each.
_BUCKETS = 1 << 20


@dataclass(frozen=True)
class Best:
    """Where the best rows end.

    Attributes:
        least: the value that the last of them has; -inf when all are among them.
        sums: of the verdict that was ranked.
        number: rows whose value is `least` or more.
        ties: rows whose value is `least`.
    """

    least: float
    sums: Sums
    number: int
    ties: int


def rank(
    verdict: Verdict, column: str, wanted: Callable[[int], int], *, is_rough: bool = False
) -> Best:
    """Where the best of the chosen rows end.

    One pass takes a histogram whose buckets know their ends; a bucket of several values is looked
    at again. The memory does not grow with the table.

    Args:
        verdict: of the last step; it is counted in the same pass.
        column: DOUBLE expression over its rows, null where there is no number.
        wanted: number of chosen rows -> how many of them are the best.
        is_rough: the end may be that of some more rows, never of fewer: no bucket is looked at
            again.
    """
    low, high = run_one(verdict.last, f"select min({column}), max({column}) from input")
    sums, buckets = _histogram(verdict.last, column, low, high)
    chosen = sums.get(None, 0)
    count = wanted(chosen)
    if not chosen or count >= chosen:
        return Best(-math.inf, sums, chosen, 0)
    above = 0
    for number, least, largest in buckets:
        if above + number >= count:
            if least < largest and not is_rough:
                return _within(verdict, column, (least, largest), count, Best(0, sums, above, 0))
            return Best(least, sums, above + number, number)
        above += number
    raise AssertionError("the histogram holds every chosen row")


def _histogram(
    rows: duckdb.DuckDBPyRelation, column: str, low: float | None, high: float | None
) -> tuple[Sums, list[tuple[int, float, float]]]:
    """Rows of each reason; (rows, least, largest) of each bucket of the chosen, the best first."""
    width = 0.0 if low is None or high is None else (high - low) / _BUCKETS
    bucket = "null"
    if 0 < width < math.inf:
        bucket = f"if(rejection is null, floor(({column} - {number(low)}) / {number(width)}), null)"
    found = over(
        rows,
        f"select rejection, count(*) as rows, min({column}) as least, max({column}) as largest "
        f"from input group by rejection, {bucket} order by largest desc",
    ).fetchall()
    sums: dict[str | None, int] = {}
    buckets = []
    for reason, count, least, largest in found:
        sums[reason] = sums.get(reason, 0) + count
        if reason is None:
            buckets.append((count, least, largest))
    return sums, buckets


def _within(
    verdict: Verdict, column: str, ends: tuple[float, float], count: int, so_far: Best
) -> Best:
    """By counts of distinct values: scores are rounded, so there are fewer than rows."""
    found = over(
        verdict.chosen,
        f"select {column} as value, count(*) from input where {column} between "
        f"{number(ends[0])} and {number(ends[1])} group by 1 order by 1 desc",
    ).fetchall()
    above = so_far.number
    for value, ties in found:
        above += ties
        if above >= count:
            return Best(value, so_far.sums, above, ties)
    raise AssertionError("the bucket holds the row that was looked for")


def number(value: Any) -> str:
    """A number in SQL, every bit of it."""
    return f"'{float(value)!r}'::double"
