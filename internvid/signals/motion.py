"""How much moves in a clip: all of it, things apart from the camera, and the frantic share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from internvid.core.contracts import PickFacts
from internvid.core.types import Timeline, TimeSpan
from internvid.signals.path import camera_path


@dataclass(frozen=True)
class MotionSignal:
    """Amounts of motion that do not depend on the frame rate or on repeated frames.

    `motion_mean` and `motion_peak` (its 95th percentile) are in luma levels per second;
    `object_motion_mean` in levels over 0.1 s in the busiest tiles, with the camera's own motion
    taken out; `camera_motion_mean` in widths per second. `motion_extreme_share` is the share of
    the time in which the picture rushes past or cannot be followed at all.

    Attributes:
        extreme_widths: camera speed, widths per second, that counts as rushing.
        extreme_levels: luma levels per second that are extreme where no motion can be followed.
        lost_confidence: camera confidence below which the motion is lost.
        moving_levels: object motion without which nothing is moving at all.
    """

    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, str]] = {
        "motion_mean": "double",
        "motion_peak": "double",
        "object_motion_mean": "double",
        "camera_motion_mean": "double",
        "motion_extreme_share": "double",
    }
    extreme_widths: float = 1.0
    extreme_levels: float = 100.0
    lost_confidence: float = 0.3
    moving_levels: float = 5.0

    def measure(
        self, timeline: Timeline, span: TimeSpan, picks: Sequence[PickFacts]
    ) -> dict[str, Any]:
        """The columns of one clip; null where it has fewer than two frames."""
        path = camera_path(timeline, span)
        if path is None:
            return dict.fromkeys(self.columns)
        # A fade of a plain picture changes every level and moves nothing.
        lost = (
            (path.confidence < self.lost_confidence)
            & (path.change > self.extreme_levels)
            & (path.object_motion > self.moving_levels)
        )
        extreme = lost | (path.speed > self.extreme_widths)
        return {
            "motion_mean": float(path.change.mean()),
            "motion_peak": float(np.percentile(path.change, 95)),
            "object_motion_mean": float(path.object_motion.mean()),
            "camera_motion_mean": float(path.speed.mean()),
            "motion_extreme_share": float(extreme.mean()),
        }
