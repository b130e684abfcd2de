"""Evidence for gradual transitions: dissolves, fades through a colour, wipes and slides.

A window of length L around an instant holds a transition if its ends differ, the way between
them is short and straight, and what lies outside is still. Each window is measured on samples
at the same relative places whatever its length and the frame rate, so one classifier reads them
all.
"""

from __future__ import annotations

import functools

import numpy as np

from internvid.scan.transitions import frame_similarity as likeness
from internvid.scan.transitions.detail import Frames, measure_detail, measure_surplus
from internvid.scan.transitions.pushes import measure_slides
from internvid.scan.transitions.window import Float32, Float64, FrameWindow, Int64, pool

LENGTHS_SECONDS = (0.1, 0.17, 0.27, 0.45, 0.75, 1.2, 2.0)
STEPS_A_LENGTH = 4
SAMPLES = 9
NEAR_SECONDS = 0.3
# Levels, three planes added. Of 172 transitions in held-out mixes none changes less than 14.
LEAST_CHANGE = 12.0
GRADUAL_FEATURES = (
    "change",
    "ncc",
    "tones_share",
    "tones_chroma",
    "unexplained_share",
    "unexplained",
    "share_of_cells",
    "way",
    "way_native",
    "strongest_step",
    "pace",
    "off_line",
    "off_line_low",
    "off_line_mid",
    "turns",
    "weight_early",
    "weight_middle",
    "weight_late",
    "fine_dip",
    "fine_dip_low",
    "coarse_dip",
    "fine_ends",
    "between_cells",
    "cell_spread",
    "cell_order",
    "cell_distance",
    "drift_before",
    "drift_after",
    "across",
    "tones_far",
    "across_ncc",
    "spread_ends",
    "spread_middle",
    "luma_ends",
    "luma_middle",
    "length",
    "frames",
    "strongest_near",
    "change_low",
    "push_left",
    "cover_left",
    "detail_ncc",
    "fine_surplus",
    "coarse_ncc",
    "coarse_surplus",
)


def _ends(window: FrameWindow, centres: Float64, lengths: Float64) -> tuple[Int64, Int64]:
    """The last frame before and the first frame after each window; never the same frame."""
    before = window.frames_at(centres - lengths / 2)
    after = window.frames_at(centres + lengths / 2)
    return before, np.minimum(np.maximum(after, before + 1), len(window.seconds) - 1)


def propose_gradual(
    window: FrameWindow, start_seconds: float, stop_seconds: float
) -> tuple[Float64, Float64]:
    """Centres and lengths (seconds) of the windows in [start, stop) worth measuring."""
    centres, lengths = [np.zeros(0)], [np.zeros(0)]
    total = np.concatenate([[0.0], np.cumsum(window.traces["jump"], dtype=np.float64)])
    for length in LENGTHS_SECONDS:
        step = length / STEPS_A_LENGTH
        # A margin of two places makes the local maxima independent of where chunks meet.
        places = np.arange(np.ceil(start_seconds / step) - 2, np.floor(stop_seconds / step) + 3)
        if len(places) < 5:
            continue
        middles = places * step
        before, after = _ends(window, middles, np.full(len(middles), length))
        # The steps between two pictures add up to no less than what sets them apart.
        busy = np.flatnonzero(total[after + 1] - total[before + 1] >= LEAST_CHANGE)
        change = np.zeros(len(middles), np.float32)
        change[busy] = likeness.measure_distance(
            window.pick_thumbs(before[busy]), window.pick_thumbs(after[busy])
        )
        seconds = window.seconds
        # One picture between is the least that can be told from a cut, if it came soon.
        change[(after - before < 2) | (seconds[after] - seconds[before] > 3 * length + 0.2)] = 0.0
        way = (total[after + 1] - total[before + 1]) / (change + 1e-6)
        padded = np.pad(change, 2, mode="edge")
        peak = np.max([padded[k : k + len(change)] for k in range(5)], axis=0)
        steepest = _strongest(window, before, after)
        chosen = (
            (change >= LEAST_CHANGE)
            & (change >= 0.97 * peak)
            & (way < 6.0)
            & (steepest < 0.8 * (change + 2))
        )
        chosen &= (middles >= start_seconds) & (middles < stop_seconds)
        centres.append(middles[chosen])
        lengths.append(np.full(int(chosen.sum()), length))
    return _keep_calm(window, np.concatenate(centres), np.concatenate(lengths))


def _keep_calm(window: FrameWindow, centres: Float64, lengths: Float64) -> tuple[Float64, Float64]:
    """Windows whose surroundings change less than they do: nothing else is a transition."""
    if not len(centres):
        return centres, lengths
    before, after = _ends(window, centres, lengths)
    old, new = window.pick_thumbs(before), window.pick_thumbs(after)
    earlier, later = _surround(window, before, after, lengths)
    change = likeness.measure_distance(old, new) + 1
    drift = np.maximum(
        likeness.measure_distance(earlier, old), likeness.measure_distance(new, later)
    )
    left = _strongest(window, window.frames_at(window.seconds[before] - NEAR_SECONDS), before)
    right = _strongest(window, after, window.frames_at(window.seconds[after] + NEAR_SECONDS))
    is_calm = (drift < 1.3 * change) & (np.maximum(left, right) < 1.6 * change)
    # Two lengths or places that mean the same frames need one look.
    _, first = np.unique(np.stack([before, after]), axis=1, return_index=True)
    is_first = np.zeros(len(centres), bool)
    is_first[first] = True
    return centres[is_calm & is_first], lengths[is_calm & is_first]


def _surround(
    window: FrameWindow, before: Int64, after: Int64, lengths: Float64
) -> tuple[Float32, Float32]:
    """Thumbs some way before and after each window."""
    reach = np.clip(lengths / 2, 0.15, 0.6)
    earlier = window.pick_thumbs(window.frames_at(window.seconds[before] - reach))
    return earlier, window.pick_thumbs(window.frames_at(window.seconds[after] + reach))


def _strongest(window: FrameWindow, before: Int64, after: Int64) -> Float64:
    """Largest change of one frame to the next in (before, after]."""
    jump = window.traces["jump"]
    edges = np.stack([before + 1, after + 1], axis=1).ravel()
    padded = np.append(jump, 0.0)
    # reduceat on interleaved edges: every second segment is the one between them.
    return np.asarray(
        np.maximum.reduceat(padded, np.minimum(edges, len(padded) - 1))[::2], np.float64
    )


def _cells(thumbs: Float32) -> Float32:
    """Thumbs [..., 864] as three planes of 9 x 16 cells [..., 432]."""
    lead = thumbs.shape[:-1]
    luma = pool(thumbs[..., :576].reshape(*lead, 18, 32), 2, 2).reshape(*lead, 144)
    cells: Float32 = np.concatenate([luma, thumbs[..., 576:]], axis=-1)
    return cells


def _place_on_line(samples: Float32, old: Float32, new: Float32) -> tuple[Float32, Float32]:
    """Weight of `new` in each sample [C, S] and the share of it off the line old-new."""
    way = new - old
    square = (way * way).sum(axis=-1) + 1e-3
    moved = samples - old[:, None]
    weight = np.einsum("csk,ck->cs", moved, way) / square[:, None]
    rest = np.maximum((moved * moved).sum(axis=-1) - weight**2 * square[:, None], 0)
    return weight, np.sqrt(rest / square[:, None])


@functools.cache
def _list_places() -> Float32:
    """Orthonormal column, row and distance from the centre of the 9 x 16 cells, [144, 3]."""
    row, column = np.divmod(np.arange(144), 16)
    x, y = (column - 7.5) / 8, (row - 4.0) / 4.5
    basis = np.stack([x, y, np.hypot(x, y)], axis=1)
    axes, _ = np.linalg.qr(basis - basis.mean(axis=0))
    return axes.astype(np.float32)


def _order_of_cells(weight: Float32) -> tuple[Float32, Float32]:
    """Spread of the instants at which cells change, and how well place explains them.

    Args:
        weight: [C, S, 144], how far each cell of 9 x 16 has gone at each sample.

    Returns:
        Standard deviation [C] (0 for a dissolve, .29 for a wipe) and R^2 [C] of a fit on
        column, row and distance from the centre.
    """
    instants = 1.0 - np.clip(weight, 0, 1).mean(axis=1)
    centred = instants - instants.mean(axis=1, keepdims=True)
    fitted = (centred @ _list_places()) ** 2
    variance = (centred * centred).sum(axis=1)
    return np.sqrt(variance / 144), fitted.sum(axis=1) / (variance + 0.05)


def measure_gradual(window: FrameWindow, centres: Float64, lengths: Float64) -> Float32:
    """Features float32 [C, 45] of windows, in the order of `GRADUAL_FEATURES`."""
    if not len(centres):
        return np.zeros((0, len(GRADUAL_FEATURES)), np.float32)
    before, after = _ends(window, centres, lengths)
    places = np.linspace(-0.5, 0.5, SAMPLES)[1:-1]
    inside = window.frames_at(centres[:, None] + lengths[:, None] * places[None, :])
    inside = np.clip(inside, before[:, None], after[:, None])
    old, new, samples = (
        window.pick_thumbs(before),
        window.pick_thumbs(after),
        window.pick_thumbs(inside),
    )
    columns = _measure_ends(old, new)
    columns += _measure_way(window, (before, inside, after), samples, (centres, lengths))
    columns += _measure_mix(samples, old, new)
    columns += measure_detail(window, (before, inside, after))
    columns += _measure_cells(samples, old, new)
    columns += _measure_outside(window, (before, after), old, new, lengths)
    columns += _measure_light(window, (before, inside, after))
    columns += [np.log(lengths), np.log(after - before)]
    columns += _measure_near(window, (before, after), old, new)
    columns += measure_slides(samples[:, 2:5:2], old, new)
    columns += measure_surplus(window, (before, inside, after), old, new)
    return np.stack([np.asarray(column, dtype=np.float32) for column in columns], axis=1)


def _measure_ends(old: Float32, new: Float32) -> list[Float32]:
    plain = np.abs(old[:, :576] - new[:, :576]).mean(axis=1) + 1
    tones, chroma = likeness.compare_tones(old, new)
    left = likeness.compensate(old, new, is_coarse=True)
    return [
        np.log1p(likeness.measure_distance(old, new)),
        likeness.correlate(old[:, :576], new[:, :576]),
        tones / plain,
        np.log1p(chroma),
        left / plain,
        np.log1p(left),
        likeness.share_of_cells(old, new),
    ]


def _measure_way(
    window: FrameWindow, frames: Frames, samples: Float32, windows: tuple[Float64, Float64]
) -> list[Float32]:
    before, _, after = frames
    centres, lengths = windows
    old, new = window.pick_thumbs(before), window.pick_thumbs(after)
    whole = np.concatenate([old[:, None], samples, new[:, None]], axis=1)
    change = likeness.measure_distance(old, new) + 1
    steps = likeness.measure_distance(whole[:, 1:], whole[:, :-1])
    total = np.concatenate([[0.0], np.cumsum(window.traces["jump"], dtype=np.float64)])
    inner = total[after + 1] - total[before + 1]
    reach = np.clip(lengths, 0.3, 1.2)
    low = window.frames_at(centres - lengths / 2 - reach)
    high = window.frames_at(centres + lengths / 2 + reach)
    outer = total[before + 1] - total[low + 1] + total[high + 1] - total[after + 1]
    seconds = window.seconds
    spent = np.maximum(seconds[before] - seconds[low] + seconds[high] - seconds[after], 1e-3)
    pace = (inner / np.maximum(seconds[after] - seconds[before], 1e-3) + 5) / (outer / spent + 5)
    strongest = _strongest(window, before, after)
    return [
        steps.sum(axis=1) / change,
        np.log(inner / change + 0.1).astype(np.float32),
        (strongest / change).astype(np.float32),
        np.log(pace).astype(np.float32),
    ]


def _measure_mix(samples: Float32, old: Float32, new: Float32) -> list[Float32]:
    a, b, inside = (
        likeness.weigh_cells(old),
        likeness.weigh_cells(new),
        likeness.weigh_cells(samples),
    )
    weight, rest = _place_on_line(inside, a, b)
    lead = samples.shape[:2]
    low = pool(samples[..., :576].reshape(*lead, 18, 32), 6, 8).reshape(*lead, 12)
    low_old = pool(old[:, :576].reshape(-1, 18, 32), 6, 8).reshape(-1, 12)
    low_new = pool(new[:, :576].reshape(-1, 18, 32), 6, 8).reshape(-1, 12)
    _, rest_low = _place_on_line(low, low_old, low_new)
    ends = np.zeros((len(weight), 1), np.float32)
    turns = np.abs(np.diff(np.concatenate([ends, weight, ends + 1], axis=1), axis=1)).sum(axis=1)
    return [
        rest.mean(axis=1),
        np.minimum(rest_low.mean(axis=1), 3.0),
        rest[:, 2:5].mean(axis=1),
        np.log(np.maximum(turns, 1e-3)),
        weight[:, 1],
        weight[:, 3],
        weight[:, 5],
    ]


def _measure_cells(samples: Float32, old: Float32, new: Float32) -> list[Float32]:
    inside, a, b = _cells(samples), _cells(old), _cells(new)
    way = (b - a).reshape(-1, 3, 144)
    size = np.abs(way).sum(axis=1)
    moved = (inside - a[:, None]).reshape(len(a), -1, 3, 144)
    square = (way * way).sum(axis=1)
    weight = (moved * way[:, None]).sum(axis=2) / (square[:, None] + 4.0)
    counts = (size > 0.5 * size.mean(axis=1, keepdims=True)).astype(np.float32)
    number = counts.sum(axis=1) + 1e-3
    middle = weight[:, 2:5]
    between = (((middle > 0.2) & (middle < 0.8)) * counts[:, None]).sum(axis=(1, 2)) / (3 * number)
    spread, order = _order_of_cells(weight)
    near = np.minimum(np.abs(inside - a[:, None]), np.abs(inside - b[:, None]))
    distance = near.mean(axis=(1, 2)) / (np.abs(way).mean(axis=(1, 2)) + 0.3)
    return [between, spread, order, distance]


def _measure_outside(
    window: FrameWindow, ends: tuple[Int64, Int64], old: Float32, new: Float32, lengths: Float64
) -> list[Float32]:
    before, after = ends
    earlier, later = _surround(window, before, after, lengths)
    change = likeness.measure_distance(old, new) + 1
    return [
        likeness.measure_distance(earlier, old) / change,
        likeness.measure_distance(new, later) / change,
        likeness.measure_distance(earlier, later) / change,
        np.log1p(sum(likeness.compare_tones(earlier, later))),
        likeness.correlate(earlier[:, :576], later[:, :576]),
    ]


def _measure_light(window: FrameWindow, frames: Frames) -> list[Float32]:
    before, inside, after = frames
    spread, luma = window.traces["spread"], window.traces["luma"]
    return [
        np.log1p(np.minimum(spread[before], spread[after])),
        np.log1p(spread[inside].min(axis=1)),
        np.log1p(np.minimum(luma[before], luma[after])),
        (luma[inside].mean(axis=1) - (luma[before] + luma[after]) / 2) / 32,
    ]


def _measure_near(
    window: FrameWindow, ends: tuple[Int64, Int64], old: Float32, new: Float32
) -> list[Float32]:
    before, after = ends
    last = len(window.seconds) - 1
    left = _strongest(window, window.frames_at(window.seconds[before] - NEAR_SECONDS), before)
    right = _strongest(
        window, after, np.minimum(window.frames_at(window.seconds[after] + NEAR_SECONDS), last)
    )
    change = likeness.measure_distance(old, new) + 1
    a = pool(old[:, :576].reshape(-1, 18, 32), 6, 8).reshape(-1, 12)
    b = pool(new[:, :576].reshape(-1, 18, 32), 6, 8).reshape(-1, 12)
    return [
        (np.maximum(left, right) / change).astype(np.float32),
        np.abs(a - b).mean(axis=1) / change,
    ]


def trace_extent(window: FrameWindow, centre: float, length: float) -> tuple[float, float]:
    """Middle and whole length (seconds) of the transition that a window has caught.

    A window fits only roughly. The time at which a tenth and nine tenths of the way are done
    says more, for mixes and for wipes too.
    """
    start, stop = window.frames_at(np.array([centre - 0.75 * length, centre + 0.75 * length]))
    frames = np.arange(start, max(stop, start + 1) + 1)
    if len(frames) < 4:
        return centre, length
    thumbs = likeness.weigh_cells(window.pick_thumbs(frames))
    weight, _ = _place_on_line(thumbs[None], thumbs[:1], thumbs[-1:])
    way = np.maximum.accumulate(np.clip(weight[0], 0, 1))
    seconds = window.seconds[frames]
    begin, end = np.interp([0.1, 0.9], way + np.arange(len(way)) * 1e-6, seconds)
    lasted = float(np.clip((end - begin) / 0.8, 0.5 * length, 1.6 * length))
    return float(np.clip((begin + end) / 2, centre - length / 2, centre + length / 2)), lasted
