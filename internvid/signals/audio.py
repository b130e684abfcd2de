"""How loud a clip is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from internvid.core.contracts import PickFacts
from internvid.core.types import Timeline, TimeSpan

NO_SOUND_DBFS = -100.0


@dataclass(frozen=True)
class AudioSignal:
    """Level of the sound in dBFS (0 is full scale, -100 none at all).

    `loudness_mean` averages power, `loudness_peak` is the 95th percentile. `has_audio` is false
    where the whole video gives no sound at all: without a track, or with an empty one.

    Attributes:
        silent_dbfs: a clip whose peak stays below this is silent.
    """

    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, str]] = {
        "loudness_mean": "double",
        "loudness_peak": "double",
        "is_silent": "bool",
        "has_audio": "bool",
    }
    silent_dbfs: float = -60.0

    def measure(
        self, timeline: Timeline, span: TimeSpan, picks: Sequence[PickFacts]
    ) -> dict[str, Any]:
        """The columns of one clip; levels are null where the video has no sound."""
        if "loudness" not in timeline.stored:
            return dict.fromkeys(self.columns)
        whole = timeline.column("loudness")
        levels = whole[timeline.frames_in(span)]
        has_audio = bool((whole > NO_SOUND_DBFS).any())
        if not has_audio or not len(levels):
            return {
                "loudness_mean": None, "loudness_peak": None,
                "is_silent": True, "has_audio": has_audio,
            }  # fmt: skip
        mean = 10 * np.log10(np.mean(10 ** (levels / 10)))
        peak = float(np.percentile(levels, 95))
        return {
            "loudness_mean": float(mean),
            "loudness_peak": peak,
            "is_silent": peak < self.silent_dbfs,
            "has_audio": True,
        }
