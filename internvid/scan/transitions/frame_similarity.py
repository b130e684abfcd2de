"""How similar two small pictures are, in ways that forgive motion, light or neither.

Every function takes pairs in bulk and returns one number a pair, so that a handful of
candidates costs a few numpy calls.
"""

from __future__ import annotations

import functools

import numpy as np

from internvid.scan.transitions.window import CHROMA_CELLS, CHROMA_WEIGHT, LUMA_CELLS, Float32, pool

# Weights of a thumb's values in a sum over its planes' means: one product is one pass.
_SHARES = np.full(LUMA_CELLS + 2 * CHROMA_CELLS, 1 / CHROMA_CELLS, np.float32)
_SHARES[:LUMA_CELLS] = 1 / LUMA_CELLS


def measure_distance(one: Float32, other: Float32) -> Float32:
    """Mean |dY| + |dU| + |dV| of thumbs [..., 864], in levels; shapes broadcast."""
    gap = one - other
    total: Float32 = np.abs(gap, out=gap) @ _SHARES
    return total


def weigh_cells(thumbs: Float32) -> Float32:
    """Thumbs with chroma scaled so that a plain dot product counts the three planes equally."""
    weighed = thumbs.copy()
    weighed[..., LUMA_CELLS:] *= np.float32(np.sqrt(CHROMA_WEIGHT))
    return weighed


def correlate(one: Float32, other: Float32, floor: float = 2.0) -> Float32:
    """Correlation of the last axis; `floor` (variance) makes two flat pictures equal."""
    a = one - one.mean(axis=-1, keepdims=True)
    b = other - other.mean(axis=-1, keepdims=True)
    cross = (a * b).mean(axis=-1) + floor
    result: Float32 = cross / np.sqrt(
        ((a * a).mean(axis=-1) + floor) * ((b * b).mean(axis=-1) + floor)
    )
    return result


def remove_mean(luma: Float32) -> Float32:
    """Luma [C, H, W] minus the mean of each 2 x 2 block, flattened to [C, H * W]."""
    means = pool(luma, 2, 2)
    detail = luma.copy()
    for row in (0, 1):
        for column in (0, 1):
            detail[:, row::2, column::2] -= means
    flat: Float32 = detail.reshape(len(luma), -1)
    return flat


def remove_trend(luma: Float32) -> Float32:
    """Luma [C, 36, 64] minus the mean of each 4 x 4 block, flattened to [C, 2304]."""
    blocks = luma.reshape(len(luma), 9, 4, 16, 4)
    detail: Float32 = (blocks - blocks.mean(axis=(2, 4), keepdims=True)).reshape(len(luma), -1)
    return detail


_TAPER = np.outer(np.hanning(32), np.hanning(64)).astype(np.float32)


def phase_peak(one: Float32, other: Float32) -> Float32:
    """Height of the phase correlation peak of luma [C, 36, 64]: near 1 for a pure shift."""
    a = np.fft.rfft2((one[:, 2:34] - one[:, 2:34].mean(axis=(1, 2), keepdims=True)) * _TAPER)
    b = np.fft.rfft2((other[:, 2:34] - other[:, 2:34].mean(axis=(1, 2), keepdims=True)) * _TAPER)
    cross = a * np.conj(b)
    cross /= np.abs(cross) + 30.0
    peak: Float32 = np.fft.irfft2(cross, s=(32, 64)).max(axis=(1, 2)).astype(np.float32)
    return peak


def compensate(one: Float32, other: Float32, *, is_coarse: bool = False) -> Float32:
    """Mean |luma difference| of thumbs [C, 864] after the best shift of each of 12 blocks.

    Shifts of up to a fifth of the picture are tried; `is_coarse` works on 9 x 16 cells at a
    tenth of the cost.
    """
    a = one[:, :LUMA_CELLS].reshape(-1, 18, 32)
    b = other[:, :LUMA_CELLS].reshape(-1, 18, 32)
    if is_coarse:
        a, b = pool(a, 2, 2), pool(b, 2, 2)
    _, height, width = a.shape
    reach_rows, reach_columns = height // 4, width * 3 // 16
    padded = np.pad(
        b, ((0, 0), (reach_rows, reach_rows), (reach_columns, reach_columns)), mode="edge"
    )
    # Whole pictures in a row, one for each shift sideways: arithmetic on short rows is slow.
    columns = range(2 * reach_columns + 1)
    shifted = np.stack([padded[:, :, column : column + width] for column in columns], axis=1)
    shifted, flat = shifted.reshape(len(a), len(columns), -1), a.reshape(len(a), 1, -1)
    blocks = _divide(height, width)
    best = np.full((len(a), 12), np.inf, np.float32)
    for row in range(2 * reach_rows + 1):
        gap = flat - shifted[:, :, row * width : (row + height) * width]
        # A product with block indicators sums far faster than reductions over short axes.
        sums = np.abs(gap, out=gap) @ blocks
        np.minimum(best, sums.min(axis=1), out=best)
    mean: Float32 = best.mean(axis=1)
    return mean


@functools.cache
def _divide(height: int, width: int) -> Float32:
    """Indicators [H * W, 12] of 3 x 4 blocks, scaled so that a product gives block means."""
    rows, columns = np.arange(height)[:, None] * 3 // height, np.arange(width)[None, :] * 4 // width
    shares = np.zeros((height, width, 12), np.float32)
    shares[np.arange(height)[:, None], np.arange(width)[None, :], rows * 4 + columns] = 12 / (
        height * width
    )
    return shares.reshape(-1, 12)


def compare_tones(one: Float32, other: Float32) -> tuple[Float32, Float32]:
    """Distance of the value distributions of thumbs [C, 864]: (luma, chroma), in levels.

    The mean difference of sorted values (Wasserstein-1): motion inside a shot leaves it
    small, another scene or another light does not.
    """
    gaps = []
    for start, stop in ((0, 576), (576, 720), (720, 864)):
        a = np.sort(one[:, start:stop], axis=1)
        b = np.sort(other[:, start:stop], axis=1)
        gaps.append(np.abs(a - b).mean(axis=1))
    return gaps[0], gaps[1] + gaps[2]


def share_of_cells(one: Float32, other: Float32) -> Float32:
    """Share of the picture that carries the change, 0 to 1: small for titles and insets."""
    gap = np.abs(one - other)
    luma = pool(gap[:, :LUMA_CELLS].reshape(-1, 18, 32), 2, 2).reshape(len(gap), -1)
    total = luma + gap[:, 576:720] + gap[:, 720:864]
    share: Float32 = total.sum(axis=1) ** 2 / (total.shape[1] * (total * total).sum(axis=1) + 1e-3)
    return share
