"""A detector that cuts where a seed says, so that clips begin anywhere in a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from internvid.core.types import Shot, Timeline, TimeSpan


@dataclass(frozen=True)
class RandomCuts:
    """Shots of random lengths.

    Attributes:
        seed: draws the cuts.
        least_seconds, most_seconds: of a shot.
    """

    version: ClassVar[int] = 1
    seed: int = 7
    least_seconds: float = 0.4
    most_seconds: float = 6.0

    def detect(self, timeline: Timeline) -> list[Shot]:
        """Shots that tile the timeline."""
        random = np.random.default_rng([self.seed, len(timeline)])
        seconds = timeline.boundary_seconds
        starts = [0]
        while True:
            length = random.uniform(self.least_seconds, self.most_seconds)
            at = int(np.searchsorted(seconds, seconds[starts[-1]] + length))
            if at >= len(timeline) - 1:
                break
            starts.append(max(at, starts[-1] + 1))
        ends = [*starts[1:], len(timeline)]
        return [
            Shot(
                TimeSpan(
                    float(seconds[start]),
                    timeline.duration_seconds if end == len(timeline) else float(seconds[end]),
                ),
                "start" if start == 0 else "cut",
                1.0,
            )
            for start, end in zip(starts, ends, strict=True)
        ]
