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

from internvid.video.display.frame_display import orientation_of
from internvid.video.display.orientation import UPRIGHT, Orientation
from internvid.video.display.tone import dynamic_range_of, standard_planes

GRID_WIDTH, GRID_HEIGHT = 128, 72

_EIGHT_BIT = {
    "yuv420p": (2, 2), "yuvj420p": (2, 2), "yuv422p": (2, 1), "yuvj422p": (2, 1),
    "yuv444p": (1, 1), "yuvj444p": (1, 1), "yuva420p": (2, 2), "yuv411p": (4, 1),
    "yuv440p": (1, 2), "yuvj440p": (1, 2), "yuv410p": (4, 4),
}  # fmt: skip
_BYTE, _DEEP, _DEEPER = np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.uint32)
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
        return halved(self.luma)

    @cached_property
    def u_half(self) -> npt.NDArray[np.float32]:
        """float32 [T, 36, 64]: 2 x 2 means of `u`."""
        return _chroma_halved(self.u)

    @cached_property
    def v_half(self) -> npt.NDArray[np.float32]:
        """float32 [T, 36, 64]: 2 x 2 means of `v`."""
        return _chroma_halved(self.v)


def halved(planes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """float32 [T, H / 2, W / 2]: 2 x 2 means of planes [T, H, W]."""
    rows = planes[:, 0::2] + planes[:, 1::2]
    return np.asarray((rows[:, :, 0::2] + rows[:, :, 1::2]) * np.float32(0.25))


def _chroma_halved(planes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    # Two neighbours are read as one number: arithmetic on every second value is slow.
    pairs = planes.view("<u2")
    sums = pairs & np.uint16(255)
    sums += pairs >> np.uint16(8)
    mean = (sums[:, 0::2] + sums[:, 1::2]).astype(np.float32)
    mean *= np.float32(0.25)
    return mean


def mean_levels(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """float32 [K]: means of the rows of [K, N] of sampled levels, or of their differences.

    Levels are whole steps of a sixteenth, few enough that their sums are exact in any order: a
    plain sum is three times as quick as `mean`, which adds in an order that keeps errors small.
    """
    total: npt.NDArray[np.float32] = np.einsum("ij->i", rows)
    total /= np.float32(rows.shape[1])
    return total


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


def _listed(index: Index) -> npt.NDArray[np.intp]:
    if isinstance(index, slice):
        return np.arange(index.start, index.stop, index.step)
    return index


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
    """Where the samples of one picture size and pixel format lie.

    Attributes:
        width: of the luma plane.
        rows: the two rows of each sample, one behind the other: [2 R].
        columns: the left pixel of each sample's two.
        chroma_rows, chroma_columns: of each sample: [R], and C in number.
        bytes: of one value.
        orientation: of the samples.
        is_full_range: whether the format says that levels run from 0 to 255.
    """

    width: int
    rows: npt.NDArray[np.intp]
    columns: Index
    chroma_rows: npt.NDArray[np.intp]
    chroma_columns: Index
    bytes: int
    orientation: Orientation
    is_full_range: bool


@dataclass
class PlaneSampler:
    """Samples frames one by one and hands them out in batches.

    Samples are those of the picture as shown: turned and mirrored for display, PQ and HLG mapped
    to standard range.

    Args:
        batch_frames: frames per batch.
    """

    batch_frames: int = 64
    _layouts: dict[tuple[str, int, int, Orientation], _Layout] = field(default_factory=dict)
    _reformatter: VideoReformatter = field(default_factory=VideoReformatter)
    _count: int = 0

    def __post_init__(self) -> None:
        shape = (self.batch_frames, GRID_HEIGHT, GRID_WIDTH)
        self._luma = np.empty(shape, np.uint16)
        self._u = np.empty(shape, np.uint8)
        self._v = np.empty(shape, np.uint8)
        self._seconds = np.empty(self.batch_frames, np.float64)

    @property
    def room(self) -> int:
        """How many frames may be added before the batch must be taken."""
        return self.batch_frames - self._count

    def latest(self, count: int) -> npt.NDArray[np.uint16]:
        """Luma of the last frames added: uint16 [count, 72, 128], four times the level."""
        return self._luma[self._count - count : self._count]

    def add(self, frame: VideoFrame, pts_seconds: float) -> None:
        """Sample one frame."""
        shown, orientation = frame, orientation_of(frame)
        layout = self._layouts.get((frame.format.name, frame.width, frame.height, orientation))
        if layout is None:
            frame, layout = self._learn(frame, orientation)
        at = self._count
        y, u, v = frame.planes  # a new list at each access
        luma: npt.NDArray[Any] = self._luma[at]
        blue: npt.NDArray[Any] = self._u[at]
        red: npt.NDArray[Any] = self._v[at]
        if orientation != UPRIGHT:  # views whose rows are those of the frame
            luma, blue, red = (orientation.as_decoded(target) for target in (luma, blue, red))
        _gather_luma(y, layout, luma)
        _gather_chroma(u, layout, blue)
        _gather_chroma(v, layout, red)
        if layout.is_full_range or int(frame.color_range) == 2:
            _limit_range(luma, blue, red)
        if dynamic_range_of(shown) != "sdr":
            standard_planes(luma, blue, red, shown)
        self._seconds[at] = pts_seconds
        self._count += 1

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

    def _learn(self, frame: VideoFrame, orientation: Orientation) -> tuple[VideoFrame, _Layout]:
        """The layout of a frame of a new kind, and the frame in a format that has one."""
        if frame.format.name not in _EIGHT_BIT and frame.format.name not in _TEN_BIT:
            # A rare pixel format (rgb, grey, palette, packed): let the scaler make planes of it.
            frame = self._reformatter.reformat(
                frame, format="yuv444p", interpolation="POINT", threads=1
            )
        return frame, self._layout(frame.format.name, (frame.width, frame.height), orientation)

    def _layout(self, name: str, size: tuple[int, int], orientation: Orientation) -> _Layout:
        width, height = size
        key = (name, width, height, orientation)
        if key not in self._layouts:
            divide_x, divide_y = _EIGHT_BIT.get(name) or _TEN_BIT[name]
            grid = (GRID_HEIGHT, GRID_WIDTH)
            if orientation.is_sideways:
                grid = (GRID_WIDTH, GRID_HEIGHT)
            rows, columns = _positions(height, grid[0]), _positions(width, grid[1])
            layout = VideoFormat(name, width, height)
            chroma_width = layout.components[1].width
            chroma_height = layout.components[1].height
            both = (_listed(rows), _listed(_shifted(rows, 1, height)))
            self._layouts[key] = _Layout(
                width=width,
                rows=np.stack(both, axis=1).reshape(-1),
                columns=columns,
                chroma_rows=_listed(_divided(rows, divide_y, chroma_height)),
                chroma_columns=_divided(columns, divide_x, chroma_width),
                bytes=2 if name in _TEN_BIT else 1,
                orientation=orientation,
                is_full_range=name.startswith("yuvj"),
            )
        return self._layouts[key]


def _gather_luma(plane: VideoPlane, layout: _Layout, target: npt.NDArray[np.uint16]) -> None:
    """Writes sums [R, C] of 2 x 2 neighbouring pixels, in quarters of an 8-bit level."""
    lines, columns = _lines(plane, layout.rows, layout.bytes), layout.columns
    if isinstance(columns, slice):
        # Two neighbours are read as one number: half as many steps through memory.
        wide = _DEEP if layout.bytes == 1 else _DEEPER
        pairs: npt.NDArray[Any] = np.ndarray(
            (len(lines), layout.width - 1), wide, lines, strides=lines.strides
        )[:, columns].copy()
        both = pairs & wide.type(255 if layout.bytes == 1 else 65535)
        pairs >>= 8 * layout.bytes
        both += pairs
    else:
        right = np.minimum(columns + 1, layout.width - 1)
        both = lines.take(columns, axis=1).astype(_DEEP)
        both += lines.take(right, axis=1)
    np.add(both[::2], both[1::2], out=target)
    if layout.bytes == 2:
        target >>= 2


def _gather_chroma(plane: VideoPlane, layout: _Layout, target: npt.NDArray[np.uint8]) -> None:
    lines, columns = _lines(plane, layout.chroma_rows, layout.bytes), layout.chroma_columns
    samples = lines[:, columns] if isinstance(columns, slice) else lines.take(columns, axis=1)
    target[...] = samples >> 2 if layout.bytes == 2 else samples


def _lines(plane: VideoPlane, rows: npt.NDArray[np.intp], size: int) -> npt.NDArray[Any]:
    """Whole rows of a plane, padded to the line size, copied.

    The processor fetches a row ahead of a copy, but not ahead of samples picked from it: a decoded
    frame has left its near caches, and picking at once takes twice as long.
    """
    dtype = _BYTE if size == 1 else _DEEP
    shape = (plane.height, plane.line_size // size)
    whole: npt.NDArray[Any] = np.ndarray(shape, dtype, plane)  # type: ignore[arg-type]
    return whole.take(rows, axis=0)


def _limit_range(
    luma: npt.NDArray[np.uint16], u: npt.NDArray[np.uint8], v: npt.NDArray[np.uint8]
) -> None:
    luma[...] = np.rint(luma * (219 / 255) + 64)
    for chroma in (u, v):
        chroma[...] = np.rint((chroma.astype(np.float32) - 128) * (224 / 255) + 128)
