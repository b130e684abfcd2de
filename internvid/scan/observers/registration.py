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

from internvid.scan.rim import change_at_rest, rim_share
from internvid.scan.tiles import ACROSS, DOWN, TILES, columns_of_tiles
from internvid.video.planes import halved

Float = npt.NDArray[np.float32]
Complex = npt.NDArray[np.complex64]
Masks = tuple[Float, Float]

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
_CACHED_CELLS = 6 * 36 * 64
_LEAST_TILES = 3  # tiles with visible detail without which nothing is certain
# Pairs of (slope across, slope down, luma, 1, change) whose products are summed over each tile.
_PRODUCTS = tuple((one, other) for one in range(5) for other in range(one, 5))
_NOISE = np.float32(0.04)  # squared levels: rounding and coding noise of a smoothed cell


@cache
def _place(one: int, other: int) -> int:
    """Where the product of two of the five stands in `_PRODUCTS`."""
    low, high = min(one, other), max(one, other)
    return low * 5 - low * (low - 1) // 2 + high - low


@dataclass(frozen=True)
class Motion:
    """What happened between the pictures of each pair; arrays of length [K].

    Attributes:
        right: shift of the content to the right, in widths.
        down: shift of the content down, in heights.
        zoom: logarithm of its enlargement.
        confidence: 0 to 1: how much of the picture the motion explains, and how surely.
        rim: 0 to 1: how much of the picture's rim moves along, of what there shows the motion or
            stands still in spite of it; 1 where the motion is too small to show.
        unexplained: root mean square luma change, in levels, of the busiest three of 48 tiles
            once motion and light are undone: things that move by themselves.
    """

    right: Float
    down: Float
    zoom: Float
    confidence: Float
    rim: Float
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
    smooth = _smoothed(small)
    motion = _coarse_shift(small, smooth, common_small)
    for reweightings in _COARSE_ROUNDS:
        gram = _all_products(small, smooth, common_small, motion)
        motion = motion + _as_shares(_solve(gram, small.shape[1:], reweightings).step, small)
    smooth = _smoothed(pictures)
    gram = _all_products(pictures, smooth, common, motion)
    fit = _solve(gram, pictures.shape[1:], _FINE_ROUND)
    found = motion + _as_shares(fit.step, pictures)
    left = _tile_misfit(gram, fit.step, pictures.shape[1:])
    rim = rim_share(change_at_rest(smooth, common), (left, gram[_place(3, 3)]), found)
    return _with_confidence(gram, fit, left, found, rim)


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


def _coarse_shift(pictures: Float, smooth: Float, inside: Masks) -> Float:
    """Motion [K, 3] by phase correlation to a whole cell, or none where that fits better."""
    rows, columns = pictures.shape[1:]
    before, after = _spectra(pictures, inside)
    cross = after * np.conj(before)
    # The root of squares: ten times quicker than the absolute value, which minds overflow.
    size = np.sqrt(np.square(cross.real) + np.square(cross.imag))
    cross *= _low_pass(rows, columns) / (size + np.float32(1.0))
    peak = np.fft.irfft2(cross, s=(rows, columns)).reshape(len(cross), -1).argmax(axis=1)
    down, right = peak // columns, peak % columns
    motion = np.zeros((len(cross), 3), np.float32)
    motion[:, 0] = np.where(right > columns // 2, right - columns, right) / columns
    motion[:, 1] = np.where(down > rows // 2, down - rows, down) / rows
    moved = np.flatnonzero(motion.any(axis=1))
    if len(moved):
        pairs = smooth[moved], pictures[moved + 1]
        masks = (inside[0][moved], inside[1][moved])
        worse = _misfit(pairs, masks, motion[moved]) >= _misfit(pairs, masks, 0 * motion[moved])
        motion[moved[worse]] = 0
    return motion


def _spectra(pictures: Float, inside: Masks) -> tuple[Complex, Complex]:
    """Fourier transforms of both pictures of each pair, faded out towards bars and edges."""
    rows, columns = pictures.shape[1:]
    if all((mask == mask[0]).all() for mask in inside):  # mostly: no bars, or ones that stay
        parts, inside = [pictures], (inside[0][:1], inside[1][:1])
    else:
        parts = [pictures[:-1], pictures[1:]]
    windows = (inside[0] * _hann(rows))[:, :, None] * (inside[1] * _hann(columns))[:, None, :]
    total = np.maximum(windows.sum(axis=(1, 2), keepdims=True), 1)
    spectra = []
    for part in parts:
        seen = part * windows
        mean = seen.sum(axis=(1, 2), keepdims=True) / total
        spectra.append(np.asarray(np.fft.rfft2(seen - windows * mean), np.complex64))
    return (spectra[0][:-1], spectra[0][1:]) if len(spectra) == 1 else (spectra[0], spectra[1])


def _misfit(pairs: tuple[Float, Float], inside: Masks, motion: Float) -> Float:
    """Mean |difference| [K] in levels where both pictures show something, offsets removed."""
    target = pairs[0]
    source, mask = _aligned(pairs[1], inside, motion)
    count = np.maximum(mask.sum(axis=(1, 2)), 1)
    change = (source - target) * mask
    change -= (change.sum(axis=(1, 2)) / count)[:, None, None] * mask
    misfit: Float = np.abs(change).sum(axis=(1, 2)) / count
    # A shift that leaves almost nothing in common proves nothing.
    return np.where(mask.mean(axis=(1, 2)) > 0.15, misfit, np.float32(np.inf))


def _aligned(after: Float, inside: Masks, motion: Float) -> tuple[Float, Float]:
    """Second pictures smoothed and moved back onto the first, and where both are known."""
    growth = np.exp(motion[:, 2:])
    rows, row_mask = _resampling(growth, motion[:, 1:2], inside[0])
    columns, column_mask = _resampling(growth, motion[:, :1], inside[1])
    source = np.asarray(rows @ after @ columns.transpose(0, 2, 1), np.float32)
    mask: Float = row_mask[:, :, None] * column_mask[:, None, :]
    return source, mask


def _resampling(growth: Float, shift: Float, inside: Float) -> tuple[Float, Float]:
    """Weights [K, N, N] that read a smoothed line where its content has moved to, and a mask."""
    count = inside.shape[1]
    grid = np.arange(count, dtype=np.float32)
    middle = np.float32((count - 1) / 2)
    places = middle + (grid - middle) * growth + shift * np.float32(count)
    weights = _bell(places[:, :, None] - grid)
    total = np.maximum(weights.sum(axis=2), np.float32(1e-3))
    weights /= total[:, :, None]
    known: Float = ((places >= 0) & (places <= count - 1)).astype(np.float32)
    if not inside.all():  # bars
        nearest = np.clip(np.rint(places), 0, count - 1).astype(np.intp)
        known *= np.take_along_axis(inside, nearest, axis=1) * inside
    return weights, known


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


def _smoothed(pictures: Float) -> Float:
    down, across = _smoothing(pictures.shape[1]), _smoothing(pictures.shape[2])
    return np.asarray(down @ pictures @ across.T, np.float32)


def _all_products(pictures: Float, smooth: Float, inside: Masks, motion: Float) -> Float:
    """`_tile_products` in portions that stay in the processor's cache."""
    source, mask = _aligned(pictures[1:], inside, motion)
    portion = max(1, _CACHED_CELLS // (pictures.shape[1] * pictures.shape[2]))
    parts = [slice(at, at + portion) for at in range(0, len(motion), portion)]
    products = [_tile_products(smooth[:-1][part], source[part], mask[part]) for part in parts]
    return np.concatenate(products, axis=1)


def _tile_products(target: Float, source: Float, mask: Float) -> Float:
    """Sums over each pair's tiles of `_PRODUCTS`: [15, K, 48]. The mask is used up."""
    count, rows, columns = target.shape
    # Slopes at the rim are one-sided; leave the rim out.
    mask[:, [0, -1]] = 0
    mask[:, :, [0, -1]] = 0
    products = np.empty((len(_PRODUCTS), *target.shape), np.float32)
    across, down, middle, shown, change = (products[_place(k, 3)] for k in range(5))
    shown[...] = mask
    np.subtract(source, target, out=change)
    np.add(source, target, out=middle)
    middle *= np.float32(0.5)
    across[:, :, [0, -1]] = 0
    down[:, [0, -1]] = 0
    np.subtract(middle[:, :, 2:], middle[:, :, :-2], out=across[:, :, 1:-1])
    np.subtract(middle[:, 2:], middle[:, :-2], out=down[:, 1:-1])
    mean = np.einsum("kij,kij->k", middle, mask) / np.maximum(mask.sum(axis=(1, 2)), 1)
    middle -= mean[:, None, None].astype(np.float32)
    middle *= mask
    change *= mask
    mask *= np.float32(0.5)
    across *= mask
    down *= mask
    for at, (one, other) in enumerate(_PRODUCTS):
        if other != 3 and one != 3:
            np.multiply(products[_place(one, 3)], products[_place(other, 3)], out=products[at])
    high = rows // DOWN
    by_tile = products.reshape(-1, DOWN, high, columns)
    lines = by_tile[:, :, 0] + by_tile[:, :, 1]
    for line in range(2, high):  # twice as quick as a reduction over a short axis
        lines += by_tile[:, :, line]
    sums: Float = lines.reshape(-1, columns) @ columns_of_tiles(columns)
    return sums.reshape(len(_PRODUCTS), count, TILES)


@cache
def _centres(rows: int, columns: int) -> tuple[Float, Float]:
    """Places of the tiles [48] across and down, in cells from the middle of the picture."""
    high, wide = rows // DOWN, columns // ACROSS
    across = np.tile(np.arange(ACROSS), DOWN) * wide + (wide - columns) / 2
    down = np.repeat(np.arange(DOWN), ACROSS) * high + (high - rows) / 2
    return across.astype(np.float32), down.astype(np.float32)


@cache
def _basis(rows: int, columns: int) -> Float:
    """From tile sums to the normal equations of (right, down, zoom, gain, offset).

    [15 * 48, 30]: 25 of the matrix, 5 of the side that the change is on.
    """
    fields = np.zeros((TILES, 5, 6), np.float32)  # what each of the five values is a slope of
    fields[:, 0, 0] = fields[:, 1, 1] = fields[:, 2, 3] = fields[:, 3, 4] = fields[:, 4, 5] = 1
    fields[:, 0, 2], fields[:, 1, 2] = _centres(rows, columns)
    basis = np.zeros((len(_PRODUCTS), TILES, 6, 6), np.float32)
    for at, (one, other) in enumerate(_PRODUCTS):
        for i, j in {(one, other), (other, one)}:
            basis[at] += fields[:, i, :, None] * fields[:, j, None, :]
    flat = basis.reshape(-1, 6, 6)
    sides = (flat[:, :5, :5].reshape(-1, 25), flat[:, :5, 5])
    return np.ascontiguousarray(np.concatenate(sides, axis=1))


def _votes(gram: Float) -> tuple[Float, Float]:
    """Weight [K, 48] that gives every tile with visible detail one vote, and each tile's detail.

    A colourful thing that moves before a pale backdrop would otherwise win by its slopes.
    """
    texture: Float = gram[_place(0, 0)] + gram[_place(1, 1)]
    vote = np.asarray(1 / (texture / np.maximum(gram[_place(3, 3)], 1) + _FAINT), np.float32)
    return vote, texture


def _solve(gram: Float, size: tuple[int, ...], reweightings: int) -> _Fit:
    """The step that explains most tiles best; tiles that disagree lose their weight."""
    basis = _basis(size[0], size[1])
    count = gram.shape[1]
    vote, texture = _votes(gram)
    floor = _NOISE * gram[_place(3, 3)]
    certain = np.maximum(texture, floor + np.float32(1e-3))
    by_pair = np.ascontiguousarray(gram.swapaxes(0, 1))
    left = gram[_place(4, 4)] + floor
    fit = _Fit(np.zeros((count, 5), np.float32), vote, np.zeros((count, 5, 5), np.float32))
    for turn in range(reweightings + 1):
        # Squared cells of motion of its own that a tile would need; its typical value is the scale.
        own = left / certain
        scale = np.maximum(_weighted_median(own, texture * vote) * 3, np.float32(1e-6))
        weight = vote / (1 + np.square(own / scale[:, None]))
        if turn == reweightings:
            return _Fit(fit.step, weight, fit.inverse)
        equations = (by_pair * weight[:, None]).reshape(count, -1) @ basis
        inverse = np.linalg.inv(equations[:, :25].reshape(count, 5, 5) + _RIDGE)
        step = -(inverse @ equations[:, 25:, None])[:, :, 0]
        fit = _Fit(step, weight, inverse)
        left = _tile_misfit(gram, step, size) + floor
    return fit


def _tile_misfit(gram: Float, step: Float, size: tuple[int, ...]) -> Float:
    """Sum of squares [K, 48] that is left of the change once a step is taken."""
    across, down = _centres(size[0], size[1])
    right, below, zoom, gain, offset = (step[:, k, None] for k in range(5))
    factors = (right + zoom * across, below + zoom * down, gain, offset)
    left: Float = gram[_place(4, 4)].copy()
    for one, factor in enumerate(factors):
        twice = gram[_place(one, 4)].copy()
        for other in range(one + 1, 4):
            twice += gram[_place(one, other)] * factors[other]
        twice *= 2
        twice += gram[_place(one, one)] * factor
        twice *= factor
        left += twice
    np.maximum(left, 0, out=left)
    return left


def _weighted_median(values: Float, weights: Float) -> Float:
    """Median [K] of values [K, N] that carry weights [K, N].

    All N^2 comparisons are quicker than sorting rows of 48 and following the order.
    """
    below = (values[:, None, :] <= values[:, :, None]).astype(np.float32)
    reached = (below @ weights[:, :, None])[:, :, 0]
    is_far = reached < weights.sum(axis=1, keepdims=True) * np.float32(0.5)
    median = np.where(is_far, np.float32(np.inf), values).min(axis=1)
    return np.asarray(np.minimum(median, values.max(axis=1)))


def _with_confidence(gram: Float, fit: _Fit, left: Float, motion: Float, rim: Float) -> Motion:
    size = (DOWN * 6, ACROSS * 8)
    count = gram[_place(3, 3)]
    vote, texture = _votes(gram)
    detail = (gram[_place(2, 2)] * fit.weight).sum(axis=1)
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
        rim=rim,
        unexplained=np.nan_to_num(busiest),
    )
