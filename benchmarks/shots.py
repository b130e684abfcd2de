"""Scores shot detectors on hand-marked videos.

    python -m benchmarks.shots --media FOLDER [--json out.json] [--thin 2]

The folder holds `cuts_<file>.csv` marks, the files in `videos/` or `odd/`, and a manifest that
says which other files show exactly one shot. PySceneDetect is measured beside ours if installed.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.takes import read_grid
from internvid.core.types import Timeline
from internvid.evaluate.shots import (
    BoundaryCounts,
    Mark,
    list_boundaries,
    load_marks,
    score_boundaries,
)
from internvid.scan.transitions import TransitionObserver
from internvid.scan.window import pool
from internvid.shots.default import DefaultDetector

Finder = Callable[[Path], list[float]]
BATCH_FRAMES = 64


@dataclass
class GridBatch:
    """Consecutive small pictures in the form observers take them."""

    luma: npt.NDArray[np.float32]
    u: npt.NDArray[np.uint8]
    v: npt.NDArray[np.uint8]
    pts_seconds: npt.NDArray[np.float64]
    luma_half: npt.NDArray[np.float32]
    u_half: npt.NDArray[np.float32]
    v_half: npt.NDArray[np.float32]


def read_batches(path: Path, thin: int = 1) -> Iterator[GridBatch]:
    """A video as batches; of `thin` frames only the first is kept."""
    frames = islice(read_grid(path, 72, 128), 0, None, thin)
    begin: float | None = None
    while chunk := list(islice(frames, BATCH_FRAMES)):
        begin = chunk[0][0] if begin is None else begin
        luma, u, v = (np.stack([frame[k] for frame in chunk]) for k in (1, 2, 3))
        halves = [pool(plane.astype(np.float32), 2, 2) for plane in (luma, u, v)]
        seconds = np.array([frame[0] for frame in chunk]) - begin
        yield GridBatch(luma.astype(np.float32), u, v, seconds, *halves)


def scan_timeline(path: Path, thin: int = 1) -> Timeline:
    """Timeline with the transition columns of one video."""
    observer, seconds = TransitionObserver(), [np.zeros(0)]
    for batch in read_batches(path, thin):
        seconds.append(batch.pts_seconds)
        observer.observe(batch)
    times = np.concatenate(seconds)
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.04
    stored = {
        name: observer.columns[name].encode(values) for name, values in observer.finish().items()
    }
    pts = np.rint(times * 90000).astype(np.int64)
    end = float(times[-1]) + step if len(times) else 0.0
    return Timeline(path.name, pts, Fraction(1, 90000), end, stored, observer.columns)


def list_finders(thin: int) -> dict[str, Finder]:
    """Detectors by name: ours, and those of PySceneDetect where it is installed."""
    finders: dict[str, Finder] = {
        "ours": lambda path: list_boundaries(DefaultDetector().detect(scan_timeline(path, thin)))
    }
    try:
        import scenedetect
    except ImportError:
        return finders

    def wrap(make: Callable[[], scenedetect.SceneDetector]) -> Finder:
        return lambda path: [
            start.seconds for start, _ in scenedetect.detect(str(path), make())[1:]
        ]

    finders["content"] = wrap(scenedetect.ContentDetector)
    finders["adaptive"] = wrap(scenedetect.AdaptiveDetector)
    finders["hash"] = wrap(scenedetect.HashDetector)
    finders["histogram"] = wrap(scenedetect.HistogramDetector)
    return finders


def list_marked(media: Path) -> dict[Path, list[Mark]]:
    """Marked files that are there, with their marks."""
    found = {}
    for marks in sorted(media.glob("cuts_*.csv")):
        name = marks.name.removeprefix("cuts_").removesuffix(".csv")
        for folder in ("videos", "odd"):
            if (media / folder / name).exists():
                found[media / folder / name] = load_marks(marks)
    return found


def list_single(media: Path) -> list[Path]:
    """Files of which the manifest says that a person saw one shot, and that decode."""
    found = []
    with (media / "MANIFEST.csv").open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            is_single = row["n_hard_cuts"] == "0" or row["file"].startswith("labelled/")
            if (
                is_single
                and row["codec"]
                and not row["decode_errors"]
                and (media / row["file"]).exists()
            ):
                found.append(media / row["file"])
    return sorted(found)


def measure(
    finder: Finder, marked: dict[Path, list[Mark]], single: list[Path]
) -> dict[str, object]:
    """Counts per marked file, totals, false alarms in single shots, seconds spent."""
    began = time.process_time()
    files = {path.name: score_boundaries(finder(path), marks) for path, marks in marked.items()}
    spent = time.process_time() - began
    alarms = {}
    for path in single:
        try:
            alarms[path.name] = len(finder(path))
        except (OSError, ValueError, RuntimeError) as error:
            # Readers differ in what they can open; a file one cannot open is no false alarm.
            alarms[path.name] = 0
            print(f"{path.name}: {type(error).__name__}: {error}")
    total = sum(files.values(), BoundaryCounts())
    return {
        "f1": total.f1,
        "found": total.found,
        "false": total.false,
        "missed": total.missed,
        "cpu_seconds": spent,
        "single_shot_alarms": sum(alarms.values()),
        "files": {name: [c.found, c.false, c.missed] for name, c in files.items()},
    }


def print_table(results: dict[str, dict[str, object]]) -> None:
    """Totals of each detector, then errors of each file."""
    print(
        f"{'detector':10s} {'F1':>6s} {'tp':>4s} {'fp':>4s} {'fn':>4s} {'alone':>6s} {'CPU s':>6s}"
    )
    for name, result in results.items():
        print(
            f"{name:10s} {result['f1']:6.3f} {result['found']:4d} {result['false']:4d} "
            f"{result['missed']:4d} {result['single_shot_alarms']:6d} {result['cpu_seconds']:6.1f}"
        )
    for file in next(iter(results.values()))["files"]:  # type: ignore[attr-defined]
        counts = "  ".join(
            f"{name} {'/'.join(map(str, result['files'][file]))}"
            for name, result in results.items()
        )  # type: ignore[index]
        print(f"{file:42s} {counts}")


def main() -> None:
    """Measure every detector on every marked file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--media", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--thin", type=int, default=1, help="keep one frame of so many (ours only)")
    options = parser.parse_args()
    marked, single = list_marked(options.media), list_single(options.media)
    results = {
        name: measure(finder, marked, single) for name, finder in list_finders(options.thin).items()
    }
    print_table(results)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
