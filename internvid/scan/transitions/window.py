"""A bounded stretch of small pictures: what transition evidence is measured on.

Two sizes are kept for every frame: luma of 36 x 64 (fine structure) and a *thumb*, luma of
18 x 32 beside chroma of 9 x 16 twice, flattened to one row; and a few numbers that need the frame
and its predecessor only. Frames are counted from the oldest one held.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from internvid.scan.holds import FilledFrames
from internvid.video.planes import mean_levels

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

LUMA_CELLS = 18 * 32
CHROMA_CELLS = 9 * 16
THUMB_CELLS = LUMA_CELLS + 2 * CHROMA_CELLS
CHROMA_WEIGHT = LUMA_CELLS / CHROMA_CELLS
TRACES = ("jump", "ncc", "fine", "coarse", "luma", "spread")


def pool(planes: Float32, rows: int, columns: int) -> Float32:
    """Means of `rows` x `columns` blocks of [..., H, W]; H and W must be multiples.

    Strided sums are several times faster than a mean over short axes.
    """
    tall = planes[..., ::rows, :].copy()
    for row in range(1, rows):
        tall += planes[..., row::rows, :]
    mean: Float32 = tall[..., ::columns].copy()
    for column in range(1, columns):
        mean += tall[..., column::columns]
    mean *= np.float32(1 / (rows * columns))
    return mean


@dataclass
class FrameWindow:
    """The last seconds of a video as small pictures and traces.

    Attributes:
        frames: int64 [N], index in the video; a repeat of a frame that was held has that frame's.
        is_repeat: bool [N].
        luma: uint8 [N, 36, 64].
        thumbs: float32 [N, 864], see the module.
        seconds: float64 [N], never decreasing.
        traces: name -> float32 [N]: `jump` mean |YUV difference| to the frame before,
            `ncc` its luma correlation, `fine` and `coarse` detail energy, `luma` mean,
            `spread` standard deviation of luma.
    """

    frames: Int64 = field(default_factory=lambda: np.zeros(0, np.int64))
    is_repeat: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    luma: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 36, 64), np.uint8))
    thumbs: Float32 = field(default_factory=lambda: np.zeros((0, THUMB_CELLS), np.float32))
    seconds: Float64 = field(default_factory=lambda: np.zeros(0))
    traces: dict[str, Float32] = field(
        default_factory=lambda: {name: np.zeros(0, np.float32) for name in TRACES}
    )
    _last: tuple[Float32, Float32, Float32] | None = None

    def append(self, filled: FilledFrames) -> None:
        """Take the next frames."""
        planes = filled.planes
        thumb = pool(planes[0], 2, 2)
        chroma = [pool(plane, 4, 4).reshape(len(plane), -1) for plane in planes[1:]]
        rows = np.concatenate([thumb.reshape(len(thumb), -1), *chroma], axis=1)
        measured = self._measure(planes, thumb)
        self.luma = np.concatenate([self.luma, np.rint(planes[0]).astype(np.uint8)])
        self.thumbs = np.concatenate([self.thumbs, rows])
        self.seconds = np.concatenate([self.seconds, filled.seconds])
        self.frames = np.concatenate([self.frames, filled.frames])
        self.is_repeat = np.concatenate([self.is_repeat, filled.is_repeat])
        for name in TRACES:
            self.traces[name] = np.concatenate([self.traces[name], measured[name]])
        self._last = (planes[0][-1:], planes[1][-1:], planes[2][-1:])

    def _measure(
        self, planes: tuple[Float32, Float32, Float32], thumb: Float32
    ) -> dict[str, Float32]:
        last = self._last or (planes[0][:1], planes[1][:1], planes[2][:1])
        jump = np.zeros(len(thumb), np.float32)
        for plane, before in zip(planes, last, strict=True):
            step = np.empty_like(plane)
            np.subtract(plane[:1], before, out=step[:1])
            np.subtract(plane[1:], plane[:-1], out=step[1:])
            jump += mean_levels(np.abs(step, out=step).reshape(len(step), -1))
        flat, flat_before = planes[0].reshape(len(thumb), -1), last[0].reshape(1, -1)
        mean, square = mean_levels(flat), np.einsum("ij,ij->i", flat, flat) / flat.shape[1]
        mean_last = mean_levels(flat_before)
        square_last = np.einsum("ij,ij->i", flat_before, flat_before) / flat.shape[1]
        mean_before = np.concatenate([mean_last, mean[:-1]])
        square_before = np.concatenate([square_last, square[:-1]])
        cross = np.empty_like(mean)
        np.einsum("ij,ij->i", flat[:1], flat_before, out=cross[:1])
        np.einsum("ij,ij->i", flat[1:], flat[:-1], out=cross[1:])
        cross = cross / flat.shape[1] - mean * mean_before
        variance, variance_before = square - mean * mean, square_before - mean_before**2
        # The constant keeps two nearly uniform pictures alike: noise has no structure to compare.
        ncc = (cross + 2.0) / np.sqrt(
            (np.maximum(variance, 0) + 2.0) * (np.maximum(variance_before, 0) + 2.0)
        )
        small = thumb.reshape(len(thumb), -1)
        square_small = np.einsum("ij,ij->i", small, small) / small.shape[1]
        smaller = pool(thumb, 2, 2).reshape(len(thumb), -1)
        square_smaller = np.einsum("ij,ij->i", smaller, smaller) / smaller.shape[1]
        return {
            "jump": jump,
            "ncc": np.clip(ncc, -1, 1),
            "fine": np.maximum(square - square_small, 0),
            "coarse": np.maximum(square_small - square_smaller, 0),
            "luma": mean,
            "spread": np.sqrt(np.maximum(variance, 0)),
        }

    def drop(self, frames: int) -> None:
        """Forget the oldest frames; the others are counted anew from 0."""
        if frames > 0:
            self.luma, self.thumbs = self.luma[frames:].copy(), self.thumbs[frames:].copy()
            self.seconds = self.seconds[frames:].copy()
            self.traces = {name: trace[frames:].copy() for name, trace in self.traces.items()}
            self.frames = self.frames[frames:].copy()
            self.is_repeat = self.is_repeat[frames:].copy()

    def pick_luma(self, frames: Int64) -> Float32:
        """Luma float32 [..., 36, 64] of frames, clipped to what is held."""
        held: Float32 = self.luma[self._held(frames)].astype(np.float32)
        return held

    def pick_thumbs(self, frames: Int64) -> Float32:
        """Thumbs float32 [..., 864] of frames, clipped to what is held."""
        return self.thumbs[self._held(frames)]

    def frames_at(self, seconds: Float64) -> Int64:
        """Number of the frame shown at each time, clipped to what is held."""
        return self._held(np.searchsorted(self.seconds, seconds + 1e-6, side="right") - 1)

    def shown_from(self, frame: int) -> int:
        """Index in the video of the first frame that begins at or after one of the window."""
        return int(self.frames[frame]) + bool(self.is_repeat[frame])

    def _held(self, frames: Int64) -> Int64:
        # np.clip costs several times this on the short arrays it is called with.
        held: Int64 = np.minimum(np.maximum(frames, 0), len(self.luma) - 1)
        return held
