"""Scores shot detectors on hand-marked videos that were darkened, slowed down, and so on.

    python -m benchmarks.changed --media FOLDER [--only dark,slow] [--work FOLDER] [--json FILE]

Each change is an FFmpeg filter; marks move with the time where it stretches that. A detector that
was fitted to the files rather than to what a boundary is would fall apart here. About a minute for
each change; the changed files are kept in the work folder and used again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.shots import Marked, Outcome, list_finders, list_marked, list_single, measure

_DETECTORS = ("default", "psd adaptive", "psd hash")
_EVEN = "scale=trunc(iw/2)*2:trunc(ih/2)*2"


@dataclass(frozen=True)
class Change:
    """What is done to every file.

    Attributes:
        filters: FFmpeg's.
        stretch: how much longer things last.
        crf: of the H.264 encoder.
    """

    filters: str
    stretch: float = 1.0
    crf: int = 20


CHANGES = {
    "none": Change("null"),
    "dark": Change("lutyuv=y='16+(val-16)*0.3'"),
    "bright": Change("lutyuv=y='min(235,val+60)'"),
    "flat": Change("lutyuv=y='128+(val-128)*0.35':u='128+(val-128)*0.5':v='128+(val-128)*0.5'"),
    "gamma": Change("eq=gamma=0.45"),
    "grey": Change("hue=s=0"),
    "noise": Change("noise=alls=28:allf=t"),
    "small": Change("scale=128:-2", crf=38),
    "fps10": Change("fps=10"),
    "fps15": Change("fps=15"),
    "twice": Change("setpts=0.5*PTS", 0.5),
    "slow": Change("setpts=2*PTS", 2.0),
}


def apply(change: Change, source: Path, folder: Path) -> Path:
    """The changed file, made unless it is there."""
    target = folder / f"{source.stem}.mp4"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        making = target.with_suffix(".part.mp4")
        encoder = f"-c:v libx264 -preset veryfast -crf {change.crf} -pix_fmt yuv420p".split()
        read = ["ffmpeg", "-v", "error", "-y", "-threads", "1", "-i", str(source), "-an"]
        changed = ["-vf", f"{change.filters},{_EVEN}", "-fps_mode", "vfr", *encoder, str(making)]
        subprocess.run([*read, *changed], check=True, stdin=subprocess.DEVNULL)
        making.rename(target)
    return target


def changed_files(
    change: Change, marked: Marked, single: list[Path], folder: Path
) -> tuple[Marked, list[Path]]:
    """Changed marked files with their marks, and changed single shots."""
    files = {}
    for path, marks in marked.items():
        files[apply(change, path, folder)] = [
            dataclasses.replace(
                mark,
                start_seconds=mark.start_seconds * change.stretch,
                end_seconds=mark.end_seconds * change.stretch,
            )
            for mark in marks
        ]
    return files, [apply(change, path, folder) for path in single]


def line(name: str, outcomes: dict[str, Outcome]) -> str:
    """One line of the table."""
    cells = [
        f"{o.total.f1:.3f} {o.total.found:3d}/{o.total.false}/{o.total.missed}"
        for o in outcomes.values()
    ]
    alone = outcomes["default"].single_shot_alarms
    return f"{name:8}" + "".join(f"{cell:>20}" for cell in cells) + f"{alone:7d}"


def main() -> None:
    """Measure detectors on every changed file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--media", type=Path, required=True, help="folder of marked videos")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "changed-videos")
    parser.add_argument("--only", default=",".join(CHANGES), help="changes, with commas")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = list_finders()
    finders = {name: found[name] for name in _DETECTORS if name in found}
    marked = list_marked(options.media)
    single = [path for path in list_single(options.media) if path.parent.name == "videos"]
    print(f"{'':8}" + "".join(f"{name:>20}" for name in finders) + "  alone", flush=True)
    report: dict[str, dict[str, object]] = {}
    for name in options.only.split(","):
        files, alone = changed_files(CHANGES[name], marked, single, options.work / name)
        outcomes = {
            title: measure(finder, files, alone if title == "default" else [])
            for title, finder in finders.items()
        }
        print(line(name, outcomes), flush=True)
        report[name] = {title: outcome.plain() for title, outcome in outcomes.items()}
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
