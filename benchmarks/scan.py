"""Cost of the whole scan beside a plain decode and PySceneDetect, in CPU seconds.

    python -m benchmarks.scan --media FOLDER [--work FOLDER] [--rounds 3] [--json FILE]

For each file, interleaved: `ffmpeg -threads 1 -i F -f null -`; the frames alone, as our scan reads
them, with nobody looking; our scan with every observer and JPEG picks, full and fast, in one
process, imports aside; `scenedetect -q -i F detect-content`, the command line program with its
defaults: as it is, and without its own start-up, which is what the same command takes for the first
frame of F alone. Then both command line programs as a user runs them, start-up and all:
`internvid shots F` and PySceneDetect's. User + system time, minima over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.footage import FOOTAGE

_SCAN = """
import sys, time, dataclasses
from pathlib import Path
from internvid.recipes import default
from internvid.scan.scan import scan_video
recipe = dataclasses.replace(default().scan, mode=sys.argv[2])
recipe.fresh_observers()
size = 0
def keep(pick):
    global size
    size += len(pick.jpeg)
started = time.process_time()
result = scan_video(Path(sys.argv[1]), recipe, keep)
shots = default().cut.detector.detect(result.timeline)
print(time.process_time() - started, len(result.timeline), size, len(shots))
"""


_FRAMES = """
import sys, time
from pathlib import Path
from internvid.recipes import default
from internvid.video.decode import open_video
options = default().scan.decode_options()
started = time.process_time()
with open_video(Path(sys.argv[1]), options) as opened:
    for frame in opened.read():
        pass
print(time.process_time() - started, opened.report.frames)
"""

_WORK = Path(tempfile.gettempdir()) / "internvid-footage"


def child_seconds(command: list[str]) -> float:
    """CPU seconds, user and system, of one command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def inside_seconds(program: str, *arguments: str) -> tuple[float, int]:
    """CPU seconds of one of the programs above after its imports, and frames seen."""
    command = [sys.executable, "-c", program, *arguments]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    answer = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    seconds, frames, *_ = answer.stdout.split()
    return float(seconds), int(frames)


def detect_seconds(scenedetect: str, path: Path) -> float:
    """CPU seconds of PySceneDetect's program on a file."""
    with tempfile.TemporaryDirectory() as folder:
        return child_seconds([scenedetect, "-q", "-i", str(path), "-o", folder, "detect-content"])


def measure(path: Path, rounds: int, scenedetect: str | None) -> dict[str, float]:
    """Minima over interleaved rounds; `scenedetect` without its `scenedetect_start`.

    `shots` and `scenedetect_whole` are whole processes.
    """
    best: dict[str, float] = {}

    def note(name: str, seconds: float) -> None:
        best[name] = min(best.get(name, seconds), seconds)

    one = path.with_suffix(".one.mp4")
    cut = ["ffmpeg", "-v", "error", "-y", "-i", str(path), "-an", "-c", "copy", "-frames:v", "1"]
    child_seconds([*cut, str(one)])
    for _ in range(rounds):
        command = ["ffmpeg", "-v", "error", "-threads", "1", "-i", str(path), "-f", "null", "-"]
        note("ffmpeg", child_seconds(command))
        note("frames_alone", inside_seconds(_FRAMES, str(path))[0])
        for mode in ("full", "fast"):
            seconds, frames = inside_seconds(_SCAN, str(path), mode)
            note(mode, seconds)
            best["frames" if mode == "full" else "fast_frames"] = frames
        program = os.path.join(os.path.dirname(sys.executable), "internvid")
        note("shots", child_seconds([program, "shots", str(path)]))
        if scenedetect:
            note("scenedetect_whole", detect_seconds(scenedetect, path))
            note("scenedetect_start", detect_seconds(scenedetect, one))
    if scenedetect:
        best["scenedetect"] = best["scenedetect_whole"] - best["scenedetect_start"]
    return best


_HEAD = (
    "file               frames  ffmpeg  alone   full   fast fast/full    psd full/psd"
    "  without start  shots/psd as whole programs"
)


def line(name: str, best: dict[str, float]) -> str:
    """One line of the table."""
    base = best["ffmpeg"]
    psd, whole = (best.get(key, float("nan")) for key in ("scenedetect", "scenedetect_whole"))
    return (
        f"{name:18} {best['frames']:6.0f} {base:7.2f} {best['frames_alone'] / base:6.3f} "
        f"{best['full'] / base:6.3f} {best['fast'] / base:6.3f} "
        f"{best['fast'] / best['full']:9.3f} {whole / base:6.2f} {best['full'] / whole:8.3f}"
        f"  {best['full'] / psd:13.3f}  {best['shots'] / whole:9.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--media", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=_WORK)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="part of a file's name")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    scenedetect = shutil.which("scenedetect", path=os.path.dirname(sys.executable)) or shutil.which(
        "scenedetect"
    )
    rows = []
    print("seconds of FFmpeg's decode, then ratios to it", flush=True)
    print(_HEAD, flush=True)
    for footage in FOOTAGE:
        if arguments.only not in footage.name:
            continue
        path = footage.make(arguments.media, arguments.work)
        if path is None:
            print(f"{footage.name:18} source absent")
            continue
        best = measure(path, arguments.rounds, scenedetect)
        made_by = " ".join(footage.command(Path("MEDIA"), Path("WORK")))
        rows.append({"file": footage.name, "command": made_by, **best})
        print(line(footage.name, best), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
