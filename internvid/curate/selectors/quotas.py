"""Caps and quotas: at most so many clips for each source, value or cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from internvid.core.errors import ConfigInvalidError
from internvid.curate.draws import drawn_query
from internvid.curate.selectors.clusters import with_clusters
from internvid.curate.selectors.scratch_tables import new_table, over, run
from internvid.curate.selectors.verdict import Verdict, decided, of_sound
from internvid.dataset.answers.column_views import quoted_name

if TYPE_CHECKING:
    import duckdb

# Names that no table has.
_DRAW, _VALUE, _LAST = "internvid_draw", "internvid_value", "internvid_last"
# DuckDB's min(value, count) holds less than a million.
_MOST_HELD = 1_000_000


@dataclass(frozen=True)
class Cap:
    """At most so many clips of one source video, drawn at random.

    Attributes:
        count: the most clips of a source.
        seed: another seed draws others.
    """

    version: ClassVar[int] = 1
    count: int = 3
    seed: int = 0

    def decide(self, table: duckdb.DuckDBPyRelation) -> Verdict:
        """Every row; `over_cap` is the reason of those beyond it."""
        return of_sound(
            table, lambda rows: at_most(rows, "source_id", self.count, self.seed, "over_cap")
        )

    def select(self, table: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        """Every row; `over_cap` is the reason of those beyond it."""
        return self.decide(table).rows


@dataclass(frozen=True)
class Quota:
    """At most so many clips of each value of a column, or of each cluster of a column of vectors.

    Values that are rarer keep all they have. Null counts as a value of its own.

    Attributes:
        column: whose values are balanced, for example `language` or `category`.
        count: the most clips of a value.
        clusters: so many clusters by k-means, where the column holds vectors.
        seed: of the draw, and of the clusters.
    """

    version: ClassVar[int] = 1
    column: str = "source_id"
    count: int = 1000
    clusters: int | None = None
    seed: int = 0

    def decide(self, table: duckdb.DuckDBPyRelation) -> Verdict:
        """Every row; `over_quota` is the reason of those beyond it.

        Raises:
            ConfigInvalidError: no such column, or clusters of a column without vectors.
        """
        return of_sound(table, self._decide)

    def _decide(self, table: duckdb.DuckDBPyRelation) -> Verdict:
        if self.clusters is not None:
            clustered, cluster = with_clusters(table, self.column, self.clusters, self.seed)
            verdict = at_most(clustered, cluster, self.count, self.seed, "over_quota")
            return decided(verdict.last.project(f"* exclude ({cluster})"))
        if self.column not in table.columns:
            raise ConfigInvalidError(
                f"there is no column {self.column!r} to balance",
                hint=f"columns are: {', '.join(table.columns)}",
            )
        return at_most(table, self.column, self.count, self.seed, "over_quota")

    def select(self, table: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        """Every row with its reason, see `decide`."""
        return self.decide(table).rows


def at_most(
    table: duckdb.DuckDBPyRelation, column: str, count: int, seed: int, reason: str
) -> Verdict:
    """The `count` rows of each value of a column with the smallest draws; others are rejected."""
    if count < 1:
        raise ConfigInvalidError(
            f"count must be at least 1, got {count}", hint="it is the most clips of a value"
        )
    value, limits = quoted_name(column), new_table("limits")
    drawn = drawn_query("select * from input", seed, "row_key", _DRAW)
    make = _limits_of_many if count >= _MOST_HELD else _limits
    run(table, f"create temp table {limits} as {make(drawn, value, count)}")
    return decided(
        over(
            table,
            f"select drawn.* exclude ({_DRAW}), if({_DRAW} > {_LAST}, '{reason}', null) as "
            f"rejection from ({drawn}) drawn left join {limits} limit_of "
            f"on drawn.{value} is not distinct from limit_of.{_VALUE}",
        )
    )


def _limits(drawn: str, value: str, count: int) -> str:
    """The last draw that is taken of each value."""
    last = f"list_last(min({_DRAW}, {count}))"
    return f"select {value} as {_VALUE}, {last} as {_LAST} from ({drawn}) group by 1"


def _limits_of_many(drawn: str, value: str, count: int) -> str:
    """The last draw that is taken of each value that has more rows than are taken.

    There are few of these, if any: only their rows are sorted.
    """
    most = min(count, 2**62)
    crowded = f"select {value} as {_VALUE} from input group by 1 having count(*) > {most}"
    return (
        f"select {_VALUE}, max({_DRAW}) as {_LAST} from (select {_VALUE}, {_DRAW} from ({drawn}) "
        f"drawn join ({crowded}) crowded on drawn.{value} is not distinct from crowded.{_VALUE} "
        f"qualify row_number() over (partition by {_VALUE} order by {_DRAW}) <= {most}) group by 1"
    )
