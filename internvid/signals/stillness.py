"""Whether a clip is one frozen picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from internvid.core.contracts import PickFacts
from internvid.core.types import Timeline, TimeSpan
from internvid.signals.path import AXIS_WIDTHS, CameraPath, camera_path


@dataclass(frozen=True)
class StillnessSignal:
    """A frozen picture: nothing moves, neither the camera nor anything before it.

    Attributes:
        object_levels: busiest tiles' change over 0.1 s that coding noise alone can make.
        jump_levels: the same for the worst moment (a key frame refreshes the noise).
        camera_widths: way of the camera, in widths, that a frozen picture never seems to take.
        least_share: share of still time from which the whole clip is still.
    """

    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, str]] = {"is_still": "bool", "still_share": "double"}
    object_levels: float = 0.3
    jump_levels: float = 4.0
    camera_widths: float = 0.012
    least_share: float = 0.65

    def measure(
        self, timeline: Timeline, span: TimeSpan, picks: Sequence[PickFacts]
    ) -> dict[str, Any]:
        """Both columns; a clip of a single frame is still."""
        path = camera_path(timeline, span)
        if path is None:
            return {"is_still": True, "still_share": 1.0}
        still = still_moments(path, self.object_levels)
        share = float(still.mean())
        way = np.abs(path.position - path.position[0]).max(axis=0)
        stays = bool((way * AXIS_WIDTHS <= self.camera_widths).all())
        calm = bool(np.percentile(path.object_motion, 95) <= self.jump_levels)
        return {"is_still": stays and calm and share >= self.least_share, "still_share": share}


def still_moments(path: CameraPath, object_levels: float) -> npt.NDArray[np.bool_]:
    """Where on the path nothing moves: bool [N]."""
    # 0.05 widths a second over one step is a third of a cell: more than a frozen picture shows.
    return np.asarray((path.object_motion <= object_levels) & (path.speed <= 0.05))
