"""What is cut off a clip's edges before anything else: black bars, and text that lies there."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from internvid.core.errors import VideoUnreadableError
from internvid.video.cutting.cut_plan import CutPlan

TEXT_IN_PICTURE = "text_in_picture"
BAR_COLUMNS = ("letterbox_share", "pillarbox_share")
"""Columns of the borders signal: what bars take of height and width."""
MOST_OF_EDGE = 0.2
"""At most this share of width or height is cut off an edge to be rid of text (Open-Sora Plan)."""
_HUNDRED = 100
# Boxes are rounded to pixels; what is shared is no text yet.
_CLOSE = 1e-6

Box = tuple[float, float, float, float]
"""Left, top, right, bottom: shares of width and height, 0 to 1."""


@dataclass(frozen=True)
class Bars:
    """What is cut off a picture as it is shown.

    Attributes:
        letterbox: black bars, shares of the height, one half above and one below.
        pillarbox: black bars, shares of the width, one half on either side.
        text: boxes of text that no written picture shows.
    """

    letterbox: float = 0.0
    pillarbox: float = 0.0
    text: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Edges:
    """Shares of width or height that are cut off each edge."""

    left: float = 0.0
    top: float = 0.0
    right: float = 0.0
    bottom: float = 0.0


def measured_bars(row: Mapping[str, Any], plan: CutPlan) -> Bars:
    """What the columns of a clip say is to be cut off.

    Args:
        row: of the clip. Its column of boxes (`plan.text_boxes`) has a list of [left, top, right,
            bottom], each 0 to 1, of the picture as shown, or the same as JSON text; empty or None
            where it has no text.
        plan: which of it is cut off.

    Raises:
        VideoUnreadableError: a box is none (`text_in_picture`).
    """
    letterbox, pillarbox = (float(row.get(name) or 0) for name in BAR_COLUMNS)
    boxes = row.get(plan.text_boxes) if plan.crops_text else None
    return Bars(letterbox, pillarbox, tuple(_box(each) for each in _listed(boxes)))


def _listed(boxes: Any) -> Sequence[Any]:
    if isinstance(boxes, str):
        try:
            boxes = json.loads(boxes or "[]")
        except ValueError:
            boxes = [boxes]  # which is no box
    return boxes if isinstance(boxes, list | tuple) else [] if boxes is None else [boxes]


def _box(given: Any) -> Box:
    try:
        left, top, right, bottom = (float(each) for each in given)
        is_box = 0 <= left <= right <= 1 and 0 <= top <= bottom <= 1
    except (TypeError, ValueError):
        is_box = False
    if not is_box:
        raise VideoUnreadableError(
            f"a box of text is no [left, top, right, bottom] of 0 to 1: {given!r}",
            reason=TEXT_IN_PICTURE,
        )
    return left, top, right, bottom


def edges_of(bars: Bars, plan: CutPlan) -> Edges:
    """How much is cut off each edge.

    Raises:
        VideoUnreadableError: text lies too far inside (`text_in_picture`).
    """
    above, aside = bars.letterbox / 2, bars.pillarbox / 2
    edges = Edges(aside, above, aside, above) if plan.crops_bars else Edges()
    return without_text(bars.text, edges) if plan.crops_text else edges


def without_text(boxes: Sequence[Box], edges: Edges | None = None) -> Edges:
    """The least that must be cut off so that no box of text is left.

    An edge loses whole hundredths of the picture, `MOST_OF_EDGE` at most or what is cut off it
    anyway; of all ways to do so the one that keeps the largest picture is taken.

    Args:
        boxes: what must not be seen.
        edges: what is cut off anyway.

    Raises:
        VideoUnreadableError: there is no way (`text_in_picture`).
    """
    known = edges or Edges()
    left = [known.left, *_cuts(known.left, (box[2] for box in boxes))]
    top = [known.top, *_cuts(known.top, (box[3] for box in boxes))]
    right = [known.right, *_cuts(known.right, (1 - box[0] for box in boxes))]
    bottom = [known.bottom, *_cuts(known.bottom, (1 - box[1] for box in boxes))]
    best: tuple[float, Edges] | None = None
    for cut in itertools.product(left, right, top):
        rest = [box for box in boxes if _is_seen(box, *cut)]
        need = max((1 - box[1] for box in rest), default=known.bottom)
        low = next((each for each in sorted(bottom) if each >= need - _CLOSE), None)
        if low is None:
            continue
        kept = (1 - cut[0] - cut[1]) * (1 - cut[2] - low)
        if kept > 0 and (best is None or kept > best[0] + _CLOSE):
            best = kept, Edges(cut[0], cut[2], cut[1], low)
    if best is None:
        raise VideoUnreadableError(
            f"text lies further inside than {MOST_OF_EDGE:.0%} of an edge", reason=TEXT_IN_PICTURE
        )
    return best[1]


def _cuts(known: float, needed: Any) -> list[float]:
    hundredths = {math.ceil(each * _HUNDRED - _CLOSE) for each in needed}
    return [
        each / _HUNDRED for each in sorted(hundredths) if known < each / _HUNDRED <= MOST_OF_EDGE
    ]


def _is_seen(box: Box, left: float, right: float, top: float) -> bool:
    return box[2] > left + _CLOSE and box[0] < 1 - right - _CLOSE and box[3] > top + _CLOSE
