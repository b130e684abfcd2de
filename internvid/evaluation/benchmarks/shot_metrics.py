"""Scores shot boundaries against marks, as people mark films.

A hard cut is found within 0.12 s. A dissolve or wipe is found anywhere inside it, 0.15 s
beyond its ends allowed. What falls into fades, overlays and ambiguous marks counts neither way.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from internvid.core.types import Shot

CUT_TOLERANCE_SECONDS = 0.12
GRADUAL_TOLERANCE_SECONDS = 0.15
SCORED_KINDS = ("cut", "dissolve", "wipe")
IGNORED_KINDS = ("fade", "fade_in", "fade_out", "title_overlay", "ambiguous")


@dataclass(frozen=True)
class Mark:
    """One hand mark.

    Attributes:
        kind: `cut`, `dissolve`, `wipe`: to be found; `fade`, `fade_in`, `fade_out`,
            `title_overlay`, `ambiguous`: not scored; anything else (`distractor`): no boundary.
        start_seconds, end_seconds: equal for a cut.
        note: free words.
    """

    kind: str
    start_seconds: float
    end_seconds: float
    note: str = ""


@dataclass(frozen=True)
class BoundaryCounts:
    """Right, false and missed boundaries; they add up over files."""

    found: int = 0
    false: int = 0
    missed: int = 0

    def __add__(self, other: BoundaryCounts) -> BoundaryCounts:
        return BoundaryCounts(
            self.found + other.found, self.false + other.false, self.missed + other.missed
        )

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 where there was nothing to find or report."""
        total = 2 * self.found + self.false + self.missed
        return 2 * self.found / total if total else 1.0


def load_marks(path: Path) -> list[Mark]:
    """Marks of a CSV file with the columns frame, time_s, type, end_s, note."""
    marks = []
    with path.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            start = float(row["time_s"])
            end = float(row["end_s"]) if row.get("end_s") else start
            marks.append(Mark(row["type"], start, end, row.get("note") or ""))
    return marks


def list_boundaries(shots: Iterable[Shot]) -> list[float]:
    """Seconds at which shots begin, without the start of the video and divided takes."""
    return [s.span.start_seconds for s in shots if s.transition not in ("start", "split")]


def match_marks(boundaries: Sequence[float], marks: Sequence[Mark]) -> dict[int, int]:
    """Which mark (index) each boundary (index) finds: the most pairs, one to one."""
    choices = {b: _fitting(seconds, marks) for b, seconds in enumerate(boundaries)}
    owner: dict[int, int] = {}
    for boundary in choices:
        _assign(boundary, choices, owner, set())
    return {boundary: mark for mark, boundary in owner.items()}


def _fitting(seconds: float, marks: Sequence[Mark]) -> list[int]:
    fitting = []
    for index, mark in enumerate(marks):
        if mark.kind not in SCORED_KINDS:
            continue
        tolerance = CUT_TOLERANCE_SECONDS if mark.kind == "cut" else GRADUAL_TOLERANCE_SECONDS
        if mark.start_seconds - tolerance <= seconds <= mark.end_seconds + tolerance:
            fitting.append(index)
    return sorted(fitting, key=lambda i: abs(seconds - marks[i].start_seconds))


def _assign(
    boundary: int, choices: dict[int, list[int]], owner: dict[int, int], tried: set[int]
) -> bool:
    """Augmenting path: give the boundary a mark, moving earlier ones if that frees one."""
    for mark in choices[boundary]:
        if mark in tried:
            continue
        tried.add(mark)
        if mark not in owner or _assign(owner[mark], choices, owner, tried):
            owner[mark] = boundary
            return True
    return False


def score_boundaries(boundaries: Sequence[float], marks: Sequence[Mark]) -> BoundaryCounts:
    """Counts for one video.

    Args:
        boundaries: reported seconds, in any order.
        marks: everything marked in the video.
    """
    matched = match_marks(boundaries, marks)
    false = 0
    for index, seconds in enumerate(boundaries):
        if index not in matched and not _is_ignored(seconds, marks):
            false += 1
    wanted = sum(mark.kind in SCORED_KINDS for mark in marks)
    return BoundaryCounts(len(matched), false, wanted - len(matched))


def _is_ignored(seconds: float, marks: Sequence[Mark]) -> bool:
    return any(
        mark.kind in IGNORED_KINDS
        and mark.start_seconds - GRADUAL_TOLERANCE_SECONDS
        <= seconds
        <= mark.end_seconds + GRADUAL_TOLERANCE_SECONDS
        for mark in marks
    )
