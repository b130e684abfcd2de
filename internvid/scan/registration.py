"""Fits one camera motion to pairs of small pictures, all pairs of a batch at once.

A pair is aligned by phase correlation first, then by least squares on its gradients (Lucas and
Kanade, 1981): shift, zoom, and a change of light as gain and offset. Sums are taken over 48 tiles,
so that tiles which move on their own (people, titles, logos) can be weighted down without
touching pixels again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]
Masks = tuple[Float, Float]

DOWN, ACROSS = 6, 8
TILES = DOWN * ACROSS
# Reweightings of each alignment round: two at half size, led from afar, then one at full size.
_COARSE_ROUNDS = (1, 2)
_FINE_ROUND = 3
# Variance, in squared cells, of the Gaussian that smooths both sizes. Sharper, the point-sampled
# planes show aliasing instead of motion. A triangle of that width is a little quicker but leans
# between cells, which makes slow moves a tenth too fast.
_VARIANCE = 0.7
# Cells beside a black bar whose smoothed value mixes with it; its edge never moves.
_BAR_MARGIN = 2
# Pulls undetermined values to zero: worth as much as this many cells of evidence.
_RIDGE = np.diag([1.0, 1.0, 100.0, 1000.0, 0.1]).astype(np.float32)
_FAINT = np.float32(1.0)  # squared slope, levels a cell, at which a tile's vote counts half
_CACHED_CELLS = 3 * 36 * 64
_LEAST_TILES = 3  # tiles with visible detail without which nothing is certain
_NOISE = np.float32(0.04)  # squared levels: rounding and coding noise of a smoothed cell


@dataclass(frozen=True)
class Motion:
    """What happened between the pictures of each pair; arrays of length [K].

    Attributes:
        right: shift of the content to the right, in widths.
        down: shift of the content down, in heights.
        zoom: logarithm of its enlargement.
        confidence: 0 to 1: how much of the picture the motion explains, and how surely.
        unexplained: root mean square luma change, in levels, of the busiest three of 48 tiles
            once motion and light are undone: things that move by themselves.
    """

    right: Float
    down: Float
    zoom: Float
    confidence: Float
    unexplained: Float


@dataclass(frozen=True)
class _Fit:
    """One round of least squares: step [K, 5], tile weights [K, 48], inverse normals [K, 5, 5]."""

    step: Float
    weight: Float
    inverse: Float


def register(pictures: Float, inside: Masks) -> Motion:
    """The camera motion from each picture to its successor.

    Args:
        pictures: float32 [K + 1, 36, 64], luma levels.
        inside: float32 [K + 1, 36] and [K + 1, 64], 1 where rows and columns are picture, 0 in
            black bars.
    """
    small = halved(pictures)
    common = (_shrunk(inside[0][1:] * inside[0][:-1]), _shrunk(inside[1][1:] * inside[1][:-1]))
    common_small = (common[0][:, ::2] * common[0][:, 1::2], common[1][:, ::2] * common[1][:, 1::2])
    motion = _coarse_shift(small, common_small)
    for reweightings in _COARSE_ROUNDS:
        gram = _all_products(small, common_small, motion)
        motion = motion + _as_shares(_solve(gram, small.shape[1:], reweightings).step, small)
    gram = _all_products(pictures, common, motion)
    fit = _solve(gram, pictures.shape[1:], _FINE_ROUND)
    return _judged(gram, fit, motion + _as_shares(fit.step, pictures), pictures.shape[1:])


def halved(planes: Float) -> Float:
    """float32 [..., H / 2, W / 2]: means of 2 x 2."""
    rows = planes[..., ::2, :] + planes[..., 1::2, :]
    mean: Float = (rows[..., ::2] + rows[..., 1::2]) * np.float32(0.25)
    return mean


def _as_shares(step: Float, pictures: Float) -> Float:
    """Motion [K, 3] in widths, heights and log zoom of a step in cells."""
    size = np.asarray([pictures.shape[2], pictures.shape[1], 1], np.float32)
    return np.asarray(step[:, :3] / size)


def _shrunk(inside: Float) -> Float:
    """Masks [K, N] with a margin taken off next to bars, but not at the picture's own edge."""
    mask = inside.copy()
    for by in range(1, _BAR_MARGIN + 1):
        mask[:, by:] *= inside[:, :-by]
        mask[:, :-by] *= inside[:, by:]
    return mask


def _coarse_shift(pictures: Float, inside: Masks) -> Float:
    """Motion [K, 3] by phase correlation to a whole cell, or none where that fits better."""
    rows, columns = pictures.shape[1:]
    windows = (inside[0] * _hann(rows))[:, :, None] * (inside[1] * _hann(columns))[:, None, :]
    # Bars differ from pair to pair, so every pair has its own window and its own two spectra.
    spectra = []
    total = np.maximum(windows.sum(axis=(1, 2), keepdims=True), 1)
    for part in (pictures[:-1], pictures[1:]):
        seen = part * windows
        mean = seen.sum(axis=(1, 2), keepdims=True) / total
        spectra.append(np.fft.rfft2(seen - windows * mean))
    cross = spectra[1] * np.conj(spectra[0])
    cross *= _low_pass(rows, columns) / (np.abs(cross) + np.float32(1.0))
    peak = np.fft.irfft2(cross, s=(rows, columns)).reshape(len(cross), -1).argmax(axis=1)
    down, right = peak // columns, peak % columns
    motion = np.zeros((len(cross), 3), np.float32)
    motion[:, 0] = np.where(right > columns // 2, right - columns, right) / columns
    motion[:, 1] = np.where(down > rows // 2, down - rows, down) / rows
    moved = np.flatnonzero(motion.any(axis=1))
    if len(moved):
        pairs = np.stack([pictures[moved], pictures[moved + 1]])
        masks = (inside[0][moved], inside[1][moved])
        worse = _misfit(pairs, masks, motion[moved]) >= _misfit(pairs, masks, 0 * motion[moved])
        motion[moved[worse]] = 0
    return motion


def _misfit(pairs: Float, inside: Masks, motion: Float) -> Float:
    """Mean |difference| [K] in levels where both pictures show something, offsets removed."""
    target, source, mask = _aligned(pairs[0], pairs[1], inside, motion)
    count = np.maximum(mask.sum(axis=(1, 2)), 1)
    change = (source - target) * mask
    change -= (change.sum(axis=(1, 2)) / count)[:, None, None] * mask
    misfit: Float = np.abs(change).sum(axis=(1, 2)) / count
    # A shift that leaves almost nothing in common proves nothing.
    return np.where(mask.mean(axis=(1, 2)) > 0.15, misfit, np.float32(np.inf))


def _aligned(
    before: Float, after: Float, inside: Masks, motion: Float
) -> tuple[Float, Float, Float]:
    """Both pictures smoothed, the second moved back onto the first, and where both are known."""
    growth = np.exp(motion[:, 2:])
    rows, row_mask = _resampling(growth, motion[:, 1:2], inside[0])
    columns, column_mask = _resampling(growth, motion[:, :1], inside[1])
    source = np.asarray(rows @ after @ columns.transpose(0, 2, 1), np.float32)
    smoothed = _smoothing(before.shape[1]) @ before @ _smoothing(before.shape[2]).T
    target = np.asarray(smoothed, np.float32)
    mask: Float = row_mask[:, :, None] * column_mask[:, None, :]
    return target, source, mask


def _resampling(growth: Float, shift: Float, inside: Float) -> tuple[Float, Float]:
    """Weights [K, N, N] that read a smoothed line where its content has moved to, and a mask."""
    count = inside.shape[1]
    grid = np.arange(count, dtype=np.float32)
    middle = np.float32((count - 1) / 2)
    places = middle + (grid - middle) * growth + shift * np.float32(count)
    weights = _bell(places[:, :, None] - grid)
    total = np.maximum(weights.sum(axis=2), np.float32(1e-3))
    weights /= total[:, :, None]
    nearest = np.clip(np.rint(places), 0, count - 1).astype(np.intp)
    mask = np.take_along_axis(inside, nearest, axis=1) * inside
    return weights, mask * ((places >= 0) & (places <= count - 1))


def _bell(distance: Float) -> Float:
    """Weights of a Gaussian, made in place; far ones stay above the slow denormal numbers."""
    np.square(distance, out=distance)
    distance *= np.float32(-0.5 / _VARIANCE)
    np.maximum(distance, np.float32(-30), out=distance)
    return np.exp(distance, out=distance)


@cache
def _smoothing(count: int) -> Float:
    grid = np.arange(count, dtype=np.float32)
    weights = _bell(grid[:, None] - grid)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


@cache
def _hann(count: int) -> Float:
    return np.asarray(np.hanning(count + 2)[1:-1], np.float32)


@cache
def _low_pass(rows: int, columns: int) -> Float:
    """Favours coarse detail: the finest is aliasing of the point-sampled planes."""
    down, across = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)
    return np.exp(-(down**2 + across**2) / (2 * 0.25**2)).astype(np.float32)


def _all_products(pictures: Float, inside: Masks, motion: Float) -> Float:
    """`_tile_products` in portions that stay in the processor's cache."""
    portion = max(1, _CACHED_CELLS // (pictures.shape[1] * pictures.shape[2]))
    parts = [
        _tile_products(
            pictures[at : at + portion + 1],
            (inside[0][at : at + portion], inside[1][at : at + portion]),
            motion[at : at + portion],
        )
        for at in range(0, len(motion), portion)
    ]
    return np.concatenate(parts)


def _tile_products(pictures: Float, inside: Masks, motion: Float) -> Float:
    """Per pair and tile, all products of (slope x, slope y, luma, 1, change): [K, 48, 5, 5]."""
    target, source, mask = _aligned(pictures[:-1], pictures[1:], inside, motion)
    count, rows, columns = target.shape
    # Slopes at the rim are one-sided; leave the rim out.
    mask[:, [0, -1]] = 0
    mask[:, :, [0, -1]] = 0
    change = source - target
    middle = np.add(source, target, out=source)
    middle *= np.float32(0.5)
    mean = np.einsum("kij,kij->k", middle, mask) / np.maximum(mask.sum(axis=(1, 2)), 1)
    slope = np.zeros((2, *target.shape), np.float32)
    np.subtract(middle[:, :, 2:], middle[:, :, :-2], out=slope[0][:, :, 1:-1])
    np.subtract(middle[:, 2:], middle[:, :-2], out=slope[1][:, 1:-1])
    slope *= np.float32(0.5)
    middle -= mean[:, None, None].astype(np.float32)
    high, wide = rows // DOWN, columns // ACROSS
    tiles = np.empty((count, DOWN, ACROSS, 5, high, wide), np.float32)
    for at, values in enumerate((slope[0], slope[1], middle, None, change)):
        masked = mask if values is None else np.multiply(values, mask, out=values)
        tiles[:, :, :, at] = masked.reshape(count, DOWN, high, ACROSS, wide).swapaxes(2, 3)
    flat = tiles.reshape(count, TILES, 5, high * wide)
    gram: Float = flat @ flat.swapaxes(2, 3)
    return gram


@cache
def _basis(rows: int, columns: int) -> tuple[Float, Float]:
    """(right, down, zoom, gain, offset) to each tile's field weights [48, 4, 5]; its square."""
    high, wide = rows // DOWN, columns // ACROSS
    basis = np.zeros((TILES, 4, 5), np.float32)
    basis[:, 0, 0] = basis[:, 1, 1] = basis[:, 2, 3] = basis[:, 3, 4] = 1
    basis[:, 0, 2] = np.tile(np.arange(ACROSS), DOWN) * wide + (wide - columns) / 2
    basis[:, 1, 2] = np.repeat(np.arange(DOWN), ACROSS) * high + (high - rows) / 2
    square = np.einsum("tia,tjb->tijab", basis, basis).reshape(TILES * 16, 25)
    return basis.reshape(TILES * 4, 5), np.ascontiguousarray(square, np.float32)


def _votes(gram: Float) -> tuple[Float, Float]:
    """Weight [K, 48] that gives every tile with visible detail one vote, and each tile's detail.

    A colourful thing that moves before a pale backdrop would otherwise win by its slopes.
    """
    texture: Float = gram[:, :, 0, 0] + gram[:, :, 1, 1]
    vote = np.asarray(1 / (texture / np.maximum(gram[:, :, 3, 3], 1) + _FAINT), np.float32)
    return vote, texture


def _solve(gram: Float, size: tuple[int, ...], reweightings: int) -> _Fit:
    """The step that explains most tiles best; tiles that disagree lose their weight."""
    basis, square = _basis(size[0], size[1])
    count = len(gram)
    vote, texture = _votes(gram)
    floor = _NOISE * gram[:, :, 3, 3]
    certain = np.maximum(texture, floor + np.float32(1e-3))
    slopes = np.ascontiguousarray(gram[:, :, :4, :4]).reshape(count, TILES, 16)
    against = np.ascontiguousarray(gram[:, :, :4, 4])
    left = gram[:, :, 4, 4] + floor
    fit = _Fit(np.zeros((count, 5), np.float32), vote, np.zeros((count, 5, 5), np.float32))
    for turn in range(reweightings + 1):
        # Squared cells of motion of its own that a tile would need; its typical value is the scale.
        own = left / certain
        scale = np.maximum(_weighted_median(own, texture * vote) * 3, np.float32(1e-6))
        weight = vote / (1 + np.square(own / scale[:, None]))
        if turn == reweightings:
            return _Fit(fit.step, weight, fit.inverse)
        normal = (slopes * weight[:, :, None]).reshape(count, -1) @ square
        inverse = np.linalg.inv(normal.reshape(count, 5, 5) + _RIDGE)
        right = (against * weight[:, :, None]).reshape(count, -1) @ basis
        step = -(inverse @ right[:, :, None])[:, :, 0]
        fit = _Fit(step, weight, inverse)
        left = _tile_misfit(gram, step, basis) + floor
    return fit


def _tile_misfit(gram: Float, step: Float, basis: Float) -> Float:
    """Sum of squares [K, 48] that is left of the change once a step is taken."""
    field = np.empty((len(step), TILES, 5), np.float32)
    field[:, :, :4] = (step @ basis.T).reshape(-1, TILES, 4)
    field[:, :, 4] = 1
    left = ((field[:, :, None, :] @ gram)[:, :, 0, :] * field).sum(axis=2)
    return np.asarray(np.maximum(left, 0))


def _weighted_median(values: Float, weights: Float) -> Float:
    """Median [K] of values [K, N] that carry weights [K, N]."""
    order = np.argsort(values, axis=1)
    running = np.cumsum(np.take_along_axis(weights, order, 1), axis=1)
    at = (running < running[:, -1:] * np.float32(0.5)).sum(axis=1)
    at = np.minimum(at, values.shape[1] - 1)
    picked = np.take_along_axis(values, np.take_along_axis(order, at[:, None], 1), 1)
    return np.asarray(picked[:, 0])


def _judged(gram: Float, fit: _Fit, motion: Float, size: tuple[int, ...]) -> Motion:
    left = _tile_misfit(gram, fit.step, _basis(size[0], size[1])[0])
    count = gram[:, :, 3, 3]
    vote, texture = _votes(gram)
    detail = (gram[:, :, 2, 2] * fit.weight).sum(axis=1)
    residue = (left * fit.weight).sum(axis=1)
    explained = np.clip(1 - residue / np.maximum(detail, 1e-3), 0, 1)
    followed = (texture * fit.weight).sum(axis=1) / np.maximum((texture * vote).sum(axis=1), 1e-3)
    # One thing before a plain wall is no picture: its motion says nothing of the camera.
    tiles = (texture * vote).sum(axis=1) / (size[0] * size[1] / TILES)
    spread = np.minimum(1, tiles / _LEAST_TILES)
    # Neighbouring cells share their errors, hence more than the formal error of the shift.
    noise = (residue + _NOISE * (count * fit.weight).sum(axis=1)) / np.maximum(count.sum(axis=1), 1)
    variance = 4 * noise * np.maximum(fit.inverse[:, 0, 0], fit.inverse[:, 1, 1])
    sure = 1 / (1 + variance / np.float32(0.2**2))
    mean = np.sqrt(left / np.maximum(count, 1)) * (count >= size[0] * size[1] / TILES / 3)
    busiest = np.sort(mean, axis=1)[:, -3:].mean(axis=1)
    moved = np.nan_to_num(motion)
    return Motion(
        right=moved[:, 0],
        down=moved[:, 1],
        zoom=moved[:, 2],
        confidence=np.nan_to_num(explained * sure * spread * np.minimum(1, 2 * followed)),
        unexplained=np.nan_to_num(busiest),
    )
