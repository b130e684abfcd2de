"""What the camera does in a clip: one word, a direction, a speed, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from internvid.core.contracts import PickFacts
from internvid.core.types import FloatArray, Timeline, TimeSpan
from internvid.signals.path import AXIS_WIDTHS, GRID_SECONDS, CameraPath, camera_path, rolling_mean

MOVES = ("static", "pan", "tilt", "zoom", "shake", "mixed")
# Slower swings than this are the camera's course, quicker ones its shake.
_SHAKE_SECONDS = 1.2
# A clip is compared with its own parts: few enough that each is measured well.
_PARTS, _PART_SECONDS = 4, 0.7
_AXES = ("pan", "tilt", "zoom")
_DIRECTIONS = (("left", "right"), ("up", "down"), ("out", "in"))


@dataclass(frozen=True)
class CameraSignal:
    """Names the camera's move.

    "pan right" means the camera turns right, so the content moves left; "tilt up" moves it down;
    "zoom in" enlarges it. A camera is at rest where the rim of the picture stays, whatever moves
    inside: a body that passes, wheat that sways.

    `camera_speed` is in widths per second for a pan, heights per second for a tilt, growth per
    second for a zoom (0.1: 1.1 times after a second), and the deviation of the position in widths
    for a shake. All four are null where too little could be measured, and
    all but the confidence where that is under `least_sure`.

    `camera_confidence` is low where little was measured well, where the move is barely one, where
    part of the rim stays, and where parts of the clip move unlike the whole: a camera that starts,
    stops or turns round, or two shots whose boundary nobody found.

    Attributes:
        pan_widths, tilt_heights, zoom_growth: slowest move that is one, per second.
        shake_widths: smallest deviation of the position that is a shake.
        shake_share: a drift over the clip that exceeds the shake this many times is a move in
            spite of it.
        other_share: a second move at least this share of the first makes it "mixed".
        least_confidence: share of the clip that must have been measured well.
        resting_rim, moving_rim: how much of the rim moves, at most, with a camera at rest, and at
            least with one that surely moves.
        least_sure: least `camera_confidence` with which a move is named.
    """

    version: ClassVar[int] = 3
    columns: ClassVar[Mapping[str, str]] = {
        "camera_move": "string",
        "camera_direction": "string",
        "camera_speed": "double",
        "camera_confidence": "double",
    }
    pan_widths: float = 0.013
    tilt_heights: float = 0.022
    zoom_growth: float = 0.018
    shake_widths: float = 0.003
    shake_share: float = 8.0
    other_share: float = 0.6
    least_confidence: float = 0.5
    resting_rim: float = 0.6
    moving_rim: float = 0.85
    least_sure: float = 0.5

    def measure(
        self, timeline: Timeline, span: TimeSpan, picks: Sequence[PickFacts]
    ) -> dict[str, Any]:
        """The four columns of one clip."""
        path = camera_path(timeline, span)
        nothing: dict[str, Any] = dict.fromkeys(self.columns)
        if path is None:
            return nothing
        measured = float((path.confidence >= 0.3).mean())
        if measured < self.least_confidence:
            return nothing
        drift, shake = _drift(path), _shake(path)
        limits = np.asarray([self.pan_widths, self.tilt_heights, self.zoom_growth])
        scores = np.append(np.abs(drift) / limits, shake / self.shake_widths)
        rim = float(path.rim @ path.speed / max(path.speed.sum(), 1e-9))
        sure = measured * float(np.median(path.confidence))
        move, axis = self._named(drift, shake, scores, len(path.seconds) * GRID_SECONDS)
        if move != "static" and rim < self.resting_rim:  # what moves is not the view
            move, axis = "static", None
            sure *= min(1.0, 2 * (1 - rim / self.resting_rim))
        else:
            sure *= _margin(move, axis, scores) * self._evenness(path, move, axis, drift)
            if move != "static":
                span_of_rims = self.moving_rim - self.resting_rim
                sure *= float(np.clip((rim - self.resting_rim) / span_of_rims, 0.0, 1.0))
        if sure < self.least_sure:
            return nothing | {"camera_confidence": sure}
        return {
            "camera_move": move,
            "camera_direction": None if axis is None else _DIRECTIONS[axis][int(drift[axis] > 0)],
            "camera_speed": _speed(move, axis, drift, shake),
            "camera_confidence": sure,
        }

    def _named(
        self, drift: FloatArray, shake: float, scores: FloatArray, seconds: float
    ) -> tuple[str, int | None]:
        """The move and, if it has a direction, its axis."""
        shakes = bool(scores[3] >= 1)
        way = np.abs(drift) * AXIS_WIDTHS
        axis = int(np.argmax(way * (scores[:3] >= 1)))
        moves = bool(scores[axis] >= 1)
        if shakes and way[axis] * seconds < self.shake_share * shake:
            return "shake", None
        if not moves:
            return "static", None
        others = [way[other] for other in range(3) if other != axis and scores[other] >= 1]
        if others and max(others) >= self.other_share * way[axis]:
            return "mixed", None
        return _AXES[axis], axis

    def _evenness(self, path: CameraPath, move: str, axis: int | None, drift: FloatArray) -> float:
        """1 where every part of the clip moves like the whole, 0 where one does not at all."""
        count = min(_PARTS, int(len(path.seconds) * GRID_SECONDS / _PART_SECONDS))
        if count < 2 or move == "mixed":
            return 1.0
        if move == "shake":
            parts = np.array_split(_wander(path), count)
            levels = np.sqrt(np.asarray([np.median(part) for part in parts]))
            return float(np.clip(2 * levels.min() / max(np.median(levels), 1e-9), 0.0, 1.0))
        parts = np.array_split(path.velocity, count)
        off_widths = np.abs(np.stack([part.mean(axis=0) for part in parts]) - drift) * AXIS_WIDTHS
        at = axis or 0
        least = (self.pan_widths, self.tilt_heights, self.zoom_growth)[at]
        # What a standing camera drifts has no size to compare with; the least moves have.
        size = 2 * least if axis is None else max(float(abs(drift[at])), 2 * least)
        off = float(off_widths.max() / (size * AXIS_WIDTHS[at]))
        return float(np.clip(2 * (1 - off), 0.0, 1.0))


def _drift(path: CameraPath) -> FloatArray:
    """Steady velocity [3]: the slope of the straight line through the positions."""
    position = path.position
    time = path.seconds - path.seconds.mean()
    if len(time) < 3:
        return np.asarray(path.velocity.mean(axis=0))
    return np.asarray(time @ (position - position.mean(axis=0)) / (time @ time))


def _shake(path: CameraPath) -> float:
    """Deviation of the position from its own smooth course, in widths."""
    square = np.sort(_wander(path))
    kept = square[: max(1, round(0.9 * len(square)))]
    return float(np.sqrt(kept.mean())) if len(kept) else 0.0


def _wander(path: CameraPath) -> FloatArray:
    """Squared deviation of the position from its own smooth course, in widths squared [N - 2]."""
    position = path.position[:, :2] * AXIS_WIDTHS[:2]
    reach = max(1, round(_SHAKE_SECONDS / GRID_SECONDS / 2))
    off = position - rolling_mean(position, reach)
    # At the ends the smooth course is the position itself.
    return np.asarray((off[1:-1] ** 2).sum(axis=1) / 2)


def _margin(move: str, axis: int | None, scores: FloatArray) -> float:
    """How far the deciding score is from its limit: 0.5 on it, 1 from twice (or half) on."""
    if move == "static":
        score = 1 / max(float(scores.max()), 1e-6)
    else:
        deciding = 3 if move == "shake" else int(scores[:3].argmax()) if axis is None else axis
        score = float(scores[deciding])
    return float(np.clip(0.5 * score, 0.0, 1.0))


def _speed(move: str, axis: int | None, drift: FloatArray, shake: float) -> float:
    if move == "static":
        return 0.0
    if move == "shake":
        return shake
    if axis == 2:
        return float(np.expm1(abs(drift[2])))
    if axis is not None:
        return float(abs(drift[axis]))
    return float(np.sqrt(((drift * AXIS_WIDTHS) ** 2).sum()))
