"""How far a fetch is, for whoever shows it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class FetchProgress:
    """How far a fetch is.

    Attributes:
        changed: called with this object after each item.
        noted: called with sentences for people, as they come up.
        stage: what is being done.
        total: items that had no outcome at the begin of the run.
        done: of these, have one now.
        fetched: of these, have a file.
        bytes: of files that were fetched now.
        reasons: items without a file, now.
    """

    changed: Callable[[FetchProgress], None] = lambda _: None
    noted: Callable[[str], None] = lambda _: None
    stage: str = "reading the table"
    total: int = 0
    done: int = 0
    fetched: int = 0
    bytes: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)

    def enter(self, stage: str) -> None:
        """Begin a stage."""
        self.stage = stage
        self.changed(self)

    @property
    def per_second(self) -> float:
        """Items in a second of this run."""
        return self.done / max(time.monotonic() - self.began, 1e-6)

    @property
    def remaining_seconds(self) -> float | None:
        """How long the rest takes at the pace so far."""
        return (self.total - self.done) / self.per_second if self.done else None
