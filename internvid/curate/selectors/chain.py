"""Several selectors, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from internvid.core.contracts import Selector
from internvid.core.errors import ConfigInvalidError
from internvid.curate.selectors.verdict import Verdict, bound, decide, then

if TYPE_CHECKING:
    import duckdb

    from internvid.dataset.store import Dataset


@dataclass(frozen=True)
class Chain:
    """Each selector chooses among what those before it chose.

    Attributes:
        steps: the selectors, first to last; at least one.
    """

    version: ClassVar[int] = 1
    steps: tuple[Selector, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a chain of nothing.

        Raises:
            ConfigInvalidError: there is no step.
        """
        if not self.steps:
            raise ConfigInvalidError("a chain of selectors needs at least one")

    @property
    def reads_videos(self) -> bool:
        """Whether a step wants the columns of the clips' videos."""
        return any(getattr(step, "reads_videos", False) for step in self.steps)

    def of_dataset(self, dataset: Dataset) -> Chain:
        """The chain for clips of this dataset."""
        return Chain(tuple(bound(step, dataset) for step in self.steps))

    def decide(self, table: duckdb.DuckDBPyRelation) -> Verdict:
        """Every row with the reason of the step that rejected it."""
        first, *others = self.steps
        verdict = decide(first, table)
        for step in others:
            verdict = then(verdict, lambda rows, step=step: decide(step, rows))  # type: ignore[misc]
        return verdict

    def select(self, table: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        """Every row with the reason of the step that rejected it."""
        return self.decide(table).rows
