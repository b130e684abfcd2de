"""Observer that leaves the evidence for shot boundaries in the timeline.

Everything that needs pictures is measured here, once, while the video is decoded; where
to cut is decided later from these columns alone (`internvid.shots.default`).
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from internvid.core.contracts import Planes
from internvid.core.types import ColumnSpec
from internvid.scan.blank import find_fades, is_opening_or_end
from internvid.scan.gradual import LENGTHS_SECONDS, measure_gradual, propose_gradual, trace_extent
from internvid.scan.hardcuts import measure_cuts, propose_cuts
from internvid.scan.judges import Judges, load_judges
from internvid.scan.window import Float32, Float64, FrameWindow, Int64

KINDS = ("none", "dissolve", "wipe", "fade")
CONTEXT_SECONDS = 2.4
CHUNK_SECONDS = 3.2
MOST_FRAMES = 1600
PART_FRAMES = 64
LEAST_PROBABILITY = 0.04
MOST_APART_SECONDS = 0.5 * LENGTHS_SECONDS[-1]


@dataclass
class TransitionObserver:
    """Measures hard and gradual changes of the picture.

    Holds the pictures of about eight seconds, at most 1600 + 64 frames (under 10 MB).

    Attributes:
        judges: what turns features into probabilities.
        _on_candidates: called with (name, frames or centres, lengths, features) of every
            candidate measured; for fitting the judges, None otherwise.
    """

    columns: ClassVar[Mapping[str, ColumnSpec]] = {
        "jump": ColumnSpec(
            "uint8", 0.5, unit="levels", meaning="mean |YUV difference| to the frame before"
        ),
        "cut": ColumnSpec("uint8", 1 / 255, unit="probability", meaning="a hard cut begins here"),
        "gradual": ColumnSpec(
            "uint8", 1 / 255, unit="probability", meaning="middle of a gradual transition"
        ),
        "gradual_seconds": ColumnSpec("uint8", 0.02, unit="seconds", meaning="its whole length"),
        "gradual_kind": ColumnSpec(
            "uint8", 1.0, unit="", meaning="0 none, 1 dissolve, 2 wipe, 3 fade"
        ),
    }

    judges: Judges = field(default_factory=load_judges)
    _on_candidates: Callable[[str, Float64, Float64, Float32], None] | None = None
    _window: FrameWindow = field(default_factory=FrameWindow)
    _done: int = 0
    _cuts: dict[int, float] = field(default_factory=dict)
    _gradual: list[tuple[float, float, float, int]] = field(default_factory=list)

    def observe(self, batch: Planes) -> None:
        """Take the next frames, in order."""
        for start in range(0, len(batch.pts_seconds), PART_FRAMES):
            self._window.append(batch, slice(start, start + PART_FRAMES))
            self._advance(is_last=False)

    def finish(self) -> dict[str, npt.NDArray[np.float64]]:
        """Columns in their own units, one value for each observed frame."""
        self._advance(is_last=True)
        count = len(self._window.seconds)
        values = {name: np.zeros(count) for name in self.columns}
        if not count:
            return values
        values["jump"] = self._window.traces["jump"].astype(np.float64)
        for frame, probability in self._cuts.items():
            values["cut"][frame] = probability
        fades = [(*fade, KINDS.index("fade")) for fade in find_fades(self._window)]
        for middle, length, probability, kind in [*self._choose_gradual(), *fades]:
            seconds = self._window.seconds
            frame = int(np.clip(np.searchsorted(seconds, middle), 0, count - 1))
            ends = (
                np.searchsorted(
                    seconds, [middle - 0.6 * length, middle + 0.6 * length], side="right"
                )
                - 1
            )
            before, after = np.clip(ends, 0, count - 1)
            if kind != KINDS.index("fade") and is_opening_or_end(
                self._window, int(before), int(after)
            ):
                continue
            if probability > values["gradual"][frame]:
                values["gradual"][frame] = probability
                values["gradual_seconds"][frame] = length
                values["gradual_kind"][frame] = kind
        return values

    def _advance(self, *, is_last: bool) -> None:
        """Judge the frames whose surroundings are complete, then forget old pictures."""
        window = self._window
        count = len(window.seconds)
        if not count:
            return
        if is_last:
            stop = count
        else:
            ready = int(np.searchsorted(window.seconds, window.seconds[-1] - CONTEXT_SECONDS))
            stop = min(ready, count - 5)
            is_full = count - window.first > MOST_FRAMES
            if is_full:
                stop = max(stop, count - MOST_FRAMES // 2)
            elif (
                stop <= self._done
                or window.seconds[stop] - window.seconds[self._done] < CHUNK_SECONDS
            ):
                return
        if stop <= self._done:
            return
        self._judge_hard(self._done, stop)
        begin = float(window.seconds[self._done])
        end = np.inf if is_last else float(window.seconds[stop])
        self._judge_soft(begin, min(end, float(window.seconds[-1]) + 1e-3))
        self._done = stop
        oldest = int(np.searchsorted(window.seconds, window.seconds[stop - 1] - CONTEXT_SECONDS))
        window.drop_before(max(min(oldest, stop - 8), stop - MOST_FRAMES // 2))

    def _judge_hard(self, start: int, stop: int) -> None:
        frames: Int64 = propose_cuts(self._window, start, stop)
        features = measure_cuts(self._window, frames)
        if self._on_candidates is not None:
            self._on_candidates("cut", frames.astype(np.float64), np.zeros(len(frames)), features)
        for frame, probability in zip(frames, self.judges.judge_cuts(features), strict=True):
            self._cuts[int(frame)] = float(probability)

    def _judge_soft(self, begin_seconds: float, end_seconds: float) -> None:
        centres, lengths = propose_gradual(self._window, begin_seconds, end_seconds)
        features = measure_gradual(self._window, centres, lengths)
        if self._on_candidates is not None:
            self._on_candidates("gradual", centres, lengths, features)
        probabilities, kinds = self.judges.judge_gradual(features)
        for k in np.flatnonzero(probabilities > LEAST_PROBABILITY):
            middle, length = trace_extent(self._window, float(centres[k]), float(lengths[k]))
            self._gradual.append((middle, length, float(probabilities[k]), int(kinds[k])))

    def _choose_gradual(self) -> list[tuple[float, float, float, int]]:
        """One window for each event: it answers in many, and the best of those is kept."""
        chosen: list[tuple[float, float, float, int]] = []
        places: list[float] = []
        for event in sorted(self._gradual, key=lambda found: (-found[2], found[0])):
            low = bisect.bisect_left(places, event[0] - MOST_APART_SECONDS)
            high = bisect.bisect_right(places, event[0] + MOST_APART_SECONDS)
            if all(abs(event[0] - o[0]) > 0.3 * max(event[1], o[1]) for o in chosen[low:high]):
                place = bisect.bisect_left(places, event[0])
                places.insert(place, event[0])
                chosen.insert(place, event)
        return chosen
