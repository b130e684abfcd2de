"""From shots to clip spans: trims transitions, joins what was over-split, splits long takes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from internvid.core.errors import ConfigInvalidError
from internvid.core.types import CLOSING_FADE, OPENING_FADE, Shot, Timeline, TimeSpan

# The faint ends of a gradual transition are measured as none: two frames at 25 per second, four of
# a wipe, that begins and ends in a corner or at an edge.
_FAINT_SECONDS = 0.08
_FAINT_WIPE_SECONDS = 0.16
_ROUNDING = 1e-6
# The calmest frame is sought over no more of a piece than this to either side, or the pieces of
# short maxima would be of all lengths.
_SHARE_OF_PIECE = 0.25


@dataclass(frozen=True)
class Stitch:
    """How shots become clips.

    Attributes:
        join_below_score: a cut with less confidence joins its two shots again.
        maximum_seconds: longer takes are split into about equal pieces, none of them longer
            (0: never).
        quiet_seconds: half width of the window in which the calmest frame is sought, at most a
            quarter of a piece.
        guard_frames: frames left out at each side of a cut, for footage whose cuts blend.
    """

    version: ClassVar[int] = 4
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
        gradual transition), so it holds no frame of a neighbouring shot. What is left of a fade
        that opens or ends the video, and the tone before or behind it, are left out too.
        """
        joined = _trim_edges(timeline, self._join(shots))
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
        if self.maximum_seconds <= 0 or shot.span.duration_seconds <= self.maximum_seconds:
            return [shot]
        frames = timeline.frames_in(shot.span)
        seconds = timeline.boundary_seconds
        motion = timeline.column("motion") if "motion" in timeline.stored else None
        bounds = [frames.start]
        while True:
            choice = self._choices(seconds, bounds[-1], frames.stop, shot.span.end_seconds)
            if choice is None:
                break
            ideal, places = choice
            # Without motion, or where all is as calm, the pieces stay about equal.
            order = np.abs(seconds[places] - ideal)
            calm = order if motion is None else motion[places]
            bounds.append(places.start + int(np.lexsort((order, calm))[0]))
        spans = [
            _frames_span(timeline, start, stop)
            for start, stop in itertools.pairwise([*bounds, frames.stop])
        ]
        first = replace(shot, span=spans[0])
        return [first, *(Shot(span, "split", 1.0) for span in spans[1:])]

    def _choices(
        self, seconds: npt.NDArray[np.float64], start: int, stop: int, end_seconds: float
    ) -> tuple[float, slice] | None:
        """Where the piece that begins with frame `start` may end.

        Returns:
            The instant that would make the rest of the take equal pieces, and the frames near it
            that leave neither this piece nor those after it too long; None if this is the last.
        """
        now, most = float(seconds[start]), self.maximum_seconds
        left = end_seconds - now
        if left <= most + _ROUNDING or start + 1 >= stop:
            return None
        pieces = math.ceil((left - _ROUNDING) / most)
        # Frames are not everywhere: one more piece where none lies in what may be chosen from.
        for count in (pieces, pieces + 1):
            ideal = now + left / count
            reach = min(self.quiet_seconds, _SHARE_OF_PIECE * left / count)
            earliest = max(ideal - reach, end_seconds - (count - 1) * most)
            latest = min(ideal + reach, now + most)
            low, high = (
                int(np.searchsorted(seconds, earliest - _ROUNDING)),
                int(np.searchsorted(seconds, latest + _ROUNDING, side="right")),
            )
            low, high = max(low, start + 1), min(high, stop)
            if low < high:
                return ideal, slice(low, high)
        # Fewer frames than pieces: each frame that lasts as long is a piece.
        last = int(np.searchsorted(seconds, now + most + _ROUNDING, side="right")) - 1
        return now + most, slice(max(last, start + 1), max(last, start + 1) + 1)


def _trim_edges(timeline: Timeline, shots: Sequence[Shot]) -> list[Shot]:
    """The shots without a fade that opens the first or ends the last of them."""
    trimmed = list(shots)
    if "gradual_kind" not in timeline.stored:
        return trimmed
    for kind, at in ((OPENING_FADE, 0), (CLOSING_FADE, -1)):
        for place in np.flatnonzero(timeline.stored["gradual_kind"] == kind):
            part = timeline.part(slice(int(place), int(place) + 1))
            reach = float(part.column("gradual_seconds")[0]) + _FAINT_SECONDS
            span, edge = trimmed[at].span, float(part.pts_seconds[0])
            start, end = span.start_seconds, span.end_seconds
            if kind == OPENING_FADE:
                start = max(start, edge + reach)
            else:
                end = min(end, edge - reach)
            left = TimeSpan(start, max(start, end))
            frames = timeline.frames_in(left)
            if frames.stop > frames.start:  # a take that is nothing but its fade stays as it is
                trimmed[at] = replace(trimmed[at], span=left)
    return trimmed


def _reach(shot: Shot) -> float:
    """Seconds from a boundary to the first frame that shows one shot alone."""
    if not shot.transition_seconds:
        return 0.0
    faint = _FAINT_WIPE_SECONDS if shot.transition == "wipe" else _FAINT_SECONDS
    return shot.transition_seconds / 2 + faint


def _frames_span(timeline: Timeline, first: int, stop: int) -> TimeSpan:
    seconds = timeline.boundary_seconds
    end = timeline.duration_seconds if stop >= len(timeline) else float(seconds[stop])
    return TimeSpan(float(seconds[first]), max(end, float(seconds[first])))
