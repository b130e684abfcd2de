"""Reads a written window back: frames, times, sound, first, middle and last as encoded."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from internvid.core.errors import VideoUnreadableError
from internvid.video.cutting.cut_picture import luma_of

# AAC comes in frames of so many samples; sound may be longer or shorter by one.
AAC_FRAME = 1024
# Means of 4 x 4 pixels are close at any quality; other pictures are not.
_CELL = 4
_LEAST_DECIBELS = 20.0


@dataclass
class Expected:
    """What a written window holds.

    Attributes:
        time_base: seconds per tick.
        size: (width, height).
        ticks: of each frame from the first.
        end: of the last frame.
        samples: of sound; None where it has none.
        pictures: number of a frame -> its luma as it was encoded: first, middle and last.
    """

    time_base: Fraction
    size: tuple[int, int]
    ticks: list[int] = field(default_factory=list)
    end: int = 0
    samples: int | None = None
    pictures: dict[int, npt.NDArray[np.uint8]] = field(default_factory=dict, repr=False)

    @property
    def seconds(self) -> Fraction:
        """How long it is."""
        return self.end * self.time_base


def check_written(data: bytes, expected: Expected) -> None:
    """Refuse a file that does not hold what was written into it.

    Args:
        data: an MP4.
        expected: what it holds.

    Raises:
        VideoUnreadableError: reason `not_proved`; the text says what differs.
    """
    try:
        trouble = _trouble(data, expected)
    except Exception as error:  # noqa: BLE001 - a damaged file fails in any way, and is then not right
        trouble = f"it cannot be read back: {type(error).__name__}"
    if trouble:
        raise VideoUnreadableError(f"the written file is not right: {trouble}", reason="not_proved")


def _trouble(data: bytes, expected: Expected) -> str:
    times: list[Fraction] = []
    likeness: dict[int, float] = {}
    samples = 0
    with av.open(io.BytesIO(data), "r") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        decoded: Iterator[object] = iter(container.decode())
        for frame in decoded:
            if not isinstance(frame, VideoFrame):
                samples += frame.samples if isinstance(frame, AudioFrame) else 0
            else:
                if frame.pts is None or (frame.width, frame.height) != expected.size:
                    return f"a frame of {frame.width}x{frame.height} at {frame.pts}"
                if (encoded := expected.pictures.get(len(times))) is not None:
                    likeness[len(times)] = decibels(luma_of(frame), encoded)
                times.append(frame.pts * Fraction(stream.time_base or 1))
        tick = Fraction(stream.time_base or 1)
        if bool(container.streams.audio) != (expected.samples is not None):
            return "sound is missing, or there where none was written"
    wanted = [ticks * expected.time_base for ticks in expected.ticks]
    if len(times) != len(wanted):
        return f"it shows {len(times)} of {len(wanted)} frames"
    if any(abs(time - want) > tick for time, want in zip(times, wanted, strict=True)):
        return "frames are shown at other times"
    if expected.samples is not None and abs(samples - expected.samples) > AAC_FRAME:
        return f"it has {samples} of {expected.samples} samples of sound"
    for number in compared(len(wanted)):
        if number not in likeness:
            return f"frame {number} was not compared"
        if likeness[number] < _LEAST_DECIBELS:
            return f"frame {number} is another one ({likeness[number]:.1f} dB)"
    return ""


def compared(frames: int) -> set[int]:
    """Which of so many frames are compared: the first, the middle one, the last."""
    return {0, frames // 2, frames - 1}


def decibels(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    """PSNR of two luma pictures [H, W], over means of small cells."""
    error = float(np.mean((_cells(one) - _cells(other)) ** 2))
    return 99.0 if error <= 0 else min(99.0, 10 * float(np.log10(255**2 / error)))


def _cells(luma: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    rows, columns = (-(-side // _CELL) * _CELL for side in luma.shape)
    padding = ((0, rows - luma.shape[0]), (0, columns - luma.shape[1]))
    padded = np.pad(luma, padding, mode="edge").astype(np.float32)
    means = padded.reshape(rows // _CELL, _CELL, columns // _CELL, _CELL).mean(axis=(1, 3))
    return np.asarray(means, np.float32)
