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

Stored = dict[str, npt.NDArray[Any]]
Float64 = npt.NDArray[np.float64]

SILENCE_DBFS = -100.0
_FRAMES_AT_ONCE = 1 << 16
_FULL_SCALE = {"u8": 128.0, "s16": 32768.0, "s32": 2147483648.0, "flt": 1.0, "dbl": 1.0}


@dataclass
class LoudnessMeter:
    """Root-mean-square level of the audio, in decibels below full scale (dBFS).

    A video frame gets the power of the audio frames that start nearest before it; -100 means
    silence or no sound at all.
    """

    columns: ClassVar[Mapping[str, ColumnSpec]] = {
        "loudness": ColumnSpec(
            "uint8", 0.5, SILENCE_DBFS, unit="dBFS", meaning="level of the sound, -100 is silence"
        )
    }
    _seconds: array[float] = field(default_factory=lambda: array("d"), repr=False)
    _power: array[float] = field(default_factory=lambda: array("d"), repr=False)

    def hear(self, frame: AudioFrame) -> None:
        """Take one audio frame, in stream order."""
        if frame.time is None or frame.samples == 0:
            return
        name = frame.format.name.removesuffix("p")
        if name not in _FULL_SCALE:
            return
        samples = frame.to_ndarray().astype(np.float32)
        if name == "u8":
            samples -= 128
        flat = samples.reshape(-1) / np.float32(_FULL_SCALE[name])
        power = float(np.dot(flat, flat)) / flat.size
        self._seconds.append(frame.time)
        self._power.append(power if np.isfinite(power) else 0.0)

    def finish(self, ticks: npt.NDArray[np.int64], clock: tuple[float, float]) -> Stored:
        """The loudness column as it is stored.

        Args:
            ticks: int64 [N], time of each video frame.
            clock: seconds a tick, and the container's time, in seconds, of tick 0.
        """
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
