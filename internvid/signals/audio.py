"""How loud a clip is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from internvid.core.contracts import PickFacts
from internvid.core.types import Timeline, TimeSpan

NO_SOUND_DBFS = -100.0

# A packet of sound crosses the cut, and its codec smears it: the ends may hear the neighbours.
_EDGE_SECONDS = 0.1


@dataclass(frozen=True)
class AudioSignal:
    """Level of the sound in dBFS (0 is full scale, -100 none at all).

    `loudness_mean` averages power, `loudness_peak` is the loudest moment; both are null where there
    is no sound at all. Whether a video has a sound track stands in the videos table.

    Attributes:
        silent_dbfs: a clip whose peak stays below this is silent.
    """

    version: ClassVar[int] = 2
    columns: ClassVar[Mapping[str, str]] = {
        "loudness_mean": "double",
        "loudness_peak": "double",
        "is_silent": "bool",
    }
    silent_dbfs: float = -60.0

    def measure(
        self, timeline: Timeline, span: TimeSpan, picks: Sequence[PickFacts]
    ) -> dict[str, Any]:
        """The columns of one clip; levels are null where it has no sound."""
        if "loudness" not in timeline.stored:
            return dict.fromkeys(self.columns)
        levels = timeline.column("loudness")[timeline.frames_in(_inside(span))]
        if not (levels > NO_SOUND_DBFS).any():
            return {"loudness_mean": None, "loudness_peak": None, "is_silent": True}
        peak = float(levels.max())
        return {
            "loudness_mean": float(10 * np.log10(np.mean(10 ** (levels / 10)))),
            "loudness_peak": peak,
            "is_silent": peak < self.silent_dbfs,
        }


def _inside(span: TimeSpan) -> TimeSpan:
    edge = min(_EDGE_SECONDS, span.duration_seconds / 4)
    return TimeSpan(span.start_seconds + edge, span.end_seconds - edge)
