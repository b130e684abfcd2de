"""Which colours a clip clearly shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from internvid.core.contracts import PickFacts
from internvid.core.types import Timeline, TimeSpan
from internvid.signals.borders import bar_shares
from internvid.video.colours import COLOUR_NAMES

BLACK = COLOUR_NAMES.index("black")


@dataclass(frozen=True)
class ColoursSignal:
    """Named colours by how much of the picture they fill, in three of four picks at least.

    Attributes:
        least_share: a colour that fills less is not named.
    """

    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, str]] = {
        "colour_names": "list<string>",
        "colour_shares": "list<float>",
    }
    least_share: float = 0.2

    def measure(
        self, timeline: Timeline, span: TimeSpan, picks: Sequence[PickFacts]
    ) -> dict[str, Any]:
        """Names, largest first, and their shares; null without picks."""
        if not picks:
            return dict.fromkeys(self.columns)
        rows = np.stack([np.frombuffer(pick.colours, np.uint8) for pick in picks])
        # A colour that a pan or a change of light sweeps past is none of the clip's.
        shares = np.percentile(rows, 25, axis=0) / 255
        if "bar_rows" in timeline.stored:
            letterbox, pillarbox = bar_shares(timeline, span)
            # Black bars are no colour of the scene.
            inside = max(0.1, (1 - letterbox) * (1 - pillarbox))
            shares[BLACK] = max(0.0, shares[BLACK] - (1 - inside))
            shares = np.minimum(shares / inside, 1.0)
        order = [int(at) for at in np.argsort(-shares, kind="stable")]
        kept = [at for at in order if shares[at] >= self.least_share]
        return {
            "colour_names": [COLOUR_NAMES[at] for at in kept],
            "colour_shares": [float(shares[at]) for at in kept],
        }
