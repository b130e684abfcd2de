"""A stated span on the frames of its video."""

from __future__ import annotations

import math

import numpy as np

from internvid.core.types import FloatArray, Timeline

SLACK_SECONDS = 1.0
"""How far a span may reach out of its video: published times are rounded, and files re-encoded."""
REVERSED, OUT_OF_VIDEO, TOO_SHORT = "reversed_time", "out_of_video", "shorter_than_a_frame"
NO_TIME, MALFORMED = "no_time", "malformed_time"


def frame_edges(timeline: Timeline) -> FloatArray:
    """float64 [N + 1]: when each frame begins, and when the last one ends."""
    return np.append(timeline.pts_seconds, timeline.duration_seconds)


def snap(
    start_seconds: float | None, end_seconds: float | None, edges: FloatArray
) -> tuple[int, int] | str:
    """The frames [first, stop) of a span, or why it is none.

    Each end goes to the nearest edge of a frame, of two equally near ones to the earlier. Times
    that were rounded to milliseconds so find the frame that they were made from, and spans that
    touch go on touching. What reaches out of the video by up to `SLACK_SECONDS` is cut off.

    Args:
        start_seconds, end_seconds: from the first displayed frame; both None for the whole video.
        edges: of its frames, see `frame_edges`.
    """
    if start_seconds is None and end_seconds is None:
        return 0, len(edges) - 1
    if start_seconds is None or end_seconds is None:
        return NO_TIME
    if not (math.isfinite(start_seconds) and math.isfinite(end_seconds)):
        return MALFORMED
    if end_seconds <= start_seconds:
        return REVERSED
    begin, end = float(edges[0]), float(edges[-1])
    if start_seconds < begin - SLACK_SECONDS or end_seconds > end + SLACK_SECONDS:
        return OUT_OF_VIDEO
    if start_seconds >= end or end_seconds <= begin:
        return OUT_OF_VIDEO
    first, stop = _nearest(start_seconds, edges), _nearest(end_seconds, edges)
    return (first, stop) if first < stop else TOO_SHORT


def _nearest(seconds: float, edges: FloatArray) -> int:
    after = int(np.searchsorted(edges, seconds))
    if after == 0 or after == len(edges):
        return min(after, len(edges) - 1)
    is_before = seconds - edges[after - 1] <= edges[after] - seconds
    return after - 1 if is_before else after
