"""The same build by worker processes of this machine and by those of a Ray cluster on it, in turn.

    python -m benchmarks.ray_overhead VIDEO... [--copies 20] [--rounds 3] [--workers 2]

Each video is repeated so often, without encoding it anew, that a build is minutes of work. Ray is
started, and its workers too, before the first round: that takes seconds, once for a build.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from internvid import recipes
from internvid.pipeline.build import build
from internvid.run.executor import Executor, LocalExecutor
from internvid.run.ray_executor import RayExecutor


def _repeat(video: Path, copies: int, folder: Path) -> Path:
    """A video that shows another one so many times."""
    made = folder / f"{video.stem}.mkv"
    command = ["ffmpeg", "-v", "error", "-y", "-stream_loop", str(copies - 1), "-i", str(video),
               "-c", "copy", "-map", "0:v:0", str(made)]  # fmt: skip
    subprocess.run(command, check=True)
    return made


def _seconds(videos: list[Path], executor: Executor) -> float:
    """Wall seconds of one build."""
    recipe = dataclasses.replace(recipes.default(), captioners={})
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        summary = build([str(video) for video in videos], Path(folder) / "data", recipe,
                        executor=executor)  # fmt: skip
        assert summary.videos == len(videos)
        return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("footage", nargs="+", type=Path, metavar="VIDEO")
    parser.add_argument("--copies", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    rounds: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        videos = [_repeat(video, arguments.copies, Path(folder)) for video in arguments.footage]
        cluster = RayExecutor(workers=arguments.workers)
        _seconds(videos[:1], cluster)
        for number in range(arguments.rounds):
            executors: list[tuple[str, Executor]] = [
                ("local", LocalExecutor(arguments.workers)),
                ("ray", cluster),
            ]
            if number % 2:
                executors.reverse()
            took = {name: _seconds(videos, executor) for name, executor in executors}
            rounds.append(took)
            print(f"local {took['local']:.1f} s, ray {took['ray']:.1f} s, "
                  f"ratio {took['ray'] / took['local']:.3f}", flush=True)  # fmt: skip
        cluster.close()
    ratio = statistics.median(each["ray"] / each["local"] for each in rounds)
    print(f"median ratio {ratio:.3f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rounds, indent=2) + "\n")


if __name__ == "__main__":
    main()
