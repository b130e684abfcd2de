"""Counts of one claim: right, wrong, missed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Tally:
    """Counts of one claim."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    @property
    def precision(self) -> float:
        """Share of the claims that are true; 1 where none was made."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """Share of the truth that was claimed; 1 where there was none."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0

    def add(self, truth: bool, said: bool) -> None:
        """Count one claim about one clip."""
        self.right += truth and said
        self.wrong += said and not truth
        self.missed += truth and not said
