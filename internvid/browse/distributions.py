"""How the values of a column are spread, counted inside DuckDB: memory does not grow with clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from internvid.browse.column_facts import Column
from internvid.browse.scales import Scale, make_scale
from internvid.browse.wording import shorten
from internvid.dataset.store import Dataset

MOST_VALUES = 10


@dataclass(frozen=True)
class Threshold:
    """A value that a filter compares a column with; `keeps` is the side that stays."""

    value: float
    keeps: str
    reason: str


@dataclass(frozen=True)
class Histogram:
    """The spread of a number.

    Attributes:
        counts: (kept, rejected) of each bin of `scale`.
        quartiles: minimum, 25 %, 50 %, 75 %, maximum of the kept ones; None if there are none.
        missing: kept rows without a value.
    """

    column: Column
    scale: Scale
    counts: tuple[tuple[int, int], ...]
    quartiles: tuple[float, ...] | None
    missing: int
    thresholds: tuple[Threshold, ...] = ()


@dataclass(frozen=True)
class Bars:
    """The spread of a word: (value, kept, rejected), the most frequent first.

    Attributes:
        others: how many more values there are. others_kept: kept rows that have one of them.
    """

    column: Column
    rows: tuple[tuple[str, int, int], ...]
    others: int = 0
    others_kept: int = 0

    @property
    def total(self) -> int:
        """Rows with a value, kept ones."""
        return sum(kept for _, kept, _ in self.rows) + self.others_kept


@dataclass(frozen=True)
class Flag:
    """A yes-no column: (yes, no) among kept ones."""

    column: Column
    yes: int
    no: int


@dataclass(frozen=True)
class Distributions:
    """Everything there is to draw about one table."""

    charts: tuple[Histogram | Bars, ...] = ()
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True)
class Shares:
    """Parts of a whole in fixed buckets, beside what the paper reports (None: not reported)."""

    title: str
    unit: str
    rows: tuple[tuple[str, int, float | None], ...]
    note: str = ""

    @property
    def total(self) -> int:
        """Sum over the buckets."""
        return sum(row[1] for row in self.rows)


@dataclass(frozen=True)
class Source:
    """Where rows come from: a view, and an SQL condition that tells kept from rejected."""

    view: str
    kept: str = "true"
    thresholds: dict[str, tuple[Threshold, ...]] = field(default_factory=dict)


def distributions(dataset: Dataset, source: Source, columns: Sequence[Column]) -> Distributions:
    """The spread of every column, in the order given; columns without any value are left out."""
    numbers = [column for column in columns if column.kind == "number"]
    scales = _scales(dataset, source, numbers)
    charts: list[Histogram | Bars] = []
    for column in columns:
        if column.name in scales:
            charts.append(_histogram(dataset, source, column, scales[column.name]))
        elif column.kind in ("word", "list"):
            bars = _bars(dataset, source, column)
            if bars.rows:
                charts.append(bars)
    flags = _flags(dataset, source, [column for column in columns if column.kind == "flag"])
    return Distributions(tuple(charts), flags)


@dataclass(frozen=True)
class _Summary:
    scale: Scale
    quartiles: tuple[float, ...] | None
    missing: int


def _finite(column: Column) -> str:
    return f"case when isfinite({column.sql}::double) then {column.sql}::double end"


def _scales(dataset: Dataset, source: Source, columns: Sequence[Column]) -> dict[str, _Summary]:
    if not columns:
        return {}
    # One scan for all columns. Order statistics only: unlike a mean they do not depend on the
    # order in which threads add up, so the page is the same byte for byte.
    expressions = ", ".join(
        f"quantile_cont({_finite(column)}, [0, 0.01, 0.05, 0.5, 0.99, 1]), "
        f"quantile_cont({_finite(column)}, [0, 0.25, 0.5, 0.75, 1]) filter ({source.kept}), "
        f"count(*) filter ({source.kept}) - count({_finite(column)}) filter ({source.kept})"
        for column in columns
    )
    row = dataset.connection.execute(f"select {expressions} from {source.view}").fetchall()[0]
    scales = {}
    for at, column in enumerate(columns):
        spread, quartiles, missing = row[3 * at : 3 * at + 3]
        if spread is not None:
            scale = make_scale(tuple(spread), is_whole=column.is_whole)
            kept = None if quartiles is None else tuple(quartiles)
            scales[column.name] = _Summary(scale, kept, missing)
    return scales


def _histogram(dataset: Dataset, source: Source, column: Column, summary: _Summary) -> Histogram:
    scale = summary.scale
    value = _finite(column)
    at = scale.sql_bin(f"greatest(value, {10.0**scale.first!r})" if scale.is_log else "value")
    rows = dataset.connection.execute(
        f"select {at} as bin, count(*) filter (kept), count(*) filter (not kept) "
        f"from (select {value} as value, {source.kept} as kept from {source.view}) "
        "where value is not null group by bin order by bin"
    ).fetchall()
    counts = [(0, 0)] * scale.bins
    for bin_index, kept, rejected in rows:
        counts[bin_index] = (kept, rejected)
    thresholds = source.thresholds.get(column.name, ())
    return Histogram(column, scale, tuple(counts), summary.quartiles, summary.missing, thresholds)


def _bars(dataset: Dataset, source: Source, column: Column) -> Bars:
    value = f"unnest({column.sql})" if column.kind == "list" else column.sql
    rows: list[Any] = dataset.connection.execute(
        f"select value, count(*) filter (kept) as k, count(*) filter (not kept) as r, "
        "count(*) over () as different, sum(k) over ()::bigint as kept_in_all "
        f"from (select {value} as value, {source.kept} as kept from {source.view}) "
        "where value is not null and value <> '' "
        f"group by value order by k desc, r desc, value limit {MOST_VALUES}"
    ).fetchall()
    if not rows:
        return Bars(column, ())
    shown = tuple((shorten(value, 60), kept, rejected) for value, kept, rejected, *_ in rows)
    kept_here = sum(kept for _, kept, _ in shown)
    different, kept_in_all = rows[0][3], rows[0][4]
    return Bars(column, shown, different - len(shown), kept_in_all - kept_here)


def _flags(dataset: Dataset, source: Source, columns: Sequence[Column]) -> tuple[Flag, ...]:
    if not columns:
        return ()
    expressions = ", ".join(
        f"count(*) filter ({source.kept} and {column.sql}), "
        f"count(*) filter ({source.kept} and not {column.sql})"
        for column in columns
    )
    row = dataset.connection.execute(f"select {expressions} from {source.view}").fetchall()[0]
    flags = (Flag(column, row[2 * at], row[2 * at + 1]) for at, column in enumerate(columns))
    return tuple(flag for flag in flags if flag.yes + flag.no)
