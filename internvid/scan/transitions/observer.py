"""Observer that leaves the evidence for shot boundaries in the timeline.

Everything that needs pictures is measured here, once, while the video is decoded; where
to cut is decided later from these columns alone (`internvid.shots.default`).
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from internvid.core.contracts import Planes
from internvid.core.types import CLOSING_FADE, OPENING_FADE, ColumnSpec
from internvid.scan.holds import FilledFrames, HoldFiller
from internvid.scan.timeline_columns import StoredColumns, decode_columns
from internvid.scan.transitions.classifiers import Classifiers, load_classifiers
from internvid.scan.transitions.fades import FadeFinder, mark_blank
from internvid.scan.transitions.gradual import (
    LENGTHS_SECONDS,
    measure_gradual,
    propose_gradual,
    trace_extent,
)
from internvid.scan.transitions.hard_cuts import measure_cuts, propose_cuts
from internvid.scan.transitions.window import Float32, Float64, FrameWindow, Int64

KINDS = ("none", "dissolve", "wipe", "fade")
CONTEXT_SECONDS = 2.4
CHUNK_SECONDS = 3.2
MOST_FRAMES = 1600
PART_FRAMES = 64
LEAST_PROBABILITY = 0.04
LEAST_STORED = 0.5 / 255  # less is stored as 0
MOST_APART_SECONDS = 0.5 * LENGTHS_SECONDS[-1]


@dataclass(frozen=True)
class _Event:
    """A window that may hold a gradual transition.

    Attributes:
        middle_seconds, length_seconds: of the transition in it.
        frame: index in the video of the frame it is noted at.
        before, after: index of a frame on either side of it.
        is_blank: whether each of these two is blank.
    """

    middle_seconds: float
    length_seconds: float
    probability: float
    kind: int
    frame: int
    before: int
    after: int
    is_blank: tuple[bool, bool]


@dataclass
class TransitionObserver:
    """Measures hard and gradual changes of the picture.

    Holds the pictures of about eight seconds, at most 1600 + 64 frames (under 10 MB), of the
    whole video only what was found and one byte a frame.

    Attributes:
        judges: what turns features into probabilities.
        _on_candidates: called with (name, frames or centres, lengths, features) of every
            candidate measured; for fitting the classifiers, None otherwise.
    """

    version: ClassVar[int] = 3
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
            "uint8",
            1.0,
            unit="",
            meaning="0 none, 1 dissolve, 2 wipe, 3 fade; 4 a fade opens, 5 one ends the video",
        ),
    }

    judges: Classifiers = field(default_factory=load_classifiers)
    _on_candidates: Callable[[str, Float64, Float64, Float32], None] | None = None
    _holds: HoldFiller = field(default_factory=HoldFiller)
    _window: FrameWindow = field(default_factory=FrameWindow)
    _fades: FadeFinder = field(default_factory=FadeFinder)
    _jumps: StoredColumns = field(init=False, repr=False)
    _done: int = 0
    _cuts: dict[int, float] = field(default_factory=dict)
    _gradual: list[_Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._jumps = StoredColumns({"jump": self.columns["jump"]})

    def observe(self, batch: Planes) -> None:
        """Take the next frames, in order."""
        for start in range(0, len(batch.pts_seconds), PART_FRAMES):
            self._take(self._holds.fill(batch, slice(start, start + PART_FRAMES)))
            self._advance(is_last=False)

    def _take(self, filled: FilledFrames) -> None:
        window = self._window
        held = len(window.seconds)
        window.append(filled)
        # Repeats are surroundings, no frames: they have no row, and no fade is found in them.
        new = held + np.flatnonzero(~filled.is_repeat)
        traces = {name: trace[new] for name, trace in window.traces.items()}
        self._jumps.append(traces["jump"][:, None])
        self._fades.append(window.seconds[new], traces)

    def finish(self) -> dict[str, npt.NDArray[np.float64]]:
        """Columns in their own units, one value for each observed frame."""
        return decode_columns(self.columns, self.finish_stored())

    def finish_stored(self) -> dict[str, npt.NDArray[Any]]:
        """Timeline columns in their stored form."""
        ending = self._holds.finish()
        if ending is not None:
            self._window.append(ending)
        self._advance(is_last=True)
        stored = self._jumps.stored()
        for name in self.columns.keys() - stored.keys():
            stored[name] = np.zeros(len(stored["jump"]), self.columns[name].dtype)
        cuts = self._holds.weigh(self._cuts, self.columns["jump"].decode(stored["jump"]))
        self._fill(stored, "cut", cuts)
        leads = [
            (e.frame, (e.probability, e.length_seconds, e.kind))
            for e in self._choose_gradual()
            if not self._is_opening_or_end(e)
        ]
        fade = KINDS.index("fade")
        leads += [(f.frame, (f.score, f.length_seconds, fade)) for f in self._fades.finish()]
        best: dict[int, tuple[float, float, int]] = {}
        for frame, values in leads:
            if values[0] > best.get(frame, (0.0, 0.0, 0))[0]:
                best[frame] = values
        fades = self._fades
        edges = ((fades.opening, OPENING_FADE), (fades.closing, CLOSING_FADE))
        # No boundaries: their probability stays 0.
        for edge, kind in edges:
            if edge is not None:
                best.setdefault(edge.frame, (0.0, edge.length_seconds, kind))
        for at, name in enumerate(("gradual", "gradual_seconds", "gradual_kind")):
            self._fill(stored, name, {frame: values[at] for frame, values in best.items()})
        return stored

    def _fill(
        self, stored: Mapping[str, npt.NDArray[Any]], name: str, values: Mapping[int, float]
    ) -> None:
        """Write a column's values at some frames."""
        places = np.fromiter(values, np.int64, len(values))
        stored[name][places] = self.columns[name].encode(list(values.values()))

    def _is_opening_or_end(self, event: _Event) -> bool:
        """Whether a change only opens or ends the video.

        It does if one side is a blank stretch that reaches the video's own start or end; two
        blank sides are no shots at all.
        """
        first, last = self._fades.first_lit, self._fades.last_lit
        if first is None or last is None:
            return all(event.is_blank)
        opens = event.is_blank[0] and first >= event.before
        return all(event.is_blank) or opens or (event.is_blank[1] and last < event.after)

    def _advance(self, *, is_last: bool) -> None:
        """Classify the frames whose surroundings are complete, then forget old pictures."""
        window = self._window
        count = len(window.seconds)
        if not count:
            return
        if is_last:
            stop = count
        else:
            ready = int(np.searchsorted(window.seconds, window.seconds[-1] - CONTEXT_SECONDS))
            stop = min(ready, count - 5)
            if count > MOST_FRAMES:
                stop = max(stop, count - MOST_FRAMES // 2)
            elif (
                stop <= self._done
                or window.seconds[stop] - window.seconds[self._done] < CHUNK_SECONDS
            ):
                return
        if stop <= self._done:
            return
        self._score_hard_cuts(self._done, stop)
        begin = float(window.seconds[self._done])
        end = np.inf if is_last else float(window.seconds[stop])
        self._score_gradual(begin, min(end, float(window.seconds[-1]) + 1e-3))
        oldest = int(np.searchsorted(window.seconds, window.seconds[stop - 1] - CONTEXT_SECONDS))
        old = max(min(oldest, stop - 8), stop - MOST_FRAMES // 2, 0)
        window.drop(old)
        self._done = stop - old

    def _score_hard_cuts(self, start: int, stop: int) -> None:
        frames: Int64 = propose_cuts(self._window, start, stop)
        features = measure_cuts(self._window, frames)
        places = self._window.frames[frames]
        if self._on_candidates is not None:
            self._on_candidates("cut", places.astype(np.float64), np.zeros(len(frames)), features)
        for place, probability in zip(places, self.judges.classify_cuts(features), strict=True):
            if probability >= LEAST_STORED:
                self._cuts[int(place)] = float(probability)

    def _score_gradual(self, begin_seconds: float, end_seconds: float) -> None:
        centres, lengths = propose_gradual(self._window, begin_seconds, end_seconds)
        features = measure_gradual(self._window, centres, lengths)
        if self._on_candidates is not None:
            self._on_candidates("gradual", centres, lengths, features)
        probabilities, kinds = self.judges.classify_gradual(features)
        for k in np.flatnonzero(probabilities > LEAST_PROBABILITY):
            middle, length = trace_extent(self._window, float(centres[k]), float(lengths[k]))
            self._gradual.append(
                self._locate(middle, length, float(probabilities[k]), int(kinds[k]))
            )

    def _locate(self, middle: float, length: float, probability: float, kind: int) -> _Event:
        """An event with the frames that it concerns, while they are held."""
        window = self._window
        times = [middle - 0.6 * length, middle + 0.6 * length]
        last = len(window.seconds) - 1
        before, after = np.clip(np.searchsorted(window.seconds, times, side="right") - 1, 0, last)
        frame = min(int(np.searchsorted(window.seconds, middle)), last)
        blank = mark_blank({name: window.traces[name][[before, after]] for name in window.traces})
        return _Event(
            middle,
            length,
            probability,
            kind,
            min(window.shown_from(frame), int(window.frames[-1])),
            int(window.frames[before]),
            int(window.frames[after]),
            (bool(blank[0]), bool(blank[1])),
        )

    def _choose_gradual(self) -> list[_Event]:
        """One window for each event: it answers in many, and the best of those is kept."""
        chosen: list[_Event] = []
        places: list[float] = []
        for event in sorted(self._gradual, key=lambda e: (-e.probability, e.middle_seconds)):
            middle = event.middle_seconds
            low = bisect.bisect_left(places, middle - MOST_APART_SECONDS)
            high = bisect.bisect_right(places, middle + MOST_APART_SECONDS)
            if all(
                abs(middle - other.middle_seconds)
                > 0.3 * max(event.length_seconds, other.length_seconds)
                for other in chosen[low:high]
            ):
                place = bisect.bisect_left(places, middle)
                places.insert(place, middle)
                chosen.insert(place, event)
        return chosen
