"""Peak memory of a worker on long videos: the scan of one source, and the cut of its part.

    python -m benchmarks.memory [--frames 50000,250000] [--json FILE]

The videos are tiny pictures at 240 frames a second, a loop of 20 seconds, so that length alone
counts. Each pass runs in a process of its own; printed are peaks in MB (VmHWM, Linux) and their
growth in bytes a frame.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

_FPS, _LOOP_SECONDS = 240, 20

_BODY = """
import sys, json
from pathlib import Path
import pyarrow as pa
from internvid import recipes
from internvid.dataset.layout import Layout
from internvid.dataset.parts import commit_table
from internvid.dataset.sources.uris import path_to_uri
from internvid.dataset.tables import SOURCE_SCHEMA
from internvid.pipeline.cutting import CutTask, cut_part
from internvid.pipeline.scanning import ScanTask, scan_source
from internvid.pipeline.shares.sealing import SealTask, seal_part
from internvid.pipeline.shares.stages import PartStage
video, folder, name = sys.argv[1:]
recipe, layout = recipes.default(), Layout(Path(folder))
sources = pa.Table.from_pylist([{"uri": path_to_uri(video)}], schema=SOURCE_SCHEMA)
part = PartStage(layout, "scan", "part-00000", sources)
if name == "scan":
    task = ScanTask(sources["uri"][0].as_py(), part.stage(0), recipe.complete_scan())
    part.stage(0).parent.mkdir(parents=True)
    scan_source(task, lambda value: None)
elif name == "seal":
    commit_table(layout.sources("part-00000"), sources)
    task = SealTask(layout, "scan", "part-00000", recipe.complete_scan(), ())
    seal_part(task, lambda value: None)
else:
    cut_part(CutTask(layout, "scan", "cut", "part-00000", recipe.cut), lambda value: None)
line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(line.split()[1]) / 1024)
"""


def write_loop(folder: Path, frames: int) -> Path:
    """A video of so many frames, made by copying a short one."""
    short, long = folder / "short.mkv", folder / f"{frames}.mkv"
    made = f"testsrc2=s=64x36:r={_FPS}:d={_LOOP_SECONDS}"
    run = ["ffmpeg", "-v", "error", "-y"]
    if not short.exists():
        subprocess.run([*run, "-f", "lavfi", "-i", made, "-c:v", "mpeg4", str(short)], check=True)
    loops = frames // (_FPS * _LOOP_SECONDS)
    copy = ["-stream_loop", str(loops), "-i", str(short), "-c", "copy", "-frames:v", str(frames)]
    subprocess.run([*run, *copy, str(long)], check=True)
    return long


def measure(frames: int) -> dict[str, float]:
    """Peaks in MB of the passes over a video of so many frames."""
    peaks: dict[str, float] = {"frames": frames}
    with tempfile.TemporaryDirectory() as folder:
        video = write_loop(Path(folder), frames)
        for name in ("scan", "seal", "cut"):
            command = [sys.executable, "-c", _BODY, str(video), f"{folder}/data", name]
            answer = subprocess.run(command, check=True, capture_output=True, text=True)
            peaks[name] = float(answer.stdout)
    return peaks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", default="50000,250000", help="two or more lengths")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows: list[dict[str, float]] = []
    for frames in (int(text) for text in arguments.frames.split(",")):
        rows.append(measure(frames))
        words = [f"{name} {rows[-1][name]:.0f} MB" for name in ("scan", "seal", "cut")]
        if len(rows) > 1:
            more = frames - rows[0]["frames"]
            for name in ("scan", "seal", "cut"):
                grown = (rows[-1][name] - rows[0][name]) * 2**20 / more
                words.append(f"{name} +{grown:.0f} bytes a frame")
        print(f"{frames} frames:", ", ".join(words), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
