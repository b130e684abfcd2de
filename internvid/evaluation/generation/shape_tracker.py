"""Where a coloured shape is in each frame, and which way it goes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from internvid.synthetic.scripts.world_words import DIRECTIONS

_LEAST_COLOUR, _FULL_COLOUR = 45.0, 60.0
"""Spread of a pixel's channels: backgrounds have less than the first."""
_LEAST_MASS = 2.5
"""Pixels of full colour that a shape has at least, at 32 x 32."""
_LONGEST_STEP = 0.19
"""Of a shape from frame to frame, as a share of the side: longer is a jump to the other side."""


def track(clip: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Centres [T, 2] (x, y) of what has colour, as shares of the side; NaN where nothing has.

    Args:
        clip: RGB [T, H, W, 3].
    """
    values = clip.astype(np.float32)
    spread = values.max(axis=-1) - values.min(axis=-1)
    mass = np.clip(spread - _LEAST_COLOUR, 0, _FULL_COLOUR)
    side = clip.shape[1]
    total = mass.sum(axis=(1, 2))
    seen = total > _LEAST_MASS * _FULL_COLOUR * (side / 32) ** 2
    places = np.arange(side, dtype=np.float32) + 0.5
    centres = np.stack([(mass.sum(axis=1) * places).sum(axis=1),
                        (mass.sum(axis=2) * places).sum(axis=1)], axis=1)  # fmt: skip
    centres /= np.maximum(total, 1e-6)[:, None] * side
    centres[~seen] = np.nan
    found: npt.NDArray[np.float32] = centres
    return found


def mean_step(clip: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """The mean way (x, y) from frame to frame, as shares of the side; jumps are left out."""
    steps = np.diff(track(clip), axis=0)
    good = np.hypot(steps[:, 0], steps[:, 1]) < _LONGEST_STEP
    if not good.any():
        return 0.0, 0.0
    x, y = steps[good].mean(axis=0)
    return float(x), float(y)


def direction_of(clip: npt.NDArray[np.uint8]) -> str:
    """The one of `DIRECTIONS` that a shape goes, by its longer way; empty where it stands still."""
    x, y = mean_step(clip)
    if x == y == 0:
        return ""
    left, right, up, down = DIRECTIONS
    if abs(x) > abs(y):
        return right if x > 0 else left
    return down if y > 0 else up


def mean_speed(clips: Any) -> float:
    """Mean length of `mean_step` of clips, as a share of the side."""
    return float(np.mean([np.hypot(*mean_step(clip)) for clip in clips]))
