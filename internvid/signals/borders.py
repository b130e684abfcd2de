"""Black bars around the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from internvid.core.contracts import PickFacts
from internvid.core.types import Timeline, TimeSpan


@dataclass(frozen=True)
class BordersSignal:
    """Bars above and below (letterbox) and at the sides (pillarbox), as shares of the picture.

    Attributes:
        least_share: narrower bars are not counted (an encoder's edge).
        most_share: wider "bars" are a dark picture.
    """

    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, str]] = {
        "letterbox_share": "double",
        "pillarbox_share": "double",
        "has_borders": "bool",
    }
    least_share: float = 0.03
    most_share: float = 0.8

    def measure(
        self, timeline: Timeline, span: TimeSpan, picks: Sequence[PickFacts]
    ) -> dict[str, Any]:
        """The columns of one clip."""
        letterbox, pillarbox = bar_shares(timeline, span)
        letterbox = letterbox if self.least_share <= letterbox <= self.most_share else 0.0
        pillarbox = pillarbox if self.least_share <= pillarbox <= self.most_share else 0.0
        return {
            "letterbox_share": letterbox,
            "pillarbox_share": pillarbox,
            "has_borders": letterbox > 0 or pillarbox > 0,
        }


def bar_shares(timeline: Timeline, span: TimeSpan) -> tuple[float, float]:
    """Height and width under bars, as shares of the picture.

    Bars hold for the whole clip, darkness near the edge comes and goes: the low end counts.
    """
    frames = timeline.frames_in(span)
    if frames.stop <= frames.start:
        return 0.0, 0.0
    rows, columns = (timeline.column(name)[frames] for name in ("bar_rows", "bar_columns"))
    return float(np.percentile(rows, 5)), float(np.percentile(columns, 5))
