"""Fades through one tone (black, white): found from brightness alone, no picture needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from internvid.scan.transitions.window import Float32, Float64

Flags = npt.NDArray[np.bool_]
BLANK_SPREAD = 3.5
LONGEST_FADE_SECONDS = 3.0
LONG_HOLD_SECONDS = 0.6
FADE_SCORE = 0.9


def mark_blank(traces: Mapping[str, Float32]) -> Flags:
    """Which frames show nothing but one dark or bright tone."""
    luma = traces["luma"]
    blank: Flags = (traces["spread"] < BLANK_SPREAD) & ((luma < 48) | (luma > 200))
    return blank


@dataclass(frozen=True)
class Fade:
    """A fade: index in the video of the frame that stands for it, whole length, confidence.

    That is the frame at its middle where it is a boundary.
    """

    frame: int
    length_seconds: float
    score: float = FADE_SCORE


@dataclass(frozen=True)
class _Run:
    """Blank frames that follow one another, as far as they are known when they begin.

    Attributes:
        opens: whether the video begins with them.
        frame: index in the video of the first of them.
        start_seconds: first of them. begin_seconds: where the fade into them begins.
        fade: the fade into them, if there is one.
    """

    opens: bool
    frame: int
    start_seconds: float
    begin_seconds: float
    fade: Fade | None


@dataclass
class FadeFinder:
    """Finds fades while frames pass by; holds a few seconds of numbers.

    A picture that fades into one tone, and another that fades out of it, are one boundary in
    the middle of the tone. Where the tone is held longer than `LONG_HOLD_SECONDS` it is a shot
    of its own: two boundaries, one in each fade. What opens or ends the video is none: a fade
    there is noted with the blank frame that it leaves or reaches, and its length.

    Attributes:
        first_lit, last_lit: index in the video of the first and the last frame that is not blank.
        found: fades so far, in time order.
        opening, closing: fades out of the tone that the video begins with, and into the one that it
            ends with.
    """

    first_lit: int | None = None
    last_lit: int | None = None
    found: list[Fade] = field(default_factory=list)
    opening: Fade | None = None
    closing: Fade | None = None
    _first: int = 0
    _at: int = 0
    _run: _Run | None = None
    _seconds: Float64 = field(default_factory=lambda: np.zeros(0))
    _spread: Float32 = field(default_factory=lambda: np.zeros(0, np.float32))
    _ncc: Float32 = field(default_factory=lambda: np.zeros(0, np.float32))
    _blank: Flags = field(default_factory=lambda: np.zeros(0, bool))

    def append(self, seconds: Float64, traces: Mapping[str, Float32]) -> None:
        """Take the next frames: their times, never decreasing, and their traces."""
        blank = mark_blank(traces)
        lit = np.flatnonzero(~blank) + self._first + len(self._blank)
        if len(lit):
            self.first_lit = int(lit[0]) if self.first_lit is None else self.first_lit
            self.last_lit = int(lit[-1])
        self._seconds = np.concatenate([self._seconds, seconds])
        self._spread = np.concatenate([self._spread, traces["spread"]])
        self._ncc = np.concatenate([self._ncc, traces["ncc"]])
        self._blank = np.concatenate([self._blank, blank])
        self._advance(is_last=False)

    def finish(self) -> list[Fade]:
        """Every fade of the video."""
        self._advance(is_last=True)
        run = self._run
        if run is not None and run.fade is not None and not run.opens:
            self.closing = Fade(run.frame, run.start_seconds - run.begin_seconds)
        return self.found

    def _advance(self, *, is_last: bool) -> None:
        """Find the ends of runs, each once enough of what follows is known."""
        count = len(self._blank)
        while True:
            wanted = self._run is None
            at = self._at + int(np.argmax(np.append(self._blank[self._at :], wanted) == wanted))
            self._at = at
            if at >= count or not (is_last or self._may_follow(at)):
                break
            if self._run is None:
                begin = self._follow(at, -1)
                start_seconds, begin_seconds = (float(self._seconds[k]) for k in (at, begin))
                lasted = start_seconds - begin_seconds
                fade = self._fade(begin_seconds + lasted / 2, lasted) if begin < at - 1 else None
                frame = self._first + at
                self._run = _Run(frame == 0, frame, start_seconds, begin_seconds, fade)
            else:
                self._end(self._run, at)
                self._run = None
        self._forget()

    def _may_follow(self, at: int) -> bool:
        """Whether all is known that following a fade from a run's first or last frame asks for."""
        if self._run is None:
            return at < len(self._blank) - 1
        return bool(self._seconds[-2] - self._seconds[at - 1] >= LONGEST_FADE_SECONDS)

    def _forget(self) -> None:
        if not self._at:
            return
        reach = self._seconds[self._at - 1] - LONGEST_FADE_SECONDS
        old = int(np.searchsorted(self._seconds, reach)) - 3
        if old > 0:
            self._seconds, self._spread = self._seconds[old:], self._spread[old:]
            self._ncc, self._blank = self._ncc[old:], self._blank[old:]
            self._first += old
            self._at -= old

    def _end(self, run: _Run, stop: int) -> None:
        """Note the fades around a run of blank frames that ends before frame `stop`."""
        seconds = self._seconds
        end = self._follow(stop - 1, 1)
        is_out = end > stop
        if run.opens:
            if is_out:
                lasted = float(seconds[end]) - float(seconds[stop - 1])
                self.opening = Fade(self._first + stop - 1, lasted)
            return
        if float(seconds[stop]) - run.start_seconds <= LONG_HOLD_SECONDS:
            if run.fade and is_out:
                middle = (run.start_seconds + float(seconds[stop])) / 2
                reach = max(middle - run.begin_seconds, float(seconds[end]) - middle)
                self.found.append(self._fade(middle, 2 * reach))
            return
        if run.fade:
            self.found.append(run.fade)
        if is_out:
            lasted = float(seconds[end]) - float(seconds[stop - 1])
            self.found.append(self._fade(float(seconds[stop - 1]) + lasted / 2, lasted))

    def _fade(self, middle_seconds: float, length_seconds: float) -> Fade:
        frame = int(np.searchsorted(self._seconds, middle_seconds))
        return Fade(self._first + frame, length_seconds)

    def _follow(self, edge: int, direction: int) -> int:
        """The frame, away from a blank run's edge, at which the fade is over.

        A fade changes the spread little by little while the picture keeps its structure: one step
        never takes most of the way.
        """
        spread, seconds, ncc = self._spread, self._seconds, self._ncc
        place = edge
        while (
            0 < place < len(spread) - 1
            and abs(seconds[place + direction] - seconds[edge]) < LONGEST_FADE_SECONDS
        ):
            ahead = place + direction
            two = min(max(ahead + direction, 0), len(spread) - 1)
            if max(spread[ahead], spread[two]) < spread[place] * 1.01 + 0.05:
                break
            # Correlation of almost blank pictures is noise; it counts once structure is there.
            link = max(ahead, place)
            if spread[min(ahead, place)] > 12 and ncc[link] < 0.6:
                break
            place = ahead
        if abs(place - edge) < 2:
            return edge
        near = edge + direction
        is_sudden = abs(float(spread[near]) - float(spread[edge])) > 0.6 * float(spread[place])
        return edge if is_sudden or spread[place] < 3 * BLANK_SPREAD else place
