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

SILENCE_DBFS = -100.0
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

    def finish(self, frame_seconds: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[Any]]:
        """The loudness column.

        Args:
            frame_seconds: float64 [N], time of each video frame on the container's clock.
        """
        levels = np.full(frame_seconds.shape, SILENCE_DBFS)
        if self._seconds:
            starts = np.asarray(self._seconds)
            power = np.asarray(self._power)
            order = np.argsort(starts, kind="stable")
            starts, power = starts[order], power[order]
            # Mean power from each frame to the next, by difference of running sums.
            total = np.concatenate([[0.0], np.cumsum(power)])
            first = np.maximum(np.searchsorted(starts, frame_seconds, side="right") - 1, 0)
            after = np.append(first[1:], len(starts))
            count = np.maximum(after - first, 1)
            mean = (total[np.minimum(first + count, len(power))] - total[first]) / count
            covered = (frame_seconds >= starts[0] - 0.5) & (frame_seconds <= starts[-1] + 0.5)
            levels = np.where(covered, 10 * np.log10(np.maximum(mean, 1e-10)), SILENCE_DBFS)
        return {"loudness": np.clip(levels, SILENCE_DBFS, 0.0)}
