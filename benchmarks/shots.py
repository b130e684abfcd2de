"""Scores shot detectors on hand-marked videos and on rendered worlds.

    python -m benchmarks.shots --media FOLDER [--seeds 31,32] [--json out.json]

The folder holds `cuts_<file>.csv` marks, the files in `videos/` or `odd/`, and a manifest that
says which other files show exactly one shot. Ours run from the full and the fast scan;
PySceneDetect's detectors are measured beside them where it is installed.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from internvid.core.contracts import Detector
from internvid.core.errors import InternvidError
from internvid.core.types import Timeline
from internvid.evaluation.benchmarks.shot_metrics import (
    BoundaryCounts,
    Mark,
    list_boundaries,
    load_marks,
    score_boundaries,
)
from internvid.scan.scan import ScanRecipe, scan_video
from internvid.shots.content import ContentDetector
from internvid.shots.default import DefaultDetector
from internvid.synthetic.truth import VideoTruth
from internvid.synthetic.world import render_world

Finder = Callable[[Path], list[float]]
Marked = dict[Path, list[Mark]]
_WORLD_KINDS = {"fade": "fade", "cut": "cut", "dissolve": "dissolve", "wipe": "wipe"}
# What may be taken for a shot change in a rendered video but is none is a distractor by itself;
# fades at the ends and sudden changes of light count neither way, as in the marked files.
_WORLD_IGNORED = ("fade_in", "fade_out", "light_change")


@dataclass
class Outcome:
    """What one detector did."""

    total: BoundaryCounts = field(default_factory=BoundaryCounts)
    files: dict[str, BoundaryCounts] = field(default_factory=dict)
    single_shot_alarms: int = 0
    cpu_seconds: float = 0.0

    def plain(self) -> dict[str, object]:
        """JSON values."""
        return {
            "f1": self.total.f1,
            "found": self.total.found,
            "false": self.total.false,
            "missed": self.total.missed,
            "cpu_seconds": self.cpu_seconds,
            "single_shot_alarms": self.single_shot_alarms,
            "files": {name: [c.found, c.false, c.missed] for name, c in self.files.items()},
        }


@lru_cache(maxsize=1)
def scan_timeline(path: Path, mode: str = "full") -> Timeline:
    """The timeline that a scan leaves, with what the detectors read."""
    observers = ("content", "luma", "transitions")
    return scan_video(path, ScanRecipe(observers=observers, audio=False, mode=mode)).timeline


def list_finders() -> dict[str, Finder]:
    """Detectors by name: ours, and those of PySceneDetect where it is installed."""

    def ours(detector: Detector, mode: str) -> Finder:
        return lambda path: list_boundaries(detector.detect(scan_timeline(path, mode)))

    finders = {
        "default": ours(DefaultDetector(), "full"),
        "content": ours(ContentDetector(), "full"),
        "default, fast": ours(DefaultDetector(), "fast"),
    }
    try:
        import scenedetect
    except ImportError:
        return finders

    def theirs(make: Callable[[], scenedetect.SceneDetector]) -> Finder:
        return lambda path: [
            start.seconds for start, _ in scenedetect.detect(str(path), make())[1:]
        ]

    finders["psd content"] = theirs(scenedetect.ContentDetector)
    finders["psd adaptive"] = theirs(scenedetect.AdaptiveDetector)
    finders["psd hash"] = theirs(scenedetect.HashDetector)
    finders["psd histogram"] = theirs(scenedetect.HistogramDetector)
    return finders


def list_marked(media: Path) -> Marked:
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
            decodes = row["codec"] and not row["decode_errors"]
            if is_single and decodes and (media / row["file"]).exists():
                found.append(media / row["file"])
    return sorted(found)


def world_marks(video: VideoTruth) -> list[Mark]:
    """The truth of a rendered video as marks."""
    fps = video.fps
    marks = []
    for shot in video.shots:
        kind = _WORLD_KINDS.get(shot.transition.kind)
        if kind is not None:
            first, last = shot.transition.first_frame, shot.transition.last_frame
            end = first if kind == "cut" else last + 1
            marks.append(Mark(kind, float(first / fps), float(end / fps)))
    for event in video.events:
        if event.kind in _WORLD_IGNORED:
            start, end = float(event.first_frame / fps), float((event.last_frame + 1) / fps)
            marks.append(Mark("ambiguous", start, end))
    return marks


def measure(finder: Finder, marked: Marked, single: list[Path]) -> Outcome:
    """Counts per marked file, totals, false alarms in single shots, seconds spent."""
    outcome = Outcome()
    began = time.process_time()
    for path, marks in marked.items():
        outcome.files[path.name] = score_boundaries(finder(path), marks)
    outcome.cpu_seconds = time.process_time() - began
    outcome.total = sum(outcome.files.values(), BoundaryCounts())
    for path in single:
        try:
            outcome.single_shot_alarms += len(finder(path))
        except (InternvidError, OSError, ValueError, RuntimeError) as error:
            # Readers differ in what they can open; a file one cannot open is no false alarm.
            print(f"{path.name}: {type(error).__name__}: {error}")
    return outcome


def print_table(title: str, results: dict[str, Outcome]) -> None:
    """Totals of each detector, then errors of each file."""
    print(f"\n{title}")
    print(
        f"{'detector':14s} {'F1':>6s} {'tp':>4s} {'fp':>4s} {'fn':>4s} {'alone':>6s} {'CPU s':>6s}"
    )
    for name, result in results.items():
        total = result.total
        print(
            f"{name:14s} {total.f1:6.3f} {total.found:4d} {total.false:4d} {total.missed:4d} "
            f"{result.single_shot_alarms:6d} {result.cpu_seconds:6.1f}"
        )
    names = ("default", "psd content") if "psd content" in results else ("default",)
    for file in results["default"].files:
        counts = (results[name].files[file] for name in names)
        cells = "  ".join(f"{c.found:3d}/{c.false}/{c.missed}" for c in counts)
        print(f"  {file:40s} {cells}")


def main() -> None:
    """Measure every detector on every marked file and rendered video."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--media", type=Path, help="folder of marked videos")
    parser.add_argument("--seeds", default="", help="worlds to render and score")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as folder:
        sets: dict[str, tuple[Marked, list[Path]]] = {}
        if options.media:
            sets["marked files"] = list_marked(options.media), list_single(options.media)
        for seed in filter(None, options.seeds.split(",")):
            world = render_world(Path(folder) / seed, int(seed), copies=False)
            marked = {world.path(video.name): world_marks(video) for video in world.videos}
            sets[f"world seed {seed}"] = marked, []
        for title, (marked, single) in sets.items():
            results = {
                name: measure(finder, marked, single) for name, finder in list_finders().items()
            }
            print_table(title, results)
            report[title] = {name: outcome.plain() for name, outcome in results.items()}
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
