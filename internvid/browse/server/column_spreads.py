"""How columns are spread: counts in equal bins, counts of values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from internvid.browse.server.conditions import Facet

if TYPE_CHECKING:
    import duckdb

BINS = 40
MOST_VALUES = 60


@dataclass(frozen=True)
class Histogram:
    """How a number is spread.

    Attributes:
        low, high: of all clips.
        counts: clips in each of the equal bins, of those that the rest of the page shows.
        all_counts: of all clips.
        without: clips that have no such number.
    """

    low: float
    high: float
    counts: list[int]
    all_counts: list[int]
    without: int


class ColumnSpreads:
    """Counts over `narrow.clips`; what holds of all clips is counted once."""

    def __init__(self) -> None:
        self._ranges: dict[str, tuple[float, float]] = {}
        self._every: dict[str, list[int]] = {}

    def histogram(
        self,
        cursor: duckdb.DuckDBPyConnection,
        facet: Facet,
        rows: str,
        parameters: list[Any],
        *,
        is_whole: bool,
    ) -> Histogram:
        """How a number is spread.

        Args:
            cursor: reaches the table.
            facet: the number.
            rows: a FROM clause of the rows that are shown.
            parameters: of it.
            is_whole: whether the table has all clips by now.
        """
        low, high = self._range(cursor, facet, is_whole=is_whole)
        width = (high - low) / BINS or 1.0
        bin_of = f"least({BINS - 1}, greatest(0, floor(({facet.sql} - {low!r}) / {width!r})))::int"

        def counted(source: str, values: list[Any]) -> tuple[list[int], int]:
            counts, without = [0] * BINS, 0
            statement = f"select {bin_of}, count(*) from {source} group by 1"
            for at, number in cursor.execute(statement, values).fetchall():
                if at is None:
                    without = int(number)
                else:
                    counts[at] = int(number)
            return counts, without

        every = self._every.get(facet.name)
        if every is None:
            every, _ = counted("narrow.clips", [])
            if is_whole:
                self._every[facet.name] = every
        counts, without = counted(rows, parameters)
        return Histogram(low, high, counts, every, without)

    def values(
        self, cursor: duckdb.DuckDBPyConnection, facet: Facet, rows: str, parameters: list[Any]
    ) -> list[tuple[str | None, int]]:
        """Values of a column, the commonest first.

        Args:
            cursor: reaches the table.
            facet: the column.
            rows: a FROM clause of the rows that are shown.
            parameters: of it.
        """
        value = f"unnest({facet.sql})" if facet.kind == "list" else facet.sql
        if facet.kind == "flag":
            value = f"case when {facet.sql} then 'yes' when not {facet.sql} then 'no' end"
        found = cursor.execute(
            f"select value, count(*) from (select {value} as value from {rows}) "
            f"group by 1 order by 2 desc, 1 limit {MOST_VALUES}",
            parameters,
        )
        return [(value, int(count)) for value, count in found.fetchall()]

    def _range(
        self, cursor: duckdb.DuckDBPyConnection, facet: Facet, *, is_whole: bool
    ) -> tuple[float, float]:
        known = self._ranges.get(facet.name)
        if known is None:
            found = cursor.execute(
                f"select min({facet.sql}), max({facet.sql}) from narrow.clips "
                f"where isfinite({facet.sql})"
            )
            low, high = found.fetchall()[0]
            known = (float(low or 0.0), float(high or 0.0))
            if is_whole:
                self._ranges[facet.name] = known
        return known
