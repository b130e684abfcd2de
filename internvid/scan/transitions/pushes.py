"""How well a picture between two others is one of them pushed, or covered, by the other.

Everything is done on rows or columns of cells: thumbs pooled along the direction of motion only
as far as the cells of 9 x 16, and three or four cells across it.
"""

from __future__ import annotations

import functools

import numpy as np

from internvid.scan.transitions.window import LUMA_CELLS, Float32, Int64, pool


@functools.cache
def _list_models(across: int, length: int) -> tuple[Int64, Int64]:
    """Places in two joined pictures [across, 2 length], flattened: pushes, covers and uncovers."""
    old, new = np.arange(length), np.arange(length) + length
    pushes, covers = [], []
    for first, second in ((old, new), (new, old)):
        for k in range(1, length):
            pushes.append(np.concatenate([first[k:], second[:k]]))
            covers.append(np.concatenate([first[: length - k], second[:k]]))
            covers.append(np.concatenate([first[k:], second[length - k :]]))
    lines = 2 * length * np.arange(across)[:, None]
    models = [(np.stack(places)[:, None] + lines) for places in (pushes, covers)]
    return models[0].reshape(len(pushes), -1), models[1].reshape(len(covers), -1)


def measure_slides(inside: Float32, old: Float32, new: Float32) -> list[Float32]:
    """What a push and what a cover leave unexplained, as shares of the change.

    Args:
        inside: thumbs [C, S, 864] between, each compared by itself.
        old, new: thumbs [C, 864] of the ends.

    Returns:
        Two float32 [C], means over the S pictures: 0 where a slide explains them all.
    """
    planes = [thumbs[..., :LUMA_CELLS].reshape(-1, 18, 32) for thumbs in (old, new, inside)]
    left: list[list[Float32]] = [[], []]
    count = len(old)
    for rows, columns, along in ((6, 2, 2), (2, 8, 1)):
        a, b, c = (pool(plane, rows, columns) for plane in planes)
        joined = np.concatenate([a, b], axis=along)
        if along == 1:
            joined, c = joined.transpose(0, 2, 1), c.transpose(0, 2, 1)
        across, length = joined.shape[1], joined.shape[2] // 2
        way = np.abs(joined[:, :, :length] - joined[:, :, length:]).mean(axis=(1, 2)) + 1
        flat, shown = joined.reshape(count, -1), c.reshape(count, -1, 1, across * length)
        # A product with ones sums several times faster than a mean over a short axis.
        shares = np.full(across * length, 1 / (across * length), np.float32)
        for kind, places in enumerate(_list_models(across, length)):
            gap = shown - flat.take(places, axis=1)[:, None]
            rest = np.abs(gap, out=gap) @ shares
            left[kind].append(rest.min(axis=2).mean(axis=1) / way)
    return [np.minimum(*both) for both in left]
