"""What the annotate pass costs beside the model: a stand-in that takes 10 ms a picture.

    python -m benchmarks.annotate [--clips 400] [--frames 4]

Builds a dataset of rendered videos, lets a model that sleeps 10 ms for each picture (and holds the
interpreter for none of it, as a GPU would) score all clips, and compares the wall time with the
time inside the model. Pictures are read, decoded and batched for real; answers are staged, sealed
and committed for real.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import internvid
from internvid.core.config import setting
from internvid.core.contracts import Annotation, ClipView
from internvid.core.sequences import spread
from internvid.core.timings import stage
from internvid.pipeline.annotate.annotate import annotate
from internvid.pipeline.build import build
from internvid.pipeline.recipe import CutRecipe, Recipe
from internvid.scan.scan import ScanRecipe
from internvid.scores.pictures import Shown, answers
from internvid.shots.content import ContentDetector
from internvid.shots.stitch import Stitch
from internvid.synthetic.world import render_world


@dataclass(frozen=True)
class SleepingModel:
    """Takes its time for each picture and returns how many there were."""

    version: ClassVar[int] = 1
    frames: int = 4
    milliseconds: float = 10.0
    batch: int = setting(8)
    threads: int = setting(2)

    def setup(self) -> None:
        """Runs in the process of the pass, as models do."""

    def score(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        def through(some: Sequence[Shown]) -> list[float]:
            pictures = sum(len(one.pictures) for one in some)
            with stage("model"):
                time.sleep(pictures * self.milliseconds / 1000)
            return [float(len(one.pictures)) for one in some]

        yield from answers(self, clips, lambda view: spread(view.picks, self.frames), through)


def make_dataset(folder: Path, clips: int) -> Path:
    """A dataset of about so many clips of a second, of rendered videos."""
    seconds = max(10, clips // 4)
    render_world(folder / "videos", seed=3, videos=4, seconds=seconds, copies=False)
    (folder / "videos" / "truth.json").unlink()
    stitch = Stitch(maximum_seconds=1.0)
    cut = CutRecipe(ContentDetector(), stitch, signals=("audio",), filters=())
    recipe = Recipe("benchmark", cut, ScanRecipe(observers=("content", "luma")))
    build([str(folder / "videos")], folder / "data", recipe)
    return folder / "data"


def measure(data: Path, frames: int) -> dict[str, float]:
    """Wall and model seconds of one pass."""
    summary = annotate(data, SleepingModel(frames), f"frames-{frames}")
    model = summary.stages["model"]
    return {
        "clips": summary.answered - summary.failed,  # the others have no picture
        "frames": frames,
        "wall_seconds": summary.seconds,
        "model_seconds": model,
        "busy": round(model / summary.seconds, 4),
        "overhead": round(summary.seconds / model - 1, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--frames", type=int, default=0, help="only this many; default: 1, 2 and 4")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="internvid-benchmark-"))
    try:
        data = make_dataset(folder, options.clips)
        count = internvid.open(data).clips().num_rows
        print(f"{count} clips")
        for frames in [options.frames] if options.frames else [1, 2, 4]:
            print(json.dumps(measure(data, frames)))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
