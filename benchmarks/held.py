"""Scores shot detection on hand-marked videos of which few frames a second are kept.

    python -m benchmarks.held --media FOLDER [--rates 2,1,0.5,0.25] [--json out.json]

Stands for slow sequences of stills and recordings that hold their frames. FOLDER is that of
`benchmarks.shots`; files that show one shot count too, for false alarms. A boundary is right at the
first kept frame at or after its mark; marks between two kept frames are one.
"""

from __future__ import annotations

import argparse
import json
from fractions import Fraction
from pathlib import Path

import numpy as np

from benchmarks.shots import list_marked, list_single
from internvid.core.types import FloatArray, Timeline
from internvid.evaluation.benchmarks.shot_metrics import (
    SCORED_KINDS,
    BoundaryCounts,
    Mark,
    list_boundaries,
    score_boundaries,
)
from internvid.scan.transitions.observer import TransitionObserver
from internvid.shots.default import DefaultDetector
from internvid.video.decode import Picture, open_video
from internvid.video.planes import PlaneSampler

TICKS = 90_000


def timelines(path: Path, rates: list[float]) -> dict[float, Timeline]:
    """Rate -> the timeline of the frames that are kept at it, of one decode."""
    observers = {rate: TransitionObserver() for rate in rates}
    samplers = {rate: PlaneSampler() for rate in rates}
    seconds: dict[float, list[float]] = {rate: [] for rate in rates}
    with open_video(path) as opened:
        for item in opened.read():
            if not isinstance(item, Picture):
                continue
            now = item.ticks * float(opened.facts.time_base)
            for rate, sampler in samplers.items():
                if now < len(seconds[rate]) / rate - 1e-6:
                    continue
                # The next grid instant is after this frame, however long it was waited for.
                seconds[rate].append(now)
                sampler.add(item.frame, now)
                if not sampler.room and (batch := sampler.take()) is not None:
                    observers[rate].observe(batch)
        end = opened.report.end_ticks * float(opened.facts.time_base)
    found = {}
    for rate, sampler in samplers.items():
        if (batch := sampler.take()) is not None:
            observers[rate].observe(batch)
        pts = np.rint(np.asarray(seconds[rate]) * TICKS).astype(np.int64)
        stored = observers[rate].finish_stored()
        specs = dict(TransitionObserver.columns)
        found[rate] = Timeline(path.name, pts, Fraction(1, TICKS), end, stored, specs)
    return found


def marks_at(marks: list[Mark], seconds: FloatArray) -> list[Mark]:
    """Marks as they can be seen in the kept frames."""
    moved: dict[tuple[str, float], Mark] = {}
    for mark in marks:
        at = np.searchsorted(seconds, [mark.start_seconds - 1e-3, mark.end_seconds - 1e-3])
        if at[0] >= len(seconds):
            continue
        first, last = seconds[at[0]], seconds[min(at[1], len(seconds) - 1)]
        name = "one" if mark.kind in SCORED_KINDS else mark.kind
        moved.setdefault((name, float(first)), Mark(mark.kind, float(first), float(last)))
    return list(moved.values())


def main() -> None:
    """Measure every rate on every marked file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--media", type=Path, required=True, help="folder of marked videos")
    parser.add_argument("--rates", default="2,1,0.5,0.25", help="frames a second that are kept")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rates = [float(rate) for rate in options.rates.split(",")]
    totals = dict.fromkeys(rates, BoundaryCounts())
    files = list_marked(options.media)
    files.update({path: [] for path in list_single(options.media) if path not in files})
    for path, marks in files.items():
        for rate, timeline in timelines(path, rates).items():
            boundaries = list_boundaries(DefaultDetector().detect(timeline))
            totals[rate] += score_boundaries(boundaries, marks_at(marks, timeline.pts_seconds))
    print("frames a second     F1  found  false  missed")
    for rate, total in totals.items():
        print(f"{rate:15g} {total.f1:6.3f} {total.found:6} {total.false:6} {total.missed:7}")
    if options.json:
        report = {str(rate): [t.found, t.false, t.missed] for rate, t in totals.items()}
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
