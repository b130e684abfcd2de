"""Evidence for hard cuts: where to look, and what to measure there.

A frame that differs from the one before far more than its neighbours differ from theirs is
looked at closely: does motion explain the change, does light, does the old picture return?
"""

from __future__ import annotations

import numpy as np

from internvid.scan.transitions import frame_similarity as likeness
from internvid.scan.transitions.window import Float32, Float64, FrameWindow, Int64

CUT_FEATURES = (
    "change",
    "change_to_median",
    "change_to_strongest",
    "change_to_next",
    "ncc",
    "worst_ncc_near",
    "ncc_gain",
    "detail_ncc",
    "phase_peak",
    "unexplained_share",
    "unexplained",
    "unexplained_to_near",
    "tones_share",
    "tones",
    "tones_chroma",
    "share_of_cells",
    "returns_after",
    "returns_before",
    "returns_after_ncc",
    "returns_before_ncc",
    "across_gap",
    "across_gap_ncc",
    "drift",
    "spread_low",
    "spread_high",
    "luma_low",
    "step",
    "repeats",
    "across_far",
    "across_far_ncc",
    "tones_far",
)
NEAR_SECONDS, RETURN_SECONDS, GAP_SECONDS, FAR_SECONDS = 0.35, 0.35, 0.1, 0.3
RETURN_LOOKS = 6


def propose_cuts(window: FrameWindow, start: int, stop: int) -> Int64:
    """Frames in [start, stop) whose change stands out enough to be looked at."""
    jump, ncc = window.traces["jump"], window.traces["ncc"]
    inner: Int64 = np.arange(max(1, start), min(stop, len(jump)), dtype=np.int64)
    if not len(inner):
        return inner
    after = np.minimum(inner + 1, len(jump) - 1)
    here = jump[inner]
    # Equal neighbours count for the first of them, so that a plateau gives one candidate.
    peak = (here > jump[inner - 1]) & ((here >= jump[after]) | (after == inner))
    strong = (here >= 3.0) & ((ncc[inner] < 0.93) | (here > 12.0))
    chosen: Int64 = inner[peak & strong]
    if not len(chosen):
        return chosen
    offsets = np.array([-4, -3, -2, -1, 1, 2, 3, 4])
    around = chosen[:, None] + offsets
    # Mirrored at the ends of the video, where a cut may be one frame away.
    around = np.where(around < 1, chosen[:, None] - offsets, around)
    around = np.where(around >= len(jump), chosen[:, None] - offsets, around)
    usual = np.median(jump[np.clip(around, 1, len(jump) - 1)], axis=1)
    standing: Int64 = chosen[jump[chosen] >= 1.25 * usual + 1.0]
    return standing


def _near(window: FrameWindow, frames: Int64) -> list[tuple[Int64, Int64, float]]:
    """For each frame: indices around it without its own neighbours, all around it, its step."""
    seconds = window.seconds
    last = len(seconds) - 1
    near = []
    for frame in frames:
        low = min(np.searchsorted(seconds, seconds[frame] - 0.5), frame - 4)
        high = max(np.searchsorted(seconds, seconds[frame] + 0.5, side="right"), frame + 5)
        # High frame rates would make the median cost more without knowing more.
        low, high = max(1, low, frame - 40), min(last + 1, high, frame + 41)
        every = np.arange(low, high)
        step = float(seconds[frame] - seconds[frame - 1])
        reach = np.abs(seconds[every] - seconds[frame]) <= max(NEAR_SECONDS, 3.5 * step)
        others = every[reach & (np.abs(every - frame) > 1)]
        near.append((others, every[every != frame], step))
    return near


def _look_ahead(window: FrameWindow, frames: Int64, direction: int) -> Int64:
    """Frames [C, 6] within `RETURN_SECONDS` after (+1) or before (-1) each frame."""
    offsets = np.linspace(0.0, RETURN_SECONDS, RETURN_LOOKS + 1)[1:]
    seconds = window.seconds[frames][:, None] + direction * offsets[None, :]
    places = window.frames_at(seconds)
    minimum = frames[:, None] + direction * np.minimum(np.arange(1, RETURN_LOOKS + 1), 2)[None, :]
    places = np.maximum(places, minimum) if direction > 0 else np.minimum(places, minimum)
    looks: Int64 = np.clip(places, 0, len(window.seconds) - 1)
    return looks


def _look_far(window: FrameWindow, before: Int64, frames: Int64) -> tuple[Float32, Float32]:
    """Thumbs well before and after a change, past flashes and bodies close to the lens."""
    seconds = window.seconds
    old = np.minimum(window.frames_at(seconds[before] - FAR_SECONDS), np.maximum(before - 1, 0))
    new = np.maximum(
        window.frames_at(seconds[frames] + FAR_SECONDS), np.minimum(frames + 1, len(seconds) - 1)
    )
    return window.pick_thumbs(old), window.pick_thumbs(new)


def _surroundings(window: FrameWindow, frames: Int64) -> tuple[Float64, ...]:
    """What is usual about each candidate.

    Returns:
        Largest other jump, least likeness, median jump, share of repeated frames, frame spacing.
    """
    jump, ncc = window.traces["jump"], window.traces["ncc"]
    near = _near(window, frames)
    return (
        np.array([(jump[o].max() if len(o) else 0.0) for o, _, _ in near]),
        np.array([(ncc[o].min() if len(o) else 1.0) for o, _, _ in near]),
        np.array([(np.median(jump[e]) if len(e) else 0.0) for _, e, _ in near]),
        np.array([(np.mean(jump[e] < 0.3) if len(e) else 0.0) for _, e, _ in near]),
        np.array([s for _, _, s in near]),
    )


def _across_gap(window: FrameWindow, frames: Int64, after: Int64) -> tuple[Float32, Float32]:
    """Thumbs a little before and a little after each candidate."""
    before = frames - 1
    gap_before = np.minimum(
        window.frames_at(window.seconds[before] - GAP_SECONDS), np.maximum(before - 1, 0)
    )
    gap_after = np.maximum(window.frames_at(window.seconds[frames] + GAP_SECONDS), after)
    return window.pick_thumbs(gap_before), window.pick_thumbs(gap_after)


def _returns(window: FrameWindow, frames: Int64, distance: Float32) -> list[Float32]:
    """How near the picture before comes again after a candidate, and the other way round."""
    before = frames - 1
    old, new = window.pick_thumbs(before), window.pick_thumbs(frames)
    later = window.pick_thumbs(_look_ahead(window, frames, 1))
    earlier = window.pick_thumbs(_look_ahead(window, before, -1))
    return [
        likeness.measure_distance(old[:, None], later).min(axis=1) / distance,
        likeness.measure_distance(new[:, None], earlier).min(axis=1) / distance,
        likeness.correlate(old[:, None, :576], later[..., :576]).max(axis=1),
        likeness.correlate(new[:, None, :576], earlier[..., :576]).max(axis=1),
    ]


def measure_cuts(window: FrameWindow, frames: Int64) -> Float32:
    """Features float32 [C, 31] of candidate cuts, in the order of `CUT_FEATURES`."""
    if not len(frames):
        return np.zeros((0, len(CUT_FEATURES)), np.float32)
    traces, last = window.traces, len(window.seconds) - 1
    jump, ncc = traces["jump"], traces["ncc"]
    others, worst, usual, repeats, step = _surroundings(window, frames)
    before, here, after = frames - 1, jump[frames], np.minimum(frames + 1, last)
    beside = np.maximum(
        np.where(before > 0, jump[before], 0), np.where(after > frames, jump[after], 0)
    )
    old, new = window.pick_thumbs(before), window.pick_thumbs(frames)
    old_luma, new_luma = window.pick_luma(before), window.pick_luma(frames)
    plain = np.abs(old[:, :576] - new[:, :576]).mean(axis=1)
    left = likeness.compensate(old, new)
    far_old, far_new = _across_gap(window, frames, after)
    # One call for three kinds of pairs: its cost is in the number of shifts.
    left_coarse, left_old, left_new = likeness.compensate(
        np.concatenate([old, far_old, new]), np.concatenate([new, old, far_new]), is_coarse=True
    ).reshape(3, -1)
    left_near = np.maximum(left_old, left_new)
    farther = _look_far(window, before, frames)
    tones, tones_chroma = likeness.compare_tones(old, new)
    distance = likeness.measure_distance(old, new) + 1.0
    drift = likeness.measure_distance(far_old, old) + likeness.measure_distance(new, far_new)
    spreads = np.log1p(np.stack([traces["spread"][before], traces["spread"][frames]]))
    gain = np.log((here + 1) / (others + 1))
    across = likeness.correlate(far_old[:, :576], far_new[:, :576])
    columns = [
        np.log1p(here),
        np.log((here + 1) / (usual + 1)),
        gain,
        np.log((here + 1) / (beside + 1)),
        ncc[frames],
        worst,
        worst - ncc[frames],
        likeness.correlate(likeness.remove_trend(old_luma), likeness.remove_trend(new_luma), 1.0),
        likeness.phase_peak(old_luma, new_luma),
        left / (plain + 1),
        np.log1p(left),
        np.log((left_coarse + 1) / (left_near + 1)),
        tones / (plain + 1),
        np.log1p(tones),
        np.log1p(tones_chroma),
        likeness.share_of_cells(old, new),
        *_returns(window, frames, distance),
        likeness.measure_distance(far_old, far_new) / distance,
        across,
        drift / distance,
        spreads.min(axis=0),
        spreads.max(axis=0),
        np.log1p(np.minimum(traces["luma"][before], traces["luma"][frames])),
        np.log(np.clip(step, 0.004, 1.0)),
        repeats,
        likeness.measure_distance(*farther) / distance,
        likeness.correlate(farther[0][:, :576], farther[1][:, :576]),
        np.log1p(sum(likeness.compare_tones(*farther))),
    ]
    return np.stack([np.asarray(column, dtype=np.float32) for column in columns], axis=1)
