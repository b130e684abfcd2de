"""Small planes: every frame sampled on one fixed grid, whatever its size or pixel format.

Point samples of the decoded planes cost a few microseconds where a scaler costs a millisecond.
Each luma sample is the mean of 2 x 2 neighbouring pixels, so that noise weighs as it does after
the bilinear down-scaling other tools use.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import VideoReformatter

GRID_WIDTH, GRID_HEIGHT = 128, 72

_EIGHT_BIT = {
    "yuv420p": (2, 2), "yuvj420p": (2, 2), "yuv422p": (2, 1), "yuvj422p": (2, 1),
    "yuv444p": (1, 1), "yuvj444p": (1, 1), "yuva420p": (2, 2), "yuv411p": (4, 1),
    "yuv440p": (1, 2), "yuvj440p": (1, 2), "yuv410p": (4, 4),
}  # fmt: skip
_BYTE, _DEEP = np.dtype(np.uint8), np.dtype(np.uint16)
_TEN_BIT = {"yuv420p10le": (2, 2), "yuv422p10le": (2, 1), "yuv444p10le": (1, 1)}


@dataclass
class PlaneBatch:
    """Small planes of consecutive frames.

    Attributes:
        luma: float32 [T, 72, 128], limited-range levels (16 black, 235 white).
        u, v: uint8 [T, 72, 128], chroma levels (128 neutral).
        pts_seconds: float64 [T], from the first displayed frame.
    """

    luma: npt.NDArray[np.float32]
    u: npt.NDArray[np.uint8]
    v: npt.NDArray[np.uint8]
    pts_seconds: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return int(self.luma.shape[0])

    @cached_property
    def luma_half(self) -> npt.NDArray[np.float32]:
        """float32 [T, 36, 64]: 2 x 2 means of `luma`."""
        return _halved(self.luma)

    @cached_property
    def u_half(self) -> npt.NDArray[np.float32]:
        """float32 [T, 36, 64]: 2 x 2 means of `u`."""
        return _chroma_halved(self.u)

    @cached_property
    def v_half(self) -> npt.NDArray[np.float32]:
        """float32 [T, 36, 64]: 2 x 2 means of `v`."""
        return _chroma_halved(self.v)


def _halved(planes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    rows = planes[:, 0::2] + planes[:, 1::2]
    return np.asarray((rows[:, :, 0::2] + rows[:, :, 1::2]) * np.float32(0.25))


def _chroma_halved(planes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    rows = np.add(planes[:, 0::2], planes[:, 1::2], dtype=np.uint16)
    mean = (rows[:, :, 0::2] + rows[:, :, 1::2]).astype(np.float32)
    mean *= np.float32(0.25)
    return mean


Index = slice | npt.NDArray[np.intp]


def _positions(length: int, count: int) -> Index:
    """Left pixel of each sample's pair along one axis.

    A strided slice where that covers the axis but for 3 %, else an index array.
    """
    last = max(0, length - 2)
    step = length // count
    if step >= 2 and length - step * count <= 0.03 * length:
        start = (length - step * (count - 1)) // 2
        start = min(max(0, start - 1), last - step * (count - 1))
        return slice(start, start + step * (count - 1) + 1, step)
    centres = (np.arange(count) + 0.5) * length / count - 0.5
    return np.clip(np.floor(centres), 0, last).astype(np.intp)


def _shifted(index: Index, by: int, length: int) -> Index:
    if isinstance(index, slice):
        return slice(index.start + by, index.stop + by, index.step)
    return np.minimum(index + by, length - 1)


def _divided(index: Index, by: int, length: int) -> Index:
    if by == 1:
        return index
    if isinstance(index, slice) and index.step % by == 0:
        return slice(index.start // by, index.start // by + (index.stop - index.start) // by + 1,
                     index.step // by)  # fmt: skip
    span = np.arange(index.start, index.stop, index.step) if isinstance(index, slice) else index
    return np.minimum(span // by, length - 1)


@dataclass(frozen=True)
class _Layout:
    """Where the samples of one picture size and pixel format lie."""

    rows: tuple[Index, Index]
    columns: tuple[Index, Index]
    chroma_rows: Index
    chroma_columns: Index
    shift: int
    turns: int


@dataclass
class PlaneSampler:
    """Samples frames one by one and hands them out in batches.

    Args:
        rotation_degrees: turn of the picture for display; the samples are turned with it.
        batch_frames: frames per batch.
    """

    rotation_degrees: int = 0
    batch_frames: int = 64
    _layouts: dict[tuple[str, int, int], _Layout] = field(default_factory=dict)
    _reformatter: VideoReformatter = field(default_factory=VideoReformatter)
    _count: int = 0

    def __post_init__(self) -> None:
        shape = (self.batch_frames, GRID_HEIGHT, GRID_WIDTH)
        self._luma = np.empty(shape, np.uint16)
        self._u = np.empty(shape, np.uint8)
        self._v = np.empty(shape, np.uint8)
        self._seconds = np.empty(self.batch_frames, np.float64)

    @property
    def full(self) -> bool:
        """Whether the batch must be taken before another frame is added."""
        return self._count == self.batch_frames

    def add(self, frame: VideoFrame, pts_seconds: float) -> npt.NDArray[np.uint16]:
        """Sample one frame; returns its luma, uint16 [72, 128], four times the level."""
        name = frame.format.name
        if name not in _EIGHT_BIT and name not in _TEN_BIT:
            frame = self._as_yuv(frame)
            name = frame.format.name
        layout = self._layout(name, frame.width, frame.height)
        at = self._count
        planes = frame.planes  # a new list at each access
        target: npt.NDArray[np.uint16] = self._luma[at]
        self._gather(_view(planes[0], layout.shift), layout, target)
        for store, plane in ((self._u[at], planes[1]), (self._v[at], planes[2])):
            view = _view(plane, layout.shift)
            samples = view[layout.chroma_rows][:, layout.chroma_columns]
            if layout.shift:
                samples = samples >> layout.shift
            store[...] = np.rot90(samples, layout.turns) if layout.turns else samples
        if name.startswith("yuvj") or int(frame.color_range) == 2:
            _limit_range(target, self._u[at], self._v[at])
        self._seconds[at] = pts_seconds
        self._count += 1
        return target

    def take(self) -> PlaneBatch | None:
        """The frames since the last call, or None when there are none."""
        count = self._count
        if count == 0:
            return None
        self._count = 0
        luma = self._luma[:count].astype(np.float32)
        luma *= np.float32(0.25)
        return PlaneBatch(
            luma=luma,
            u=self._u[:count].copy(),
            v=self._v[:count].copy(),
            pts_seconds=self._seconds[:count].copy(),
        )

    def _gather(
        self, luma: npt.NDArray[Any], layout: _Layout, target: npt.NDArray[np.uint16]
    ) -> None:
        total = np.zeros(0, np.uint16)
        for number, rows in enumerate(layout.rows):
            band = luma[rows]
            left = band[:, layout.columns[0]].astype(np.uint16)
            left += band[:, layout.columns[1]]
            if number == 0:
                total = left
            else:
                total += left
        if layout.shift:
            total >>= layout.shift
        target[...] = np.rot90(total, layout.turns) if layout.turns else total

    def _as_yuv(self, frame: VideoFrame) -> VideoFrame:
        # A rare pixel format (rgb, grey, palette, packed): let the scaler make planes of it.
        return self._reformatter.reformat(frame, format="yuv444p", interpolation="POINT", threads=1)

    def _layout(self, name: str, width: int, height: int) -> _Layout:
        key = (name, width, height)
        if key not in self._layouts:
            divide_x, divide_y = _EIGHT_BIT.get(name) or _TEN_BIT[name]
            turned = self.rotation_degrees % 180 != 0
            columns = _positions(width, GRID_HEIGHT if turned else GRID_WIDTH)
            rows = _positions(height, GRID_WIDTH if turned else GRID_HEIGHT)
            layout = VideoFormat(name, width, height)
            chroma_width = layout.components[1].width
            chroma_height = layout.components[1].height
            self._layouts[key] = _Layout(
                rows=(rows, _shifted(rows, 1, height)),
                columns=(columns, _shifted(columns, 1, width)),
                chroma_rows=_divided(rows, divide_y, chroma_height),
                chroma_columns=_divided(columns, divide_x, chroma_width),
                shift=2 if name in _TEN_BIT else 0,
                turns=self.rotation_degrees // 90,
            )
        return self._layouts[key]


def _view(plane: VideoPlane, shift: int) -> npt.NDArray[Any]:
    # Rows are padded to the line size; the layout's indices stay inside the picture.
    dtype = _DEEP if shift else _BYTE
    samples = np.frombuffer(memoryview(plane), dtype)
    return samples.reshape(plane.height, plane.line_size // dtype.itemsize)


def _limit_range(
    luma: npt.NDArray[np.uint16], u: npt.NDArray[np.uint8], v: npt.NDArray[np.uint8]
) -> None:
    luma[...] = np.rint(luma * (219 / 255) + 64)
    for chroma in (u, v):
        chroma[...] = np.rint((chroma.astype(np.float32) - 128) * (224 / 255) + 128)
