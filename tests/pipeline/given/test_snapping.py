"""A stated span finds its frames."""

from __future__ import annotations

import math

import numpy as np
import pytest

from internvid.pipeline.given.snapping import snap

# A frame every 40 ms, the last one ends at 2 s; and one of a varying rate.
EDGES = np.arange(51) / 25
UNEVEN = np.array([0.0, 0.1, 0.5, 0.55, 2.0])


@pytest.mark.parametrize("fps", [24000 / 1001, 25, 30000 / 1001, 60, 240])
def test_times_rounded_to_milliseconds_find_their_frames(fps: float) -> None:
    edges = np.arange(2001) / fps
    for first in range(0, 1990, 7):
        start, end = round(first / fps, 3), round((first + 5) / fps, 3)
        assert snap(start, end, edges) == (first, first + 5)


def test_spans_that_touch_go_on_touching() -> None:
    for middle in np.linspace(0.1, 1.9, 200):
        left, right = snap(0.0, middle, EDGES), snap(middle, 2.0, EDGES)
        assert isinstance(left, tuple)
        assert isinstance(right, tuple)
        assert left[1] == right[0]


@pytest.mark.parametrize(
    ("span", "edges", "snapped"),
    [
        ((None, None), EDGES, (0, 50)),
        ((0.0, 2.0), EDGES, (0, 50)),
        ((0.019, 0.061), EDGES, (0, 2)),
        ((0.02, 0.06), EDGES, (0, 1)),  # equally near: the earlier edge
        ((-0.9, 0.4), EDGES, (0, 10)),
        ((1.0, 2.9), EDGES, (25, 50)),
        ((0.3, 0.53), UNEVEN, (1, 3)),
        ((0.31, 1.9), UNEVEN, (2, 4)),
        ((-1.1, 0.4), EDGES, "out_of_video"),
        ((1.0, 3.1), EDGES, "out_of_video"),
        ((2.0, 2.5), EDGES, "out_of_video"),
        ((-0.5, 0.0), EDGES, "out_of_video"),
        ((0.101, 0.109), EDGES, "shorter_than_a_frame"),
        ((1.0, 1.0), EDGES, "reversed_time"),
        ((1.0, 0.5), EDGES, "reversed_time"),
        ((math.nan, 1.0), EDGES, "malformed_time"),
        ((1.0, math.inf), EDGES, "malformed_time"),
        ((None, 1.0), EDGES, "no_time"),
        ((1.0, None), EDGES, "no_time"),
    ],
)
def test_a_span_is_frames_or_a_reason(
    span: tuple[float | None, float | None], edges: np.ndarray, snapped: object
) -> None:
    assert snap(*span, edges) == snapped
