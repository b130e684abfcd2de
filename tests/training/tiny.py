"""A recipe that trains in a second, its data, and what a run leaves behind."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors.torch import load_file
from torch import Tensor

from internvid.core.assignments import with_values
from internvid.core.errors import VideoUnreadableError
from internvid.models.viclip.config import ViCLIPConfig
from internvid.training.data.clip_sources import ArraySource
from internvid.training.data.loader import LoaderRecipe
from internvid.training.data.samples import ClipTable, FrameChoice, FramesArray
from internvid.training.recipes.recipe import (
    DataRecipe,
    LoopRecipe,
    ModelRecipe,
    OptimiserRecipe,
    Stage,
    StartRecipe,
    TrainRecipe,
)

CONFIG = ViCLIPConfig(
    vision_width=16,
    vision_layers=2,
    vision_heads=2,
    patch=8,
    resolution=16,
    frames=2,
    text_width=16,
    text_layers=1,
    text_heads=2,
    context=16,
    vocabulary=514,
    embedding=8,
    drop_path=0.2,
)
COLOURS = {"red": (220, 20, 20), "green": (20, 220, 20), "blue": (20, 20, 220)}


def recipe(*assignments: str) -> TrainRecipe:
    made = TrainRecipe(
        "tiny",
        model=ModelRecipe(CONFIG),
        start=StartRecipe(merges="learn", learned_merges=20, freeze_text=False),
        data=DataRecipe(loader=LoaderRecipe(0)),
        optimiser=OptimiserRecipe(clip_norm=1.0),
        stages=(
            Stage("masked", mask_ratio=0.5, peak_lr=3e-3, steps=6, warmup_steps=2, batch=8),
            Stage("unmasked", mask_ratio=0.0, peak_lr=1e-3, steps=4, warmup_steps=1, batch=8),
        ),
        loop=LoopRecipe(
            dtype="float32", device="cpu", log_steps=1, checkpoint_steps=3, writers=("csv",)
        ),
    )
    return with_values(made, assignments)


def source(count: int = 48) -> ArraySource:
    """Flat colours with a little noise; two clips a source."""
    rng = np.random.default_rng(0)
    names = [list(COLOURS)[at % 3] for at in range(count)]
    clips = [
        np.clip(
            np.array(COLOURS[name]) + rng.normal(0, 12, (5, 20, 24, 3)) + rng.normal(0, 8), 0, 255
        ).astype(np.uint8)
        for name in names
    ]
    captions = [f"a {name} picture number {at}" for at, name in enumerate(names)]
    return ArraySource(clips, captions, [f"video-{at // 2}" for at in range(count)])


@dataclass(frozen=True)
class Leaky:
    """A source some of whose clips cannot be read."""

    inner: ArraySource
    bad: frozenset[int]

    def table(self) -> ClipTable:
        return self.inner.table()

    def read(self, clip: int, choose: FrameChoice) -> FramesArray:
        if clip in self.bad:
            raise VideoUnreadableError("gone", reason="gone")
        return self.inner.read(clip, choose)


def curve(folder: Path, *names: str) -> list[tuple[str, ...]]:
    """Columns of the log, as written."""
    with (folder / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [tuple(row[name] for name in names or ("step", "stage", "loss")) for row in rows]


def losses(folder: Path) -> list[float]:
    return [float(row[0]) for row in curve(folder, "loss")]


def weights(folder: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = load_file(folder / "model" / "model.safetensors")
    return found


def without_drop_path(made: TrainRecipe) -> TrainRecipe:
    """Dropped paths depend on the process; without them any number of processes agrees."""
    return replace(made, model=ModelRecipe(replace(made.model.config, drop_path=0.0)))
