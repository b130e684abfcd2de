"""Frames that are shown for long, repeated: what a film of an even rate would hold.

Slow sequences of stills, GIFs and recordings of changing rate code a picture once and show it for
seconds. What comes next is a change beside stillness, as it is in a film that codes the picture
anew every 0.04 s, and has to be measured in the same surroundings.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from internvid.core.contracts import Planes

# Frames farther apart than this were held. Thin passes skip less than that of a film.
HOLD_SECONDS = 0.45
STEP_SECONDS = 0.08
# Repeats this long after a frame and before the next one: as far as evidence is looked for.
REACH_SECONDS = 1.2

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


# After a hold, movement alone has changed much: the odds of a cut are so much smaller (logarithm),
# and larger again the more the change stands out among those after the holds around it. Of the
# marked files at 0.25 to 2.8 frames a second, and of stills of which none is like the next.
_LESS_LIKELY = 2.0
_STANDING_OUT = 1.5
_NEIGHBOURS = 4


@dataclass(frozen=True)
class FilledFrames:
    """Consecutive frames with repeats of those that were held.

    Attributes:
        planes: luma, U and V float32 [N, 36, 64].
        seconds: float64 [N].
        frames: int64 [N], index in the video; a repeat has that of the frame it repeats.
        is_repeat: bool [N].
    """

    planes: tuple[Float32, Float32, Float32]
    seconds: Float64
    frames: Int64
    is_repeat: npt.NDArray[np.bool_]


@dataclass
class HoldFiller:
    """Puts repeats between frames that pass by; holds the last of them."""

    _last: tuple[Float32, Float32, Float32] | None = field(default=None, repr=False)
    _last_seconds: float = 0.0
    _last_gap: float = 0.0
    _count: int = 0
    _after: array[int] = field(default_factory=lambda: array("q"), repr=False)

    def fill(self, batch: Planes, part: slice) -> FilledFrames:
        """Frames `part` of a batch, each after the repeats of the one before it."""
        planes = (batch.luma_half[part], batch.u_half[part], batch.v_half[part])
        seconds = np.nan_to_num(np.asarray(batch.pts_seconds[part], dtype=np.float64))
        if self._last is not None:
            seconds = np.maximum(seconds, self._last_seconds)
        seconds = np.maximum.accumulate(seconds)
        frames = self._count + np.arange(len(seconds))
        plain = FilledFrames(planes, seconds, frames, np.zeros(len(seconds), bool))
        start = seconds[0] if self._last is None else self._last_seconds
        gaps = np.diff(seconds, prepend=start)
        filled = plain if gaps.max() <= HOLD_SECONDS else self._with_repeats(plain, gaps)
        self._after.extend(frames[gaps > HOLD_SECONDS].tolist())
        self._last = (planes[0][-1:], planes[1][-1:], planes[2][-1:])
        self._last_seconds, self._last_gap = float(seconds[-1]), float(gaps[-1])
        self._count += len(seconds)
        return filled

    def finish(self) -> FilledFrames | None:
        """Repeats of the very last frame, taken to be held as long as the one before it."""
        if self._last is None or self._last_gap <= HOLD_SECONDS:
            return None
        seconds = self._last_seconds + _repeats(2 * min(self._last_gap, REACH_SECONDS))
        seconds = seconds[seconds <= self._last_seconds + REACH_SECONDS]
        count = len(seconds)
        one, two, three = (plane.repeat(count, axis=0) for plane in self._last)
        frames = np.full(count, self._count - 1, np.int64)
        return FilledFrames((one, two, three), seconds, frames, np.ones(count, bool))

    def weigh(self, cuts: Mapping[int, float], jumps: Float64) -> dict[int, float]:
        """Probabilities of cuts by frame, those after a hold weighed by the changes around.

        Args:
            cuts: frame -> probability in surroundings of repeats.
            jumps: change of every frame of the video, in levels.
        """
        weighed = dict(cuts)
        frames = np.frombuffer(self._after, np.int64)
        changes = np.log(jumps[frames] + 1)
        for at, frame in enumerate(frames.tolist()):
            if frame not in weighed:
                continue
            near = slice(max(0, at - _NEIGHBOURS), at + _NEIGHBOURS + 1)
            is_near = np.abs(frames[near] - frame) <= _NEIGHBOURS
            others = changes[near][is_near & (frames[near] != frame)]
            apart = changes[at] - np.median(others) if len(others) else 0.0
            probability = min(weighed[frame], 1 - 1e-6)
            odds = probability / (1 - probability) * np.exp(_STANDING_OUT * apart - _LESS_LIKELY)
            weighed[frame] = float(odds / (1 + odds))
        return weighed

    def _with_repeats(self, plain: FilledFrames, gaps: Float64) -> FilledFrames:
        # Place 0 is the last frame of the part before, or the first one where there is none.
        before = self._last or tuple(plane[:1] for plane in plain.planes)
        sources, seconds, is_repeat = [], [], []
        for at, gap in enumerate(gaps.tolist()):
            if gap > HOLD_SECONDS:
                again = plain.seconds[at] - gap + _repeats(gap)
                sources += [at] * len(again)
                seconds += again.tolist()
                is_repeat += [True] * len(again)
            sources.append(at + 1)
            seconds.append(float(plain.seconds[at]))
            is_repeat.append(False)
        places = np.asarray(sources)
        one, two, three = (
            np.concatenate([old, new])[places]
            for old, new in zip(before, plain.planes, strict=True)
        )
        return FilledFrames(
            (one, two, three),
            np.asarray(seconds),
            plain.frames[0] - 1 + places,
            np.asarray(is_repeat),
        )


def _repeats(gap: float) -> Float64:
    """When a frame that is held for that long is shown again, in seconds after it."""
    steps = np.arange(STEP_SECONDS, gap - STEP_SECONDS / 2, STEP_SECONDS)
    return steps[(steps <= REACH_SECONDS) | (steps >= gap - REACH_SECONDS)]
