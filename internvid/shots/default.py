"""The detector that runs unless another is named: cuts where the measured evidence is best."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from internvid.core.errors import ConfigInvalidError
from internvid.core.types import FloatArray, Shot, Timeline, TimeSpan

KINDS = ("none", "dissolve", "wipe", "fade")


@dataclass(frozen=True)
class Boundary:
    """One place where a shot may begin.

    Attributes:
        seconds: a cut's first frame, a gradual transition's middle.
        length_seconds: 0 for a cut.
    """

    seconds: float
    transition: str
    score: float
    length_seconds: float = 0.0


@dataclass(frozen=True)
class DefaultDetector:
    """Shots from the columns of `internvid.scan.transitions.observer`; needs no pictures.

    Attributes:
        cut_threshold: least probability of a hard cut.
        gradual_threshold: least probability of a dissolve, fade or wipe.
        shortest_seconds: boundaries nearer to one another than this are one.
    """

    version: ClassVar[int] = 1

    cut_threshold: float = 0.45
    gradual_threshold: float = 0.45
    shortest_seconds: float = 0.1

    def __post_init__(self) -> None:
        for name in ("cut_threshold", "gradual_threshold"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigInvalidError(f"{name} must lie in (0, 1], got {getattr(self, name)}")
        if self.shortest_seconds < 0:
            raise ConfigInvalidError(
                f"shortest_seconds cannot be negative, got {self.shortest_seconds}"
            )

    def detect(self, timeline: Timeline) -> list[Shot]:
        """Shots that tile the video from its first frame to its end."""
        seconds = timeline.pts_seconds
        if not len(seconds):
            return []
        begin = float(seconds[0])
        end = max(float(timeline.duration_seconds), float(seconds[-1]), begin)
        chosen = self._choose([*self._list_gradual(timeline), *self._list_cuts(timeline)])
        chosen = [b for b in chosen if begin < b.seconds < end]
        edges = [begin, *(b.seconds for b in chosen), end]
        shots = [Shot(TimeSpan(edges[0], edges[1]), "start", 1.0)]
        for place, boundary in enumerate(chosen, start=1):
            span = TimeSpan(edges[place], edges[place + 1])
            shots.append(Shot(span, boundary.transition, boundary.score, boundary.length_seconds))
        return shots

    def _list_cuts(self, timeline: Timeline) -> list[Boundary]:
        places, probability = _find_likely(timeline, "cut", self.cut_threshold)
        seconds = timeline.boundary_seconds[places]
        return [
            Boundary(float(begin), "cut", float(min(1.0, score)))
            for begin, score in zip(seconds, probability, strict=True)
        ]

    def _list_gradual(self, timeline: Timeline) -> list[Boundary]:
        places, probability = _find_likely(timeline, "gradual", self.gradual_threshold)
        seconds = timeline.pts_seconds[places]
        lengths, kinds = (
            timeline.specs[name].decode(timeline.stored[name][places])
            for name in ("gradual_seconds", "gradual_kind")
        )
        gradual = []
        for k in range(len(places)):
            kind = KINDS[int(np.clip(np.rint(kinds[k]), 1, 3))]
            score = float(min(1.0, probability[k]))
            gradual.append(Boundary(float(seconds[k]), kind, score, float(lengths[k])))
        return gradual

    def _choose(self, boundaries: list[Boundary]) -> list[Boundary]:
        """The strongest of those that tell of one change, in time order."""
        chosen: list[Boundary] = []
        places: list[float] = []
        longest = max((boundary.length_seconds for boundary in boundaries), default=0.0)
        for boundary in sorted(boundaries, key=lambda b: (-b.score, b.seconds)):
            # A little more than the farthest that any other can reach, for rounding.
            reach = self._reach(boundary.length_seconds + longest) + 1e-6
            low = bisect.bisect_left(places, boundary.seconds - reach)
            high = bisect.bisect_right(places, boundary.seconds + reach)
            if all(self._are_apart(boundary, other) for other in chosen[low:high]):
                place = bisect.bisect_right(places, boundary.seconds)
                places.insert(place, boundary.seconds)
                chosen.insert(place, boundary)
        return chosen

    def _are_apart(self, one: Boundary, other: Boundary) -> bool:
        reach = self._reach(one.length_seconds + other.length_seconds)
        return abs(one.seconds - other.seconds) >= reach

    def _reach(self, lengths_seconds: float) -> float:
        # Windows are a little longer than what they hold, so neighbours may touch.
        return 0.45 * lengths_seconds + self.shortest_seconds


def _find_likely(
    timeline: Timeline, name: str, threshold: float
) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """Frames at which a column reaches a threshold, and its values there.

    Only these are turned into floats to keep: hours of video have millions of others.
    """
    values = timeline.column(name)
    places = np.flatnonzero(values >= threshold)
    return places, values[places]
