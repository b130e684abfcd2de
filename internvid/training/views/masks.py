"""Which patches of a clip are kept: all hard_negative_groups, or more of those that show something.

A uniform draw spends most of a small budget on flat, still ground. The other one gives every patch
a weight from its own pixels and draws without replacement by these weights: an exponential race
(Efraimidis and Spirakis 2006), which needs no second look at the clip and no numbers but its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from internvid.training.data.order import IntArray
from internvid.training.data.samples import FramesArray

# Levels of 255 added to every patch's content: noise of the codec must not decide, and flat still
# clips are drawn as uniformly as any.
_GROUND = 1.0
# Looked at along a side of a patch.
_POINTS = 4


def random_kept(rng: np.random.Generator, tokens: int, kept: int) -> IntArray:
    """A uniform random set of `kept` out of `tokens` patches, ascending."""
    chosen = np.argpartition(rng.random(tokens, dtype=np.float32), kept - 1)[:kept]
    chosen.sort()
    return chosen.astype(np.int64)


def weighted_kept(
    rng: np.random.Generator, content_L: NDArray[np.float32], kept: int, focus: float
) -> IntArray:
    """A random set of `kept` patches, ascending, drawn one after another by their content.

    Args:
        rng: where the numbers come from.
        content_L: of every patch, at least 0 (see `patch_content`).
        kept: how many.
        focus: of those still there, each is next in proportion to (1 + content) ** focus.
    """
    # Logarithms: a power of a large content would overflow.
    waits = rng.standard_exponential(len(content_L), dtype=np.float32)
    arrival = np.log(np.maximum(waits, np.finfo(np.float32).tiny))
    arrival -= np.float32(focus) * np.log(content_L + np.float32(_GROUND))
    chosen = np.argpartition(arrival, kept - 1)[:kept]
    chosen.sort()
    return chosen.astype(np.int64)


def patch_content(
    squares_NRRC: FramesArray, shown_T: IntArray, patch: int, *, mirrored: bool = False
) -> NDArray[np.float32]:
    """How much each patch shows: its contrast, and how it differs from the same place just before
    and just after.

    Seen on a grid of the green channel, 16 points a patch: it decides odds, not values.

    Args:
        squares_NRRC: uint8, the distinct frames.
        shown_T: which of them each frame of the clip is.
        patch: side of a patch, in pixels.
        mirrored: whether the clip is shown mirrored.

    Returns:
        float32 [places * T], in levels of 255; patches in b (n t) order.
    """
    across, points = squares_NRRC.shape[1] // patch, min(_POINTS, patch)
    inside = (2 * np.arange(points) + 1) * patch // (2 * points)
    # Points first, places last: sums over points then run along the memory of the places.
    lines = (np.arange(across) * patch + inside[:, None]).ravel()
    green_NGG = squares_NRRC[:, lines[:, None], lines, 1][shown_T]
    level_TQP = green_NGG.reshape(-1, points, across, points, across).swapaxes(2, 3)
    if mirrored:
        level_TQP = level_TQP[..., ::-1]
    level_TQP = level_TQP.reshape(len(shown_T), points * points, across * across)
    exact_TQP = level_TQP.astype(np.float32)
    mean_TP = exact_TQP.mean(1)
    square_TP = np.square(exact_TQP).mean(1)
    # Rounding may leave a flat patch a little below nothing.
    content_TP = np.sqrt(np.maximum(square_TP - mean_TP * mean_TP, 0))
    if len(shown_T) > 1:
        change_TP = np.abs(np.diff(exact_TQP, axis=0)).mean(1)
        content_TP[0] += change_TP[0]
        content_TP[-1] += change_TP[-1]
        content_TP[1:-1] += (change_TP[1:] + change_TP[:-1]) / 2
    return np.ascontiguousarray(content_TP.T).ravel()
