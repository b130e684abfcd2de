"""InternVid-FLT: clips that fit their captions best, drawn from many videos."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from internvid.core.errors import ConfigInvalidError
from internvid.curate.selectors.best.pools import best_pool, share_of
from internvid.curate.selectors.best.ranking import Best, number, rank
from internvid.curate.selectors.drawing import draw_clips, draw_noted
from internvid.curate.selectors.expected import MOST_HOURS, Amount
from internvid.curate.selectors.sampling import DIV_CLIPS, unless_hours
from internvid.curate.selectors.score_columns import SIMILARITY, score_of
from internvid.curate.selectors.verdict import Verdict, rejected_where, then

if TYPE_CHECKING:
    import duckdb

ORDERS = ("filter_first", "draw_first")


@dataclass(frozen=True)
class Filtered:
    """InternVid-FLT: 1 to 120 seconds, the best 30 % by similarity, then drawn as `div`.

    The paper gives two accounts: filters first and then the draw (its ICLR version, E.1), or the
    draw first and then the best of it (arXiv v2). `order` chooses. Clips whose score equals that of
    the last one among the best are kept too.

    Attributes:
        column: of the video-text similarity; found by its name when empty.
        share: of the clips of that length that have a score, the best.
        minimum_seconds: shorter clips are rejected.
        maximum_seconds: longer clips are rejected.
        count: how many clips; the paper's 10,647,458 unless hours are given.
        hours: at most so many hours of clips.
        order: `filter_first` or `draw_first`.
        seed: another seed draws another subset.
    """

    version: ClassVar[int] = 1
    left_out: ClassVar[Mapping[str, str]] = unless_hours(DIV_CLIPS)
    column: str = ""
    share: float = 0.3
    minimum_seconds: float = 1.0
    maximum_seconds: float = 120.0
    count: int | None = None
    hours: float | None = None
    order: str = "filter_first"
    seed: int = 42

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ConfigInvalidError: a share outside of (0, 1], reversed limits, an unknown order.
        """
        if not 0 < self.share <= 1:
            raise ConfigInvalidError(f"share must be above 0 and at most 1, got {self.share}")
        if not self.minimum_seconds <= self.maximum_seconds:
            raise ConfigInvalidError(
                f"minimum_seconds {self.minimum_seconds} is above maximum_seconds "
                f"{self.maximum_seconds}"
            )
        if self.order not in ORDERS:
            raise ConfigInvalidError(f"order is {' or '.join(ORDERS)}, not {self.order!r}")

    def decide(self, table: duckdb.DuckDBPyRelation) -> Verdict:
        """Every row; the reasons are `too_short`, `too_long`, `no_score`, `low_score`, `not_drawn`.

        Raises:
            ConfigInvalidError: no column of similarities, or not a single score.
        """
        score = score_of(table, self.column, SIMILARITY, "similarity")
        fitting = rejected_where(table, self._limits(score))
        if self.order == "filter_first":
            reasons = tuple(self._limits(score))
            pool = best_pool(table, fitting, reasons, score, self.share, self.maximum_seconds)
            if pool is None:
                return then(self._best(fitting, score), self._drawn)
            return then(
                _not_below(pool.best, fitting, score),
                lambda rows: draw_noted(
                    rows, pool.rows, self._amount(), seed=self.seed, source_keys=pool.source_keys
                ),
            )
        return self._best(then(fitting, self._drawn_first), score)

    def select(self, table: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        """Every row with its reason, see `decide`."""
        return self.decide(table).rows

    def _limits(self, score: str) -> dict[str, str]:
        return {
            "too_short": f"coalesce(duration_seconds < {number(self.minimum_seconds)}, true)",
            "too_long": f"duration_seconds > {number(self.maximum_seconds)}",
            "no_score": f"{score} is null",
        }

    def _best(self, fitting: Verdict, score: str) -> Verdict:
        best = rank(fitting, score, lambda rows: share_of(rows, self.share))
        return _not_below(best, fitting, score)

    def _amount(self) -> Amount:
        unlimited = self.count is None and self.hours is None
        return Amount(DIV_CLIPS if unlimited else self.count, self.hours)

    def _drawn(self, rows: duckdb.DuckDBPyRelation) -> Verdict:
        return draw_clips(rows, self._amount(), seed=self.seed, by_source=True)

    def _drawn_first(self, rows: duckdb.DuckDBPyRelation) -> Verdict:
        """So many that the best share of them is the amount wanted."""
        amount = self._amount()
        wider = Amount(
            None if amount.count is None else math.ceil(amount.count / Fraction(self.share)),
            None if amount.hours is None else min(amount.hours / self.share, MOST_HOURS),
        )
        return draw_clips(rows, wider, seed=self.seed, by_source=True)


def _not_below(best: Best, fitting: Verdict, score: str) -> Verdict:
    """The fitting rows down to where the best of them end."""
    rest = best.sums.get(None, 0) - best.number
    sums = {None: best.number, "low_score": rest}
    return then(
        replace(fitting, sums=best.sums),
        lambda rows: rejected_where(rows, {"low_score": f"{score} < {number(best.least)}"}, sums),
    )
