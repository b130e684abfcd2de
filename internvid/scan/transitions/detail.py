"""Contrast of fine structure during a change: two pictures mixed show less than either.

The test holds whatever moves in them, which those on the line from one to the other do not.
"""

from __future__ import annotations

import numpy as np

from internvid.scan.transitions import frame_similarity as likeness
from internvid.scan.transitions.window import Float32, FrameWindow, Int64

Frames = tuple[Int64, Int64, Int64]
"""Last frames before windows [C], frames inside them [C, 7], first frames after [C]."""


def measure_detail(window: FrameWindow, frames: Frames) -> list[Float32]:
    """Detail between the ends against that of the ends: fine, fine against the lower, coarse.

    The fourth value is how much the ends themselves differ in detail.
    """
    before, inside, after = frames
    fine, coarse = window.traces["fine"] + 1.0, window.traces["coarse"] + 1.0
    middle = inside[:, 2:5]
    fine_ends, coarse_ends = (fine[before] + fine[after]) / 2, (coarse[before] + coarse[after]) / 2
    return [
        np.log(fine[middle].mean(axis=1) / fine_ends),
        np.log(fine[middle].mean(axis=1) / np.minimum(fine[before], fine[after])),
        np.log(coarse[middle].mean(axis=1) / coarse_ends),
        np.abs(np.log(fine[before] / fine[after])),
    ]


def measure_surplus(
    window: FrameWindow, frames: Frames, old: Float32, new: Float32
) -> list[Float32]:
    """How similar the details of the ends are, and the detail between beyond that of a mix.

    Half of each picture keeps sqrt((a^2 + b^2 + 2 h a b) / 4) of details a and b that correlate
    by h. Unlike pictures lose three tenths of their contrast, a pan or a zoom loses none.
    """
    before, inside, after = frames
    ends = window.pick_luma(before), window.pick_luma(after)
    small = old[:, :576].reshape(-1, 18, 32), new[:, :576].reshape(-1, 18, 32)
    columns: list[Float32] = []
    for trace, (one, other) in (("fine", ends), ("coarse", small)):
        energy = window.traces[trace] + 1.0
        likeness_of_ends = likeness.correlate(
            likeness.remove_mean(one), likeness.remove_mean(other), 1.0
        )
        a, b = energy[before], energy[after]
        mixed = (a + b + 2 * likeness_of_ends * np.sqrt(a * b)) / 4
        between = energy[inside[:, 2:5]].mean(axis=1)
        columns += [likeness_of_ends, np.log((between + 1) / (mixed + 1))]
    return columns
