"""What an annotate pass says while it runs: plain numbers, shown by whoever listens."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from internvid.core.timings import Timings


@dataclass
class AnnotateProgress:
    """The live state of an annotate pass. `changed` is called after every change.

    Attributes:
        stage: what is being done now.
        asked: clips of this stage. answered: how many are done. failed: how many of them failed.
        timings: what the component reported so far; None before it began.
    """

    changed: Callable[[AnnotateProgress], None] = field(default=lambda _: None, repr=False)
    stage: str = "starting"
    asked: int = 0
    answered: int = 0
    failed: int = 0
    timings: Timings | None = None
    _began: float = field(default_factory=time.monotonic)
    _parts: dict[int, tuple[int, int]] = field(default_factory=dict)

    def enter(self, stage: str) -> None:
        """Begin a stage without clips."""
        self.begin(stage, 0, None)

    def begin(self, stage: str, requested: int, timings: Timings | None) -> None:
        """Begin a stage that goes over so many clips."""
        self.stage, self.asked, self.timings = stage, requested, timings
        self.answered = self.failed = 0
        self._began = time.monotonic()
        self._parts = {}
        self.changed(self)

    def reached(self, answered: int, failed: int) -> None:
        """So many clips are done, so many of them in vain."""
        self.answered, self.failed = answered, failed
        self.changed(self)

    def reached_in_part(self, index: int, counts: tuple[int, int]) -> None:
        """Progress of one of several workers in its own part."""
        self._parts[index] = counts
        answered = sum(done for done, _ in self._parts.values())
        self.reached(answered, sum(failed for _, failed in self._parts.values()))

    @property
    def elapsed_seconds(self) -> float:
        """Wall time since the stage began."""
        return time.monotonic() - self._began

    @property
    def clips_per_second(self) -> float:
        """Mean speed of the stage."""
        return self.answered / max(self.elapsed_seconds, 1e-6)

    @property
    def remaining_seconds(self) -> float | None:
        """Wall time still to go at that speed, or None where it cannot be determined."""
        if not 0 < self.answered < self.asked:
            return None
        return self.elapsed_seconds * (self.asked - self.answered) / self.answered
