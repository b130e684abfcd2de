"""The detector the original dataset used: PySceneDetect's ContentDetector, from the timeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from internvid.core.errors import ConfigInvalidError
from internvid.core.types import Shot, Timeline, TimeSpan


@dataclass(frozen=True)
class ContentDetector:
    """Hard cuts where hue, saturation and value change much from one frame to the next.

    Equal to PySceneDetect 0.7 with the same threshold but where its own value lies within about
    one level of it: the means are taken over other samples of the same pictures.

    Attributes:
        threshold: mean change, averaged over the three channels (paper: 27).
        minimum_frames: cuts nearer than this are merged as PySceneDetect merges them.
    """

    version: ClassVar[int] = 1
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
        cuts = merge_close(values >= self.threshold, self.minimum_frames)
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


def merge_close(above: npt.NDArray[np.bool_], minimum_frames: int) -> list[int]:
    """Frames that begin a shot, given which frames lie above the threshold.

    A lone frame far enough from the last one above is a cut. Once a first cut was found, a run
    of frames above the threshold that follow each other too closely becomes one cut, at the
    run's last frame, when the run lasted long enough and calm of the same length follows.
    """
    if minimum_frames <= 0:
        return [int(frame) for frame in np.flatnonzero(above)]
    cuts: list[int] = []
    last_above = 0
    run_start: int | None = None
    may_merge = False
    for frame in range(len(above)):
        is_above = bool(above[frame])
        if run_start is None and not is_above:
            continue
        far_enough = frame - last_above >= minimum_frames
        if is_above:
            last_above = frame
        if run_start is not None:
            calm = far_enough and not is_above
            if calm and last_above - run_start >= minimum_frames:
                run_start = None
                cuts.append(last_above)
        elif far_enough:
            may_merge = True
            cuts.append(frame)
        elif may_merge:
            run_start = frame
    return cuts
