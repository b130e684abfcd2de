"""Light that jumps back and forth, distinguished from pictures whose contents rush past."""

from __future__ import annotations

import numpy as np

from internvid.core.types import FloatArray

# Where light changes, the whole picture grows brighter or darker at once, and the mean change of
# its cells is the change of their mean. Things that move make some cells brighter, others darker.
_ONE_SIGNED = 0.6


def light_course(luma_mean: FloatArray, motion: FloatArray) -> FloatArray:
    """How bright each frame is for its light alone.

    Args:
        luma_mean: float64 [N], mean luma of each frame, levels.
        motion: float64 [N], mean |luma change| of cells against the frame before, levels.

    Returns:
        float64 [N], levels, 0 for the first frame: changes of the mean summed over those frames
        in which most of the picture changes in one direction.
    """
    steps = np.diff(luma_mean, prepend=luma_mean[:1])
    is_light = np.abs(steps) >= _ONE_SIGNED * motion
    return np.asarray(np.cumsum(np.where(is_light, steps, 0.0)))


def reversals(levels: FloatArray, least: float) -> int:
    """How often a series turns by at least `least` after having gone as far the other way."""
    count, direction = 0, 0
    low = high = float(levels[0])
    for level in levels.tolist():
        low, high = min(low, level), max(high, level)
        if direction <= 0 and level - low >= least:
            count += direction < 0
            direction, high = 1, level
        elif direction >= 0 and high - level >= least:
            count += direction > 0
            direction, low = -1, level
    return count
