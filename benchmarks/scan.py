"""Cost of the whole scan beside a plain decode and PySceneDetect, in CPU seconds.

    python -m benchmarks.scan --media FOLDER [--work FOLDER] [--rounds 3] [--json FILE]

For each file, interleaved: `ffmpeg -threads 1 -i F -f null -`; our scan with every observer and
JPEG picks, full and fast, in one process, imports aside; `scenedetect -q -i F detect-content`, the
command line program with its defaults, from which its own start-up is taken off as well: what the
same command takes for the first frame of F alone. User + system time, minima over the rounds;
printed as ratios to FFmpeg's decode.
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


def scan_seconds(path: Path, mode: str) -> tuple[float, int]:
    """CPU seconds of our scan after imports, and frames seen."""
    command = [sys.executable, "-c", _SCAN, str(path), mode]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    answer = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    seconds, frames, *_ = answer.stdout.split()
    return float(seconds), int(frames)


def detect_seconds(scenedetect: str, path: Path) -> float:
    """CPU seconds of PySceneDetect's program on a file."""
    with tempfile.TemporaryDirectory() as folder:
        return child_seconds([scenedetect, "-q", "-i", str(path), "-o", folder, "detect-content"])


def measure(path: Path, rounds: int, scenedetect: str | None) -> dict[str, float]:
    """Minima over interleaved rounds; `scenedetect` without its `scenedetect_start`."""
    best: dict[str, float] = {}

    def note(name: str, seconds: float) -> None:
        best[name] = min(best.get(name, seconds), seconds)

    one = path.with_suffix(".one.mp4")
    cut = ["ffmpeg", "-v", "error", "-y", "-i", str(path), "-an", "-c", "copy", "-frames:v", "1"]
    child_seconds([*cut, str(one)])
    for _ in range(rounds):
        command = ["ffmpeg", "-v", "error", "-threads", "1", "-i", str(path), "-f", "null", "-"]
        note("ffmpeg", child_seconds(command))
        for mode in ("full", "fast"):
            seconds, frames = scan_seconds(path, mode)
            note(mode, seconds)
            best["frames" if mode == "full" else "fast_frames"] = frames
        if scenedetect:
            note("scenedetect", detect_seconds(scenedetect, path))
            note("scenedetect_start", detect_seconds(scenedetect, one))
    if scenedetect:
        best["scenedetect"] -= best["scenedetect_start"]
    return best


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
    print("file               frames  ffmpeg s   full   fast fast/full    psd full/psd", flush=True)
    for footage in FOOTAGE:
        if arguments.only not in footage.name:
            continue
        path = footage.make(arguments.media, arguments.work)
        if path is None:
            print(f"{footage.name:18} source absent")
            continue
        best = measure(path, arguments.rounds, scenedetect)
        base = best["ffmpeg"]
        psd = best.get("scenedetect", float("nan"))
        made_by = " ".join(footage.command(Path("MEDIA"), Path("WORK")))
        rows.append({"file": footage.name, "command": made_by, **best})
        print(
            f"{footage.name:18} {best['frames']:6.0f} {base:9.2f} {best['full'] / base:6.3f} "
            f"{best['fast'] / base:6.3f} {best['fast'] / best['full']:9.3f} {psd / base:6.2f} "
            f"{best['full'] / psd:8.3f}",
            flush=True,
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
