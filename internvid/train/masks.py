"""Which patches of a clip are kept: all alike, or more of those that show something.

A uniform draw spends most of a small budget on flat, still ground. The other one gives every patch
a weight from its own pixels and draws without replacement by these weights: an exponential race
(Efraimidis and Spirakis 2006), which needs no second look at the clip and no numbers but its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from internvid.train.order import IntArray
from internvid.train.samples import FramesArray

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
    across = squares_NRRC.shape[1] // patch
    points = min(_POINTS, patch)
    inside = (2 * np.arange(points) + 1) * patch // (2 * points)
    lines = (np.arange(across)[:, None] * patch + inside).ravel()
    green_NGG = squares_NRRC[:, lines[:, None], lines, 1]
    level_TGG = green_NGG.astype(np.float32)[shown_T]
    frames = len(level_TGG)
    if mirrored:
        level_TGG = level_TGG[:, :, ::-1]

    def means(each: NDArray[np.float32]) -> NDArray[np.float32]:
        blocks = each.reshape(len(each), across, points, across, points)
        summed: NDArray[np.float32] = blocks.sum(4).sum(2)
        return summed / np.float32(points * points)

    mean_TPP = means(level_TGG)
    square_TPP = means(level_TGG * level_TGG)
    # Rounding may leave a flat patch a little below nothing.
    content_TPP = np.sqrt(np.maximum(square_TPP - mean_TPP * mean_TPP, 0))
    if frames > 1:
        change_TPP = means(np.abs(np.diff(level_TGG, axis=0)))
        content_TPP[0] += change_TPP[0]
        content_TPP[-1] += change_TPP[-1]
        content_TPP[1:-1] += (change_TPP[1:] + change_TPP[:-1]) / 2
    return content_TPP.transpose(1, 2, 0).ravel()
