"""How the camera moves: shift and zoom of the whole picture about ten times a second."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from internvid.core.contracts import Planes
from internvid.core.types import ColumnSpec
from internvid.scan.observers.registration import Float, Masks, Motion, register
from internvid.scan.timeline_columns import StoredColumns, decode_columns

# Pictures are compared over steps of at least this, so that 24, 25, 30 and 60 fps all give 10 to
# 12.5 steps a second: fast enough to see a hand shake, slow enough to see a slow pan.
STEP_SECONDS = 0.075
# A row or column is part of a black bar while it stays below this luma (16 is black).
BAR_LEVEL = 27.0
# Below this the two pictures have too little in common for a motion to mean anything.
UNRELATED = 0.15
# Pairs are registered this many at a time: fewer cost more each, and from about 30 on the linear
# algebra library wakes threads that burn more than they save.
_QUEUE = 24
_SPEED = 1 / 64
_GROWTH = 1 / 256

Array = npt.NDArray[np.float64]


@dataclass
class CameraObserver:
    """Velocity of the camera, what moves against it, and black bars.

    A frame carries what was measured over the step of about 0.1 s that ends with it or spans it.
    Rounding errors of the coarse stored velocities are carried into the next step, so that their
    sum over a stretch is exact to one step of the scale. The view moving right means that the
    content moves left. A step over a cut has confidence 0 and no velocity.
    """

    version: ClassVar[int] = 3
    columns: ClassVar[Mapping[str, ColumnSpec]] = {
        "camera_x": ColumnSpec("int8", _SPEED, unit="widths/s", meaning="view moves right"),
        "camera_y": ColumnSpec("int8", _SPEED, unit="heights/s", meaning="view moves down"),
        "camera_zoom": ColumnSpec("int8", _GROWTH, unit="log/s", meaning="content grows"),
        "camera_confidence": ColumnSpec(
            "uint8", 1 / 255, unit="fraction", meaning="how far one motion explains the change"
        ),
        "camera_rim": ColumnSpec(
            "uint8", 1 / 255, unit="fraction", meaning="how much of the rim moves with the camera"
        ),
        "object_motion": ColumnSpec(
            "uint8", 0.2, unit="levels", meaning="change over 0.1 s the camera does not explain"
        ),
        "bar_rows": ColumnSpec("uint8", 1 / 72, unit="heights", meaning="bars above and below"),
        "bar_columns": ColumnSpec("uint8", 1 / 128, unit="widths", meaning="bars at the sides"),
    }
    _before: tuple[Float, Array, float] | None = field(default=None, repr=False)
    _pictures: list[Float] = field(default_factory=list, repr=False)
    _bars: list[Array] = field(default_factory=list, repr=False)
    _seconds: list[float] = field(default_factory=list, repr=False)
    _ends: array[int] = field(default_factory=lambda: array("q"), repr=False)
    _steps: StoredColumns = field(init=False, repr=False)
    _carry: Array = field(default_factory=lambda: np.zeros(3), repr=False)
    _count: int = 0
    _anchor_seconds: float = -np.inf
    _latest: tuple[Float, Float, float] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._steps = StoredColumns(self.columns)

    def observe(self, batch: Planes) -> None:
        """Queue the pictures at which steps end; measure once enough wait."""
        seconds = np.nan_to_num(np.asarray(batch.pts_seconds, np.float64))
        anchors = []
        for at, now in enumerate(seconds.tolist()):
            # 1e-4: at 40 fps three frames are 0.075 s but for a rounding error.
            if now - self._anchor_seconds >= STEP_SECONDS - 1e-4:
                anchors.append(at)
                self._anchor_seconds = now
        if anchors:
            self._enqueue(batch.luma, anchors, batch.luma_half[anchors], seconds[anchors])
            self._ends.extend(self._count + at for at in anchors)
        self._count += len(seconds)
        self._latest = (batch.luma[-1:].copy(), batch.luma_half[-1:].copy(), float(seconds[-1]))
        while len(self._seconds) >= _QUEUE:
            self._measure()

    def finish(self) -> dict[str, npt.NDArray[Any]]:
        """One value per frame."""
        return dict(decode_columns(self.columns, self.finish_stored()))

    def finish_stored(self) -> dict[str, npt.NDArray[Any]]:
        """Timeline columns in their stored form."""
        if self._latest is not None and self._ends[-1] < self._count - 1:
            luma, half, seconds = self._latest
            self._enqueue(luma, [0], half, np.asarray([seconds]))
            self._ends.append(self._count - 1)
        while self._seconds:
            self._measure()
        # Frames after an anchor up to the next one share that step's row.
        ends = np.frombuffer(self._ends, np.int64)
        frames = ends - np.concatenate([[-1], ends[:-1]])
        return {name: np.repeat(column, frames) for name, column in self._steps.stored().items()}

    def _enqueue(self, luma: Float, anchors: list[int], half: Float, seconds: Array) -> None:
        self._pictures.append(np.asarray(half, np.float32))
        self._bars.append(_bar_shares(luma, anchors))
        self._seconds.extend(seconds.tolist())

    def _measure(self) -> None:
        pictures, bars = np.concatenate(self._pictures), np.concatenate(self._bars)
        self._pictures, self._bars = [pictures[_QUEUE:]], [bars[_QUEUE:]]
        pictures, bars = pictures[:_QUEUE], bars[:_QUEUE]
        seconds = np.asarray(self._seconds[:_QUEUE])
        self._seconds = self._seconds[_QUEUE:]
        is_first = self._before is None
        # The very first picture is its own predecessor: a step without motion.
        last_picture, last_bars, last_seconds = self._before or (pictures[:1], bars[:1], seconds[0])
        self._before = pictures[-1:].copy(), bars[-1:], float(seconds[-1])
        inside = _inside(np.concatenate([last_bars, bars]))
        motion = register(np.concatenate([last_picture, pictures]), inside)
        rows = self._scaled(motion, np.diff(seconds, prepend=last_seconds))
        if is_first:
            rows[0] = 0
        self._steps.append(np.concatenate([rows, bars], axis=1))

    def _scaled(self, motion: Motion, lasting: Array) -> Array:
        """Rows [K, 6] of velocities on the stored scale, confidence, rim and object motion."""
        moved = np.stack([-motion.right, -motion.down, motion.zoom], axis=1).astype(np.float64)
        scale = np.asarray([_SPEED, _SPEED, _GROWTH])
        rows = np.zeros((len(moved), 6))
        rows[:, 4], rows[:, 5] = motion.rim, motion.unexplained
        for at, seconds in enumerate(np.maximum(lasting, 1e-3).tolist()):
            if motion.confidence[at] < UNRELATED:
                self._carry = np.zeros(3)
                continue
            steps = (moved[at] + self._carry) / (seconds * scale)
            stored = np.maximum(np.minimum(np.rint(steps), 127), -128)
            rows[at, :3] = stored * scale
            rows[at, 3] = motion.confidence[at]
            # What was cut off by the range of the type is lost, not carried.
            self._carry = np.maximum(np.minimum(steps - stored, 0.5), -0.5) * (seconds * scale)
        return rows


def _bar_shares(luma: Float, anchors: list[int]) -> Array:
    """Shares [K, 2] of height and width under black bars that lie on both sides of some frames."""
    shares = np.zeros((len(anchors), 2))
    for side, planes in enumerate((luma, luma.swapaxes(1, 2))):
        # Mostly one outermost line is lit, and nothing else need be looked at.
        edges = planes[anchors, :: planes.shape[1] - 1]
        for at in np.flatnonzero((edges.max(axis=2) <= BAR_LEVEL).all(axis=1)).tolist():
            lit = planes[anchors[at]].max(axis=1) > BAR_LEVEL
            bar = min(lit.argmax(), lit[::-1].argmax()) if lit.any() else 0
            shares[at, side] = 2 * bar / len(lit)
    return shares


def _inside(bars: Array) -> Masks:
    """Masks [K, 36] and [K, 64]: 1 where the picture is, 0 under bars."""
    masks = []
    for share, length in zip(bars.T, (36, 64), strict=True):
        place = (np.arange(length) + 0.5) / length
        distance = np.minimum(place, 1 - place)
        masks.append((distance[None] > share[:, None] / 2).astype(np.float32))
    return masks[0], masks[1]
