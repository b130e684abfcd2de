"""CPU seconds of an export of clips beside those of FFmpeg's program, at equal settings.

    python -m benchmarks.publish [--folder FOLDER] [--media FOLDER] [--rounds 3] [--json FILE]

Real videos of the media folder (INTERNVID_MEDIA) are joined and encoded to three files of three
minutes, which are cut into their shots. *Ours* is `internvid publish --exporter folder` as a user
runs it: start, hashing, sound, and every file read back and compared. Beside it are (a) one call
of `ffmpeg` a clip (seek, decode, encode: exact) and (b) one call a file, which ends a segment at
each cut (no seek, nothing decoded twice). All have one thread, one size, one x264 preset and crf,
no B-frames where frames keep their times, AAC; FFmpeg converts no colours and proves nothing.
Peaks are those of the largest process (VmHWM, Linux).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

import internvid
from internvid.pipeline.build import build
from internvid.pipeline.recipe import CutRecipe, Recipe
from internvid.scan.scan import ScanRecipe
from internvid.shots.content import ContentDetector
from internvid.video.cutting.cut_plan import CutPlan, exact_rate
from internvid.video.cutting.cut_windows import frames_at_rate, plan_windows

SECONDS = 180
SIZE = 480
_X264 = "-c:v libx264 -crf 23 -preset superfast -threads 1"
_AAC = "-c:a aac -b:a 128k"
_SIZES = {"1080p": "1920:1080", "720p": "1280:720", "360p": "640:360"}
_TAGGED = ("1080p", "720p")
_TAGS = "-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv"


@dataclass(frozen=True)
class Spent:
    """What a run took.

    Attributes:
        cpu_seconds: user and system.
        wall_seconds: on the clock.
        peak_mb: largest resident memory of one process.
    """

    cpu_seconds: float
    wall_seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Mode:
    """What is written.

    Attributes:
        title: names it.
        fps: frames a second; None for the source's own.
        frames: of windows, one behind the other; None for whole clips.
    """

    title: str
    fps: float | None = None
    frames: int | None = None

    @property
    def plan(self) -> CutPlan:
        """The same as our plan."""
        windows = "whole" if self.frames is None else "slide"
        return CutPlan(fps=self.fps, maximum_frames=self.frames, size=str(SIZE), windows=windows)

    def settings(self) -> list[str]:
        """The same as our command line takes it."""
        chosen = [f"cut.size={SIZE}", f"cut.preset={self.plan.preset}", f"cut.crf={self.plan.crf}"]
        if self.fps is not None:
            chosen.append(f"cut.fps={self.fps:g}")
        if self.frames is not None:
            chosen += [f"cut.maximum_frames={self.frames}", "cut.windows=slide"]
        return [word for setting in chosen for word in ("--set", setting)]

    def windows_of(self, span: Span) -> list[Span]:
        """What a clip becomes."""
        if self.fps is None or self.frames is None:
            return [span]
        rate = exact_rate(self.fps)
        length = Fraction(span.end - span.start)
        available = frames_at_rate(length, rate, Fraction(1, 1000))
        starts = [
            (span.start + float(window.first / rate), float(window.frames / rate))
            for window in plan_windows(available, self.plan)
        ]
        return [Span(span.path, start, start + seconds) for start, seconds in starts]


MODES = {
    "own": Mode("own frames"),
    "16": Mode("16 a second", 16),
    "windows": Mode("windows of 49 frames, 16 a second", 16, 49),
}


@dataclass(frozen=True)
class Span:
    """A clip of a file, in seconds."""

    path: Path
    start: float
    end: float


def find_ffmpeg() -> str:
    """FFmpeg's program.

    Raises:
        SystemExit: there is none; the text says how to get it.
    """
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        return str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except ImportError:
        raise SystemExit(
            "no program ffmpeg on PATH; one comes with: pip install imageio-ffmpeg"
        ) from None


def run(command: Sequence[str]) -> Spent:
    """Run a program to its end.

    Raises:
        SystemExit: it fails.
    """
    begun = time.perf_counter()
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
    peak = 0.0
    while True:
        peak = max(peak, _peak_mb(process.pid))
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        time.sleep(0.02)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode}: {' '.join(command)}")
    wall = time.perf_counter() - begun
    return Spent(usage.ru_utime + usage.ru_stime, wall, peak)


def _peak_mb(pid: int) -> float:
    # Not ru_maxrss, which begins with what the parent held.
    with contextlib.suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0
    return 0.0


def added(parts: Sequence[Spent]) -> Spent:
    """All of them one after the other."""
    return Spent(
        sum(part.cpu_seconds for part in parts),
        sum(part.wall_seconds for part in parts),
        max(part.peak_mb for part in parts),
    )


def make_files(ffmpeg: str, media: Path, folder: Path, names: Sequence[str]) -> list[Path]:
    """Files of three minutes, made unless they are there: BT.709, the smallest without tags."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [folder / f"{name}.mp4" for name in names]
    sources = sorted((media / "videos").glob("*.mp4"))
    for path in made:
        if not path.exists():
            begin = list(_SIZES).index(path.stem) % 2
            _join(ffmpeg, sources[begin::2] * 9, _SIZES[path.stem], path)
    return made


def _join(ffmpeg: str, sources: Sequence[Path], size: str, path: Path) -> None:
    pictures = (
        f"fps=30,scale={size}:force_original_aspect_ratio=increase,crop={size},setsar=1,"
        "format=yuv420p"
    )
    noise = _words("-f lavfi -t 30 -i anoisesrc=r=44100:a=0.05 -map 0:v -map 1:a -shortest -t 30")
    coded = _words("-c:v libx264 -crf 12 -preset ultrafast -c:a aac -ac 2")
    call = [ffmpeg, "-v", "error", "-y"]
    with tempfile.TemporaryDirectory() as name:
        seconds = 0.0
        listed = Path(name) / "list.txt"
        for number, source in enumerate(sources):
            part = Path(name) / f"{number}.ts"
            given = [*call, "-i", str(source), *noise, "-vf", pictures, *coded, str(part)]
            subprocess.run(given, check=True, stdin=subprocess.DEVNULL)
            with listed.open("a") as file:
                file.write(f"file '{part}'\n")
            with av.open(str(part)) as container:
                seconds += (container.duration or 0) / 1e6
            if seconds > SECONDS:
                break
        coded = _words(f"-t {SECONDS} -c:v libx264 -crf 21 -preset faster -c:a aac -b:a 128k")
        tags = _words(_TAGS) if path.stem in _TAGGED else []
        call += ["-f", "concat", "-safe", "0", "-i", str(listed)]
        subprocess.run([*call, *coded, *tags, str(path)], check=True, stdin=subprocess.DEVNULL)


def _words(text: str) -> list[str]:
    return text.split()


def spans_of(files: Sequence[Path], data: Path) -> list[Span]:
    """The shots of the files; `data` becomes a dataset of them."""
    cut = CutRecipe(ContentDetector(), signals=(), filters=())
    build([str(path) for path in files], data, Recipe("all", cut, ScanRecipe(audio=False)))
    dataset = internvid.open(data)
    names = {row["video_id"]: Path(row["uri"]).name for row in dataset.videos().to_pylist()}
    places = {path.name: path for path in files}
    return [
        Span(places[names[row["video_id"]]], row["start_seconds"], row["end_seconds"])
        for row in dataset.clips().to_pylist()
    ]


def run_ours(data: Path, folder: Path, mode: Mode) -> Spent:
    """An export to a fresh folder."""
    shutil.rmtree(folder, ignore_errors=True)
    call = [sys.executable, "-m", "internvid", "publish", str(data), str(folder), "--json"]
    call += _words("--exporter folder --set caption= --set trigger=clip")
    return run([*call, *mode.settings()])


def _pictures(mode: Mode) -> list[str]:
    # Smaller sources are not enlarged, as ours are not.
    scale = f"scale=-2:'min(ih,{SIZE})':flags=area"
    if mode.fps is None:
        return ["-vf", scale, *f"-fps_mode passthrough {_X264} -bf 0".split()]
    return ["-vf", f"fps={mode.fps:g},{scale}", *_X264.split()]


def run_clips(ffmpeg: str, spans: Sequence[Span], folder: Path, mode: Mode) -> Spent:
    """(a) one call a clip."""
    parts = []
    for number, span in enumerate(spans):
        call = [ffmpeg, "-v", "error", "-y", "-threads", "1", "-ss", f"{span.start:.6f}"]
        call += ["-i", str(span.path), "-t", f"{span.end - span.start:.6f}"]
        parts.append(run([*call, *_pictures(mode), *_AAC.split(), str(folder / f"{number}.mp4")]))
    return added(parts)


def run_files(ffmpeg: str, spans: Sequence[Span], folder: Path, mode: Mode) -> Spent:
    """(b) one call a file, a segment a clip."""
    parts = []
    for number, path in enumerate(dict.fromkeys(span.path for span in spans)):
        starts = sorted(span.start for span in spans if span.path == path and span.start > 0)
        times = ",".join(f"{start:.6f}" for start in starts)
        call = [ffmpeg, "-v", "error", "-y", "-threads", "1", "-i", str(path), *_pictures(mode)]
        call += [*_AAC.split(), "-force_key_frames", times, "-f", "segment"]
        call += ["-segment_times", times, "-reset_timestamps", "1"]
        parts.append(run([*call, str(folder / f"{number}-%03d.mp4")]))
    return added(parts)


def measure(
    ffmpeg: str, data: Path, spans: Sequence[Span], folder: Path, mode: Mode, rounds: int
) -> dict[str, Spent]:
    """Least CPU seconds of interleaved rounds, by program."""
    least: dict[str, Spent] = {}
    for number in range(rounds):
        given = folder / f"given-{number}"
        given.mkdir(parents=True)
        for name, spent in (
            ("ours", run_ours(data, folder / "ours", mode)),
            ("clips", run_clips(ffmpeg, spans, given, mode)),
            ("files", run_files(ffmpeg, spans, given, mode)),
        ):
            known = least.get(name)
            if known is None or spent.cpu_seconds < known.cpu_seconds:
                least[name] = spent
        shutil.rmtree(given)
    return least


def show(title: str, found: Mapping[str, Spent], clips: int) -> None:
    """A table on stdout."""
    print(f"{title}, {clips} files", flush=True)
    ours = found["ours"].cpu_seconds
    labels = {"ours": "ours", "clips": "(a) a call a clip", "files": "(b) a call a file"}
    for name, label in labels.items():
        spent = found[name]
        print(
            f"  {label:18} {spent.cpu_seconds / clips:7.3f} CPU s a file"
            f" {clips / spent.wall_seconds:7.2f} files/s {spent.cpu_seconds / ours:6.2f} of ours"
            f" {spent.peak_mb:6.0f} MB"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, help="for the files, kept; else a temporary one")
    parser.add_argument("--media", type=Path, default=os.environ.get("INTERNVID_MEDIA"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", default=",".join(_SIZES), help="which of them are cut")
    parser.add_argument("--modes", default=",".join(MODES), help="what is written")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    options = parser.parse_args(arguments)
    if options.media is None:
        raise SystemExit("name a folder of real videos with --media or INTERNVID_MEDIA")
    ffmpeg = find_ffmpeg()
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        names = options.files.split(",")
        files = make_files(ffmpeg, Path(options.media), options.folder or work, names)
        for path in files:
            spans = spans_of([path], work / path.stem)
            for mode in (MODES[name] for name in options.modes.split(",")):
                title = f"{path.stem}, {mode.title}"
                cut = [window for span in spans for window in mode.windows_of(span)]
                place = work / f"{path.stem}-{mode.title}"
                found = measure(ffmpeg, work / path.stem, cut, place, mode, options.rounds)
                show(title, found, len(cut))
                report[title] = {name: asdict(spent) for name, spent in found.items()}
                report[title]["files"] = len(cut)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
