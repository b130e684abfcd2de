"""Loudness of the sound, as one number per video frame."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame

from internvid.core.types import ColumnSpec
from internvid.video.timing.clock import is_other_clock

Stored = dict[str, npt.NDArray[Any]]
Float64 = npt.NDArray[np.float64]

SILENCE_DBFS = -100.0
_FRAMES_AT_ONCE = 1 << 16
_WAITING_FRAMES = 32  # measured in one go: alone, each costs several times as much
# Numbers of each sample format, and which of them is full scale.
_FORMATS = {
    "u8": (np.uint8, 128.0), "s16": (np.int16, 32768.0), "s32": (np.int32, 2147483648.0),
    "flt": (np.float32, 1.0), "dbl": (np.float64, 1.0),
}  # fmt: skip


@dataclass
class LoudnessMeter:
    """Root-mean-square level of the audio, in decibels below full scale (dBFS).

    A video frame gets the power of the audio frames that start nearest before it; -100 means
    silence or no sound at all. Where the clock starts again, sound goes on as the pictures do.

    Attributes:
        container: FFmpeg's name; it says how far ahead a clock may jump.
    """

    columns: ClassVar[Mapping[str, ColumnSpec]] = {
        "loudness": ColumnSpec(
            "uint8", 0.5, SILENCE_DBFS, unit="dBFS", meaning="level of the sound, -100 is silence"
        )
    }
    container: str = ""
    _shift: float = 0.0
    _end: float | None = None
    _seconds: array[float] = field(default_factory=lambda: array("d"), repr=False)
    _power: array[float] = field(default_factory=lambda: array("d"), repr=False)
    _waiting: list[AudioFrame] = field(default_factory=list, repr=False)

    def hear(self, frame: AudioFrame) -> None:
        """Take one audio frame, in stream order."""
        self._waiting.append(frame)
        if len(self._waiting) >= _WAITING_FRAMES:
            self._measure()

    def _measure(self) -> None:
        for frame in self._waiting:
            power = _power(frame)
            if power is not None and frame.time is not None:
                self._seconds.append(
                    self._settle(frame.time, frame.samples / max(1, frame.sample_rate))
                )
                self._power.append(power if np.isfinite(power) else 0.0)
        self._waiting.clear()

    def _settle(self, time: float, lasts: float) -> float:
        """The time of a frame on a clock that never starts again."""
        time += self._shift
        if self._end is not None and is_other_clock(self._end, time, self.container):
            self._shift += self._end - time
            time = self._end
        self._end = time + lasts
        return time

    def finish(self, ticks: npt.NDArray[np.int64], clock: tuple[float, float]) -> Stored:
        """The loudness column as it is stored.

        Args:
            ticks: int64 [N], time of each video frame.
            clock: seconds a tick, and the container's time, in seconds, of tick 0.
        """
        self._measure()
        spec = self.columns["loudness"]
        stored = np.full(len(ticks), spec.encode(SILENCE_DBFS), spec.dtype)
        if self._seconds:
            starts, power = np.frombuffer(self._seconds), np.frombuffer(self._power)
            order = np.argsort(starts, kind="stable")
            starts, total = starts[order], np.concatenate([[0.0], np.cumsum(power[order])])
            for at in range(0, len(ticks), _FRAMES_AT_ONCE):
                # One frame more, up to which the last of them lasts.
                part = ticks[at : at + _FRAMES_AT_ONCE + 1].astype(np.float64) * clock[0] + clock[1]
                count = min(_FRAMES_AT_ONCE, len(ticks) - at)
                stored[at : at + count] = spec.encode(_levels(part, count, starts, total))
        return {"loudness": stored}


def _power(frame: AudioFrame) -> float | None:
    """Mean square of a frame, full scale 1; None without samples, or of an unknown format."""
    name = frame.format.name.removesuffix("p")
    if name not in _FORMATS or frame.samples == 0:
        return None
    kind, full_scale = _FORMATS[name]
    channels = frame.layout.nb_channels
    # A plane may be longer than what it holds.
    count = frame.samples * (1 if frame.format.is_planar else channels)
    power = 0.0
    for plane in frame.planes:
        samples = np.frombuffer(memoryview(plane), kind, count).astype(np.float32, copy=False)
        if name == "u8":
            samples = samples - np.float32(128)
        power += float(np.dot(samples, samples))
    return power / (frame.samples * channels * full_scale**2)


def _levels(seconds: Float64, count: int, starts: Float64, total: Float64) -> Float64:
    """Level in dBFS of the first `count` video frames.

    Args:
        seconds: of these frames, and of the one after them if there is one.
        starts: of the audio frames, growing. total: running sum of their powers, from 0.
    """
    first = np.maximum(np.searchsorted(starts, seconds, side="right") - 1, 0)
    after = np.append(first[1:], len(starts))[:count]
    first, seconds = first[:count], seconds[:count]
    # Mean power from each frame to the next, by difference of running sums.
    spanned = np.maximum(after - first, 1)
    mean = (total[np.minimum(first + spanned, len(starts))] - total[first]) / spanned
    covered = (seconds >= starts[0] - 0.5) & (seconds <= starts[-1] + 0.5)
    levels = np.where(covered, 10 * np.log10(np.maximum(mean, 1e-10)), SILENCE_DBFS)
    return np.clip(levels, SILENCE_DBFS, 0.0)
