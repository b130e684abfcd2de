"""What a build says while it runs: plain numbers, shown by whoever listens."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass
class BuildProgress:
    """The live state of a build. `changed` is called after every change.

    Attributes:
        stage: what is being done now.
        videos_total, videos_done: sources of this run.
        failures: sources that turned out bad in this run. reasons: the same by reason.
        clips: clips in the current cut so far.
        video_seconds: seconds of video decoded by this run so far.
        share_done: part of this run's bytes that is decoded, 0 to 1.
    """

    changed: Callable[[BuildProgress], None] = field(default=lambda _: None, repr=False)
    stage: str = "starting"
    videos_total: int = 0
    videos_done: int = 0
    failures: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    clips: int = 0
    bytes_total: int = 0
    _bytes_done: float = 0.0
    _sizes: Sequence[int] = field(default=())
    started_at: float = field(default_factory=time.monotonic)
    _finished_seconds: float = 0.0
    _running: dict[int, tuple[float, float]] = field(default_factory=dict)

    @property
    def video_seconds(self) -> float:
        """Seconds of video decoded so far, running sources included."""
        return self._finished_seconds + sum(seconds for seconds, _ in self._running.values())

    @property
    def share_done(self) -> float:
        """Part of this run's bytes that is decoded, 0 to 1; running sources count in part."""
        done = self._bytes_done + sum(part for _, part in self._running.values())
        return min(1.0, done / self.bytes_total) if self.bytes_total else 0.0

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
        """Wall time still to go at the present speed, or None when it cannot be determined."""
        share = self.share_done
        if share <= 0.01 or share >= 1:
            return None
        return self.elapsed_seconds * (1 - share) / share

    def enter(self, stage: str) -> None:
        """Begin a stage."""
        self.stage = stage
        self.changed(self)

    def begin(self, sizes: Sequence[int]) -> None:
        """The sources of this run, by their sizes in bytes."""
        self._sizes = sizes
        self.videos_total = len(sizes)
        self.bytes_total = sum(sizes)

    def reached(self, index: int, where: tuple[float, float | None]) -> None:
        """One running source got to so many seconds of the length its header claims."""
        seconds, claimed = where
        share = min(1.0, seconds / claimed) if claimed else 0.0
        self._running[index] = (seconds, share * self._sizes[index])
        self.changed(self)

    def finished(self, index: int, seconds: float, *, failed: bool, reason: str = "") -> None:
        """One source is done; where it failed, for a reason in a word."""
        self._running.pop(index, None)
        self._finished_seconds += seconds
        self._bytes_done += self._sizes[index]
        self.videos_done += 1
        self.failures += failed
        if failed:
            self.reasons[reason or "unknown"] += 1
        self.changed(self)
