"""What a build says while it runs: plain numbers, shown by whoever listens."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class BuildProgress:
    """The live state of a build. `changed` is called after every change.

    Attributes:
        stage: what is being done now.
        videos_total, videos_done: sources of this run.
        failures: sources that turned out bad in this run.
        clips: clips in the current cut so far.
        video_seconds: seconds of video decoded by this run so far.
        expected_seconds: seconds of video this run has to decode, 0 when unknown.
    """

    changed: Callable[[BuildProgress], None] = field(default=lambda _: None, repr=False)
    stage: str = "starting"
    videos_total: int = 0
    videos_done: int = 0
    failures: int = 0
    clips: int = 0
    expected_seconds: float = 0.0
    started_at: float = field(default_factory=time.monotonic)
    _finished_seconds: float = 0.0
    _running: dict[int, float] = field(default_factory=dict)

    @property
    def video_seconds(self) -> float:
        """Seconds of video decoded so far, running sources included."""
        return self._finished_seconds + sum(self._running.values())

    @property
    def elapsed_seconds(self) -> float:
        """Wall time since the build began."""
        return time.monotonic() - self.started_at

    @property
    def hours_per_hour(self) -> float:
        """Video hours decoded per hour of wall time."""
        return self.video_seconds / max(self.elapsed_seconds, 1e-6)

    @property
    def remaining_seconds(self) -> float | None:
        """Wall time still to go at the present speed, or None when it cannot be told."""
        left = self.expected_seconds - self.video_seconds
        if self.video_seconds <= 0 or left <= 0:
            return None
        return left / self.hours_per_hour

    def enter(self, stage: str) -> None:
        """Begin a stage."""
        self.stage = stage
        self.changed(self)

    def reached(self, index: int, seconds: float) -> None:
        """One running source got to `seconds`."""
        self._running[index] = seconds
        self.changed(self)

    def finished(self, index: int, seconds: float, *, failed: bool) -> None:
        """One source is done."""
        self._running.pop(index, None)
        self._finished_seconds += seconds
        self.videos_done += 1
        self.failures += failed
        self.changed(self)
