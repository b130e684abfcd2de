"""Fades through one tone (black, white): found from brightness alone, no picture needed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from internvid.scan.window import FrameWindow

BLANK_SPREAD = 3.5
LONGEST_FADE_SECONDS = 3.0
LONG_HOLD_SECONDS = 0.6
FADE_SCORE = 0.9


def mark_blank(window: FrameWindow) -> npt.NDArray[np.bool_]:
    """Which frames [all] show nothing but one dark or bright tone."""
    luma = window.traces["luma"]
    blank: npt.NDArray[np.bool_] = (window.traces["spread"] < BLANK_SPREAD) & (
        (luma < 48) | (luma > 200)
    )
    return blank


def is_opening_or_end(window: FrameWindow, before: int, after: int) -> bool:
    """Whether a change from frame `before` to `after` only opens or ends the video.

    It does if one side is a blank stretch that reaches the video's own start or end; two
    blank sides are no shots at all.
    """
    blank = mark_blank(window)
    if blank[before] and blank[after]:
        return True
    return bool((blank[before] and blank[:before].all()) or (blank[after] and blank[after:].all()))


def find_fades(window: FrameWindow) -> list[tuple[float, float, float]]:
    """Fades as (middle, length, score), seconds.

    A picture that fades into one tone, and another that fades out of it, are one boundary in
    the middle of the tone. Where the tone is held longer than `LONG_HOLD_SECONDS` it is a shot
    of its own: two boundaries, one in each fade. What opens or ends the video is none.
    """
    spread, seconds = window.traces["spread"], window.seconds
    is_blank = mark_blank(window)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_blank.astype(np.int8), [0]])))
    found = []
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if start == 0 or stop == len(spread):
            continue
        begin, end = _follow(window, int(start), -1), _follow(window, int(stop) - 1, 1)
        hold = float(seconds[stop] - seconds[start])
        is_in, is_out = begin < start - 1, end > stop
        if hold <= LONG_HOLD_SECONDS:
            if is_in and is_out:
                middle = float(seconds[start] + seconds[stop]) / 2
                reach = max(middle - float(seconds[begin]), float(seconds[end]) - middle)
                found.append((middle, 2 * reach, FADE_SCORE))
            continue
        for is_faded, low, high in ((is_in, begin, int(start)), (is_out, int(stop) - 1, end)):
            if is_faded:
                lasted = float(seconds[high] - seconds[low])
                found.append((float(seconds[low]) + lasted / 2, lasted, FADE_SCORE))
    return found


def _follow(window: FrameWindow, edge: int, direction: int) -> int:
    """Index of the frame, away from a blank run's edge, at which the fade is over.

    A fade changes the spread little by little while the picture keeps its structure: one step
    never takes most of the way.
    """
    spread, seconds, ncc = window.traces["spread"], window.seconds, window.traces["ncc"]
    place = edge
    while (
        0 < place < len(spread) - 1
        and abs(seconds[place + direction] - seconds[edge]) < LONGEST_FADE_SECONDS
    ):
        ahead = place + direction
        two = min(max(ahead + direction, 0), len(spread) - 1)
        if max(spread[ahead], spread[two]) < spread[place] * 1.01 + 0.05:
            break
        # Correlation of almost blank pictures is noise; it counts once structure is there.
        link = max(ahead, place)
        if spread[min(ahead, place)] > 12 and ncc[link] < 0.6:
            break
        place = ahead
    if abs(place - edge) < 2:
        return edge
    near = edge + direction
    is_sudden = abs(float(spread[near]) - float(spread[edge])) > 0.6 * float(spread[place])
    return edge if is_sudden or spread[place] < 3 * BLANK_SPREAD else place
