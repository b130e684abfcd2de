"""How numbers are spread: mean, quantiles and a histogram with fixed edges, in few scans.

Quantiles are read from counts of fine bins, so that memory does not grow with rows and the result
does not depend on the order of threads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from internvid.curate.statistics.paper import AESTHETIC, SIMILARITY, Buckets

if TYPE_CHECKING:
    import duckdb

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
EXACT_ROWS = 10_000_000
"""Up to so many rows everything is exact; beyond, what is not is listed."""
_FINE = 500
_MOST_ROUNDS = 6
_MOST_OUTSIDE = 0.01


class Spread(TypedDict):
    """How the values of a column of numbers are spread.

    Attributes:
        column: its name.
        count: rows with a number. missing: rows without one. not_finite: rows with NaN, an infinity
            or, where it is a length of time, a negative number; those count in nothing else.
        quantiles: share -> value, for example `0.5` -> the median.
        resolution: by how much quantiles may be off; 0 where they are exact.
        edges, counts: of the histogram: `counts[0]` lies below `edges[0]`, the last one at or above
            the last edge.
    """

    column: str
    count: int
    missing: int
    not_finite: int
    mean: float | None
    minimum: float | None
    maximum: float | None
    quantiles: dict[str, float]
    resolution: float
    edges: list[float]
    counts: list[int]


class BucketShare(TypedDict):
    """How much lies in one bucket, here and in the paper's InternVid (shares are 0 to 1)."""

    bucket: str
    count: int
    share: float | None
    paper_share: float | None


class Shares(TypedDict):
    """Parts of a whole in fixed buckets, beside the paper's.

    Attributes:
        figure: what is counted. column: of which column. unit: what is counted, in the plural.
        note: what to know when comparing.
    """

    figure: str
    column: str
    unit: str
    note: str
    buckets: list[BucketShare]


def weighted_quantiles(counted: Sequence[tuple[float, int]]) -> dict[str, float]:
    """The value below or at which each of `QUANTILES` of all rows lies.

    Args:
        counted: (value, rows), ascending by value.
    """
    total = sum(rows for _, rows in counted)
    quantiles: dict[str, float] = {}
    passed, wanted = 0, list(QUANTILES)
    for value, rows in counted:
        passed += rows
        while wanted and passed >= wanted[0] * total:
            quantiles[f"{wanted.pop(0):g}"] = value
    return quantiles


def bucket_shares(counted: Sequence[tuple[float, int]], buckets: Buckets, column: str) -> Shares:
    """Rows by bucket.

    Args:
        counted: (value, rows).
        buckets: which; a value on an edge goes up.
        column: what to call the column.
    """
    numbers = [0] * len(buckets.labels)
    for value, rows in counted:
        numbers[sum(value >= edge for edge in buckets.edges)] += rows
    total = sum(numbers)
    return {
        "figure": buckets.title,
        "column": column,
        "unit": buckets.unit,
        "note": buckets.note,
        "buckets": [
            {
                "bucket": label,
                "count": number,
                "share": number / total if total else None,
                "paper_share": None if paper is None else paper / 100,
            }
            for label, number, paper in zip(buckets.labels, numbers, buckets.paper, strict=True)
        ],
    }


@dataclass(frozen=True)
class _Bins:
    """Equal bins, `step` wide, from `first` on; those of the drawn histogram are multiples."""

    first: float
    step: float
    bins: int

    def edge(self, at: int) -> float:
        # Of the largest doubles `at * step` alone would be infinite.
        return (self.first / self.step + at) * self.step

    def sql(self, value: str) -> str:
        # A hair is added so that an edge such as 0.3 = 3 * 0.1 falls into the bin it starts. The
        # division comes first: a difference of two huge numbers could be infinite.
        place = f"{value} / {self.step!r} - {self.first / self.step!r} + 1e-6"
        return f"floor(least(greatest({place}, -1.0), {self.bins}.0))::integer"


_KNOWN = (
    ("aesthetic", _Bins(0.0, 0.5, 20), AESTHETIC),
    ("umt", _Bins(-1.0, 0.05, 40), SIMILARITY),
    ("sim", _Bins(-1.0, 0.05, 40), None),
    ("clip", _Bins(-1.0, 0.05, 40), None),
)


def finite(column: str) -> str:
    """SQL of a quoted column as a finite number, or null."""
    return f"case when isfinite({column}::double) then {column}::double end"


def score_spread(
    connection: duckdb.DuckDBPyConnection, view: str, name: str, quoted: str
) -> tuple[Spread, Shares | None]:
    """The spread of a column of scores, and its shares beside the paper's where it prints some.

    Args:
        connection: where `view` is.
        view: quoted name of the rows.
        name, quoted: of the column, plain and as SQL.
    """
    value = finite(quoted)
    ((rows, given, count, mean, least, most),) = connection.execute(
        f"select count(*), count({quoted}), count(value), avg(value), min(value), max(value) "
        f"from (select {quoted}, {value} as value from {view})"
    ).fetchall()
    spread: Spread = {
        "column": name, "count": count, "missing": rows - given, "not_finite": given - count,
        "mean": significant(mean), "minimum": least, "maximum": most,
        "quantiles": {}, "resolution": 0.0, "edges": [], "counts": [],
    }  # fmt: skip
    if not count:
        return spread, None
    fine, drawn, buckets = _bins_of(connection, view, name, value, (count, least, most))
    by_bin = _count(connection, view, value, fine)
    per = fine.bins // drawn.bins
    counts = [by_bin.get(-1, 0), *[0] * drawn.bins, by_bin.get(fine.bins, 0)]
    for at, number in by_bin.items():
        if 0 <= at < fine.bins:
            counts[1 + at // per] += number
    spread["edges"] = [_rounded(drawn.edge(at), drawn.step) for at in range(drawn.bins + 1)]
    spread["counts"] = counts
    if count <= EXACT_ROWS:
        ((exact,),) = connection.execute(
            f"select quantile_cont({value}, {list(QUANTILES)}) from {view}"
        ).fetchall()
        spread["quantiles"] = {
            f"{share:g}": place
            for share, place in zip(QUANTILES, exact, strict=True)
            # Between two of the largest doubles there is none.
            if math.isfinite(place)
        }
    else:
        middles = [(_middle(fine, at, least, most), by_bin[at]) for at in sorted(by_bin)]
        spread["quantiles"] = weighted_quantiles(middles)
        spread["resolution"] = fine.step
    if buckets is None:
        return spread, None
    lower = [(_rounded(fine.edge(at), fine.step), number) for at, number in by_bin.items()]
    return spread, bucket_shares(lower, buckets, name)


def significant(value: float | None, digits: int = 9) -> float | None:
    """Rounded to what does not depend on the order in which threads add up."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{digits}g}")


def _bins_of(
    connection: duckdb.DuckDBPyConnection,
    view: str,
    name: str,
    value: str,
    facts: tuple[int, float, float],
) -> tuple[_Bins, _Bins, Buckets | None]:
    """Fine bins, those drawn and the paper's buckets: known ones where nearly all values fit."""
    count, least, most = facts
    for word, drawn, buckets in _KNOWN:
        if word in name.lower():
            fine = _Bins(drawn.first, drawn.step / _FINE, drawn.bins * _FINE)
            if drawn.first <= least and most <= drawn.edge(drawn.bins):
                return fine, drawn, buckets
            by_bin = _count(connection, view, value, fine)
            outside = by_bin.get(-1, 0) + by_bin.get(fine.bins, 0)
            if outside <= _MOST_OUTSIDE * count:
                return fine, drawn, buckets
            break
    low, high = _middle_range(connection, view, value, least, most)
    step = _round_step((high / 20 - low / 20) or max(abs(low) / 10, 1e-6))
    first = math.floor(low / step) * step
    bins = max(1, math.floor(high / step) + 1 - math.floor(low / step))
    drawn = _Bins(first, step, bins)
    return _Bins(first, step / _FINE, bins * _FINE), drawn, None


def _middle_range(
    connection: duckdb.DuckDBPyConnection, view: str, value: str, least: float, most: float
) -> tuple[float, float]:
    """A range that holds nearly all values and is not much wider: outliers do not flatten it."""
    low, high = least, most
    # Each round narrows the range to a thousandth at most.
    for _ in range(_MOST_ROUNDS):
        step = high / 1000 - low / 1000
        if not step > 0 or low + step == low:
            break
        bins = _Bins(low, step, 1000)
        by_bin = _count(connection, view, value, bins)
        total, passed = sum(by_bin.values()), 0
        inside: list[int] = []
        for at in sorted(by_bin):
            if passed < 0.995 * total and passed + by_bin[at] > 0.005 * total:
                inside.append(at)
            passed += by_bin[at]
        first, last = max(inside[0], 0), min(inside[-1], 999)
        if last - first >= 50:
            break
        low, high = max(least, bins.edge(first)), min(most, bins.edge(last + 1))
    return low, high


def _count(
    connection: duckdb.DuckDBPyConnection, view: str, value: str, bins: _Bins
) -> Mapping[int, int]:
    rows = connection.execute(
        f"select {bins.sql('value')} as bin, count(*) from (select {value} as value from {view}) "
        "where value is not null group by bin"
    ).fetchall()
    return dict(rows)


def _middle(bins: _Bins, at: int, least: float, most: float) -> float:
    """What stands for the values of a bin; of the outer ones, the outermost value."""
    if at < 0:
        return least
    return most if at >= bins.bins else bins.edge(at) + bins.step / 2


def _round_step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next((f * power for f in (1.0, 2.0, 2.5, 5.0) if f * power >= least), 10.0 * power)


def _rounded(value: float, step: float) -> float:
    digits = max(0, 4 - math.floor(math.log10(step)))
    return round(value, digits) + 0.0
