"""The detector the original dataset used: PySceneDetect's ContentDetector, from the timeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from internvid.core.errors import ConfigInvalidError
from internvid.core.types import FloatArray, Shot, Timeline, TimeSpan

_HOLD_SECONDS, _HELD_PER_SECOND = 0.45, 25


@dataclass(frozen=True)
class ContentDetector:
    """Hard cuts where hue, saturation and value change much from one frame to the next.

    Equal to PySceneDetect 0.7 with the same threshold but where its own value lies within about
    one level of it: the means are taken over other samples of the same pictures.

    Attributes:
        threshold: mean change, averaged over the three channels (paper: 27).
        minimum_frames: cuts nearer than this are merged as PySceneDetect merges them. A frame that
            is held for longer than 0.45 s counts as many as it would be at 25 a second.
    """

    version: ClassVar[int] = 2
    threshold: float = 27.0
    minimum_frames: int = 15

    def __post_init__(self) -> None:
        if not 0 < self.threshold < np.inf:
            raise ConfigInvalidError(f"threshold must be above 0, got {self.threshold}")
        if self.minimum_frames < 0:
            raise ConfigInvalidError(
                f"minimum_frames cannot be negative, got {self.minimum_frames}"
            )

    def detect(self, timeline: Timeline) -> list[Shot]:
        """Shots that tile the timeline."""
        values = content_values(timeline)
        places = count_held(timeline.pts_seconds)
        cuts = merge_close(values >= self.threshold, self.minimum_frames, places)
        seconds = timeline.boundary_seconds
        starts = [0, *(cut for cut in cuts if cut > 0)]
        ends = [*starts[1:], len(timeline)]
        shots = []
        for start, end in zip(starts, ends, strict=True):
            stop = timeline.duration_seconds if end == len(timeline) else float(seconds[end])
            # How far above the threshold: 0.5 at it, towards 1 at three times it.
            excess = float(values[start] / self.threshold - 1)
            score = 1.0 if start == 0 else min(1.0, 0.5 + max(0.0, excess) / 4)
            shots.append(
                Shot(
                    TimeSpan(float(seconds[start]), stop),
                    "start" if start == 0 else "cut",
                    score,
                )
            )
        return shots


def content_values(timeline: Timeline) -> npt.NDArray[np.float64]:
    """float64 [N]: PySceneDetect's `content_val` of each frame, 0 for the first."""
    channels = ("delta_hue", "delta_saturation", "delta_value")
    return np.asarray(sum(timeline.column(name) for name in channels)) / 3


def count_held(seconds: FloatArray) -> npt.NDArray[np.int64]:
    """int64 [N]: how many frames come before each, where held ones count as often as at 25 fps."""
    gaps = np.diff(seconds, prepend=seconds[:1])
    steps = np.where(gaps > _HOLD_SECONDS, np.rint(gaps * _HELD_PER_SECOND), 1)
    return np.asarray(np.cumsum(steps) - 1, np.int64)


def merge_close(
    above: npt.NDArray[np.bool_],
    minimum_frames: int,
    places: npt.NDArray[np.int64] | None = None,
) -> list[int]:
    """Frames that begin a shot, given which frames lie above the threshold.

    A lone frame far enough from the last one above is a cut. Once a first cut was found, a run
    of frames above the threshold that follow each other too closely becomes one cut, at the
    run's last frame, when the run lasted long enough and calm of the same length follows.

    Args:
        above: bool [N], whether each frame lies above the threshold.
        minimum_frames: what is long enough.
        places: int64 [N], how many frames come before each; its index where not given.
    """
    if minimum_frames <= 0:
        return [int(frame) for frame in np.flatnonzero(above)]
    cuts: list[int] = []
    at = list(range(len(above))) if places is None else places.tolist()
    last_above = 0
    run_start: int | None = None
    may_merge = False
    for frame in range(len(above)):
        is_above = bool(above[frame])
        if run_start is None and not is_above:
            continue
        far_enough = at[frame] - at[last_above] >= minimum_frames
        if is_above:
            last_above = frame
        if run_start is not None:
            calm = far_enough and not is_above
            if calm and at[last_above] - at[run_start] >= minimum_frames:
                run_start = None
                cuts.append(last_above)
        elif far_enough:
            may_merge = True
            cuts.append(frame)
        elif may_merge:
            run_start = frame
    return cuts
