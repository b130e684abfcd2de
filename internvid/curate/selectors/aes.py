"""InternVid-AES: clips that look good."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from internvid.core.errors import ConfigInvalidError
from internvid.curate.draws import drawn_query
from internvid.curate.selectors.best.ranking import number, rank
from internvid.curate.selectors.drawing import draw_clips
from internvid.curate.selectors.expected import Amount
from internvid.curate.selectors.score_columns import AESTHETIC, score_of
from internvid.curate.selectors.scratch_tables import over, run_one
from internvid.curate.selectors.verdict import Verdict, decided, rejected_where, then

if TYPE_CHECKING:
    import duckdb

_DRAW = "internvid_draw"


@dataclass(frozen=True)
class Aesthetic:
    """InternVid-AES: an aesthetic score of 4 or more, then a text score or a number of clips.

    The paper's figures do not fit the threshold alone: it says that about 75 % of 234 M clips score
    4 to 6, and that AES has 18 M clips. What else was filtered is not published ("video-text
    relation and visual aesthetic filtering"), so name a text score, a count, or both.

    Attributes:
        column: of the aesthetic score; found by its name when empty.
        minimum: lower scores are rejected.
        text_column: of a score of how well the caption fits; not looked at when empty.
        minimum_text: lower text scores are rejected.
        count: so many clips: the best by text score if there is one, else drawn at random.
        hours: at most so many hours of clips, drawn at random.
        seed: of the draw, also among clips of one text score.
    """

    version: ClassVar[int] = 1
    column: str = ""
    minimum: float = 4.0
    text_column: str = ""
    minimum_text: float | None = None
    count: int | None = None
    hours: float | None = None
    seed: int = 42

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ConfigInvalidError: a least score that is no number, or no amount, see `Amount`.
        """
        Amount(self.count, self.hours)
        for name, least in (("minimum", self.minimum), ("minimum_text", self.minimum_text)):
            if least is not None and math.isnan(least):
                raise ConfigInvalidError(f"{name} is a score, got {least}")

    def decide(self, table: duckdb.DuckDBPyRelation) -> Verdict:
        """Every row; the reasons are `no_score`, `low_aesthetic`, `no_text_score`,
        `low_text_score` and `not_drawn`.

        Raises:
            ConfigInvalidError: no such column.
        """
        score = score_of(table, self.column, AESTHETIC, "aesthetic")
        limits = {
            "no_score": f"{score} is null",
            "low_aesthetic": f"{score} < {number(self.minimum)}",
        }
        text = ""
        if self.text_column:
            text = score_of(table, self.text_column, (), "text")
            limits["no_text_score"] = f"{text} is null"
            if self.minimum_text is not None:
                limits["low_text_score"] = f"{text} < {number(self.minimum_text)}"
        unlimited = self.count is None and self.hours is None
        is_drawn = not text and not unlimited
        # The draw looks for faults in passing, which is cheaper than a pass of their own.
        verdict = rejected_where(table, limits, later=is_drawn)
        if text and self.count is not None:
            verdict = self._best(verdict, text, self.count)
        amount = Amount(None if text else self.count, self.hours)
        if amount == Amount():
            return verdict
        return then(verdict, lambda rows: draw_clips(rows, amount, seed=self.seed, by_source=False))

    def select(self, table: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        """Every row with its reason, see `decide`."""
        return self.decide(table).rows

    def _best(self, fitting: Verdict, text: str, count: int) -> Verdict:
        """The best `count` by text score; among those that are as good as the last, by draw."""
        best = rank(fitting, text, lambda rows: count)
        fitting = replace(fitting, sums=best.sums)
        rest = best.sums.get(None, 0) - best.number
        least = number(best.least)
        sums = {None: best.number, "low_text_score": rest}
        good = then(
            fitting,
            lambda rows: rejected_where(rows, {"low_text_score": f"{text} < {least}"}, sums),
        )
        if best.number <= count:
            return good
        ties = best.ties - (best.number - count)
        return then(good, lambda rows: self._some_of(rows, f"{text} = {least}", ties))

    def _some_of(self, table: duckdb.DuckDBPyRelation, tied: str, count: int) -> Verdict:
        """Draw some of the rows for which a condition is true; all others are chosen."""
        drawn = drawn_query("select * from input", self.seed, "row_key", _DRAW)
        (last,) = run_one(
            table,
            f"select max({_DRAW}) from (select {_DRAW} from ({drawn}) where {tied} "
            f"order by {_DRAW} limit {count})",
        )
        is_over = f"{tied} and {_DRAW} > {last}::ubigint"
        return decided(
            over(
                table,
                f"select * exclude ({_DRAW}), if({is_over}, 'not_drawn', null) as rejection "
                f"from ({drawn})",
            )
        )
