"""Sharpness and light of a clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from internvid.core.contracts import PickFacts
from internvid.core.types import Timeline, TimeSpan
from internvid.signals.borders import bar_shares

_BLACK, _RANGE = 16.0, 219.0


@dataclass(frozen=True)
class QualitySignal:
    """Sharpness of the picks, and exposure inside the black bars.

    `sharpness` is the median variance of the Laplacian, in levels squared. `brightness` (mean)
    and `contrast` (deviation) run from 0 to 1; `brightness_range` is how far the brightness
    wanders in the clip (5th to 95th percentile). `black_share` is the mean share of black cells.

    Attributes:
        dark_below, bright_above: brightness that counts as dark or bright.
        black_above: share of black cells from which a frame is black.
    """

    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, str]] = {
        "sharpness": "double",
        "brightness": "double",
        "brightness_range": "double",
        "contrast": "double",
        "is_dark": "bool",
        "is_bright": "bool",
        "black_share": "double",
        "black_frames_share": "double",
    }
    dark_below: float = 0.28
    bright_above: float = 0.62
    black_above: float = 0.98

    def measure(
        self, timeline: Timeline, span: TimeSpan, picks: Sequence[PickFacts]
    ) -> dict[str, Any]:
        """The columns of one clip; null where it has no frames (sharpness: no picks)."""
        frames = timeline.frames_in(span)
        if frames.stop <= frames.start:
            return dict.fromkeys(self.columns)
        mean = timeline.column("luma_mean")[frames] - _BLACK
        rows, columns = bar_shares(timeline, span) if "bar_rows" in timeline.stored else (0.0, 0.0)
        inside = max(0.05, (1 - min(rows, 0.8)) * (1 - min(columns, 0.8)))
        brightness = float(np.clip(np.median(mean) / _RANGE / inside, 0, 1))
        black = timeline.column("black_share")[frames]
        return {
            "sharpness": float(np.median([pick.sharpness for pick in picks])) if picks else None,
            "brightness": brightness,
            "brightness_range": float(np.ptp(np.percentile(mean, (5, 95))) / _RANGE / inside),
            "contrast": float(np.median(timeline.column("luma_spread")[frames]) / _RANGE),
            "is_dark": brightness < self.dark_below,
            "is_bright": brightness > self.bright_above,
            "black_share": float(black.mean()),
            "black_frames_share": float((black >= self.black_above).mean()),
        }
