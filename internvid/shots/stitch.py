"""From shots to clip spans: trims transitions, joins what was over-split, splits long takes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from internvid.core.errors import ConfigInvalidError
from internvid.core.types import Shot, Timeline, TimeSpan

# The faint ends of a dissolve or wipe are measured as none: two frames at 25 per second.
_FAINT_SECONDS = 0.08


@dataclass(frozen=True)
class Stitch:
    """How shots become clips.

    Attributes:
        join_below_score: a cut with less confidence joins its two shots again.
        maximum_seconds: longer takes are split into about equal pieces (0: never).
        quiet_seconds: half width of the window in which the calmest frame is sought.
        guard_frames: frames left out at each side of a cut, for footage whose cuts blend.
    """

    version: ClassVar[int] = 2
    join_below_score: float = 0.0
    maximum_seconds: float = 60.0
    quiet_seconds: float = 2.0
    guard_frames: int = 0

    def __post_init__(self) -> None:
        for name in ("maximum_seconds", "quiet_seconds", "guard_frames"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ConfigInvalidError(f"{name} must be 0 or more, got {value}")
        if not 0 <= self.join_below_score <= 1:
            raise ConfigInvalidError(
                f"join_below_score must lie in [0, 1], got {self.join_below_score}"
            )

    def stitch(self, timeline: Timeline, shots: Sequence[Shot]) -> list[Shot]:
        """Clip spans in order, as shots that no longer tile: transitions are left out.

        Each span starts at a frame and ends at the next shot's first frame (or before its
        gradual transition), so it holds no frame of a neighbouring shot.
        """
        joined = self._join(shots)
        clips: list[Shot] = []
        for at, shot in enumerate(joined):
            following = joined[at + 1] if at + 1 < len(joined) else None
            trimmed = self._trim(timeline, shot, following)
            if trimmed is not None:
                clips.extend(self._split(timeline, trimmed))
        return clips

    def _join(self, shots: Sequence[Shot]) -> list[Shot]:
        joined: list[Shot] = []
        for shot in shots:
            weak = shot.transition != "start" and shot.score < self.join_below_score
            if joined and weak:
                span = TimeSpan(joined[-1].span.start_seconds, shot.span.end_seconds)
                joined[-1] = replace(joined[-1], span=span)
            else:
                joined.append(shot)
        return joined

    def _trim(self, timeline: Timeline, shot: Shot, following: Shot | None) -> Shot | None:
        start = shot.span.start_seconds + _reach(shot)
        end = shot.span.end_seconds
        if following is not None:
            end -= _reach(following)
        if end <= start:
            return None
        frames = timeline.frames_in(TimeSpan(start, end))
        first = frames.start + (self.guard_frames if shot.transition != "start" else 0)
        stop = frames.stop - (self.guard_frames if following is not None else 0)
        if stop <= first:
            return None
        return replace(shot, span=_frames_span(timeline, first, stop))

    def _split(self, timeline: Timeline, shot: Shot) -> list[Shot]:
        length = shot.span.duration_seconds
        if self.maximum_seconds <= 0 or length <= self.maximum_seconds:
            return [shot]
        pieces = math.ceil(length / self.maximum_seconds)
        frames = timeline.frames_in(shot.span)
        seconds = timeline.pts_seconds
        motion = timeline.column("motion") if "motion" in timeline.stored else None
        bounds = [frames.start]
        for piece in range(1, pieces):
            ideal = shot.span.start_seconds + length * piece / pieces
            # Only earlier than the ideal instant, so that no piece exceeds the maximum by it.
            low = int(np.searchsorted(seconds, ideal - self.quiet_seconds))
            high = int(np.searchsorted(seconds, ideal))
            low, high = max(low, bounds[-1] + 1), min(high, frames.stop - 1)
            if high < low:
                continue
            calmest = low if motion is None else low + int(np.argmin(motion[low : high + 1]))
            bounds.append(calmest)
        bounds.append(frames.stop)
        spans = [
            _frames_span(timeline, start, stop)
            for start, stop in itertools.pairwise(bounds)
            if stop > start
        ]
        first = replace(shot, span=spans[0])
        return [first, *(Shot(span, "split", 1.0) for span in spans[1:])]


def _reach(shot: Shot) -> float:
    """Seconds from a boundary to the first frame that shows one shot alone."""
    length = shot.transition_seconds
    return length / 2 + _FAINT_SECONDS if length else 0.0


def _frames_span(timeline: Timeline, first: int, stop: int) -> TimeSpan:
    seconds = timeline.boundary_seconds
    end = timeline.duration_seconds if stop >= len(timeline) else float(seconds[stop])
    return TimeSpan(float(seconds[first]), max(end, float(seconds[first])))
