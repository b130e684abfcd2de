"""Random subsets: uniform, and InternVid's diverse one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from internvid.curate.selectors.drawing import draw_clips
from internvid.curate.selectors.expected import Amount
from internvid.curate.selectors.verdict import Verdict

if TYPE_CHECKING:
    import duckdb

DIV_CLIPS = 10_647_458
"""Clips of InternVid-10M-DIV, as its sampling code draws them."""
RANDOM_CLIPS = 1000
"""Clips of a random sample of which nothing is said."""


def unless_hours(clips: int) -> Mapping[str, str]:
    """What is drawn where no count is given, for `internvid list`."""
    return MappingProxyType({"count": f"{clips:,} clips, unless hours are given"})


@dataclass(frozen=True)
class Random:
    """A uniform random sample; one seed gives one sample on any machine.

    It draws by a published hash of (seed, row), so a larger sample contains a smaller one.

    Attributes:
        count: how many clips; all of them when there are fewer. 1000 unless hours are given.
        hours: at most so many hours of clips.
        seed: another seed gives another sample.
    """

    version: ClassVar[int] = 2
    left_out: ClassVar[Mapping[str, str]] = unless_hours(RANDOM_CLIPS)
    count: int | None = None
    hours: float | None = None
    seed: int = 0

    def decide(self, table: duckdb.DuckDBPyRelation) -> Verdict:
        """Every row; `not_drawn` is the reason of the others."""
        unlimited = self.count is None and self.hours is None
        amount = Amount(RANDOM_CLIPS if unlimited else self.count, self.hours)
        return draw_clips(table, amount, seed=self.seed, by_source=False)

    def select(self, table: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        """Every row; `not_drawn` is the reason of the others."""
        return self.decide(table).rows


@dataclass(frozen=True)
class Diverse:
    """InternVid-DIV: a draw without replacement with weight 1 / clips of the same source video.

    Videos of a thousand clips and of one are equally likely, as far as they reach (InternVid,
    section 3.2, and its `div_sampling.py`).

    Attributes:
        count: how many clips; the paper's 10,647,458 unless hours are given.
        hours: at most so many hours of clips.
        seed: another seed draws another subset.
    """

    version: ClassVar[int] = 1
    left_out: ClassVar[Mapping[str, str]] = unless_hours(DIV_CLIPS)
    count: int | None = None
    hours: float | None = None
    seed: int = 42

    def decide(self, table: duckdb.DuckDBPyRelation) -> Verdict:
        """Every row; `not_drawn` is the reason of the others."""
        unlimited = self.count is None and self.hours is None
        amount = Amount(DIV_CLIPS if unlimited else self.count, self.hours)
        return draw_clips(table, amount, seed=self.seed, by_source=True)

    def select(self, table: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        """Every row; `not_drawn` is the reason of the others."""
        return self.decide(table).rows
