"""The budget of a comparison: equally many steps for all, in the proportions of the recipe."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np

from internvid.core.errors import ConfigInvalidError
from internvid.dataset.parts import discard
from internvid.training.data.samples import ClipSource
from internvid.training.loop import train
from internvid.training.recipes.recipe import Stage, TrainRecipe
from internvid.training.run.log import LogLine

_TRIAL_STEPS = 8
_WARMUP_SHARE = 0.05


def with_budget(recipe: TrainRecipe, steps: int) -> TrainRecipe:
    """The recipe's stages in so many steps together, in their proportions.

    Raises:
        ConfigInvalidError: fewer steps than stages.
    """
    lengths = [_length(stage) for stage in recipe.stages]
    if steps < len(lengths):
        raise ConfigInvalidError(f"{steps} steps are too few for {len(lengths)} stages")
    shares = [max(1, round(steps * length / sum(lengths))) for length in lengths]
    shares[0] = max(1, steps - sum(shares[1:]))
    stages = tuple(
        dataclasses.replace(stage, steps=share, warmup_steps=round(_WARMUP_SHARE * share))
        for stage, share in zip(recipe.stages, shares, strict=True)
    )
    return dataclasses.replace(recipe, stages=stages)


def _length(stage: Stage) -> float:
    return float(stage.steps or stage.epochs)


def measure_steps(recipe: TrainRecipe, source: ClipSource, folder: Path, seconds: float) -> int:
    """Steps that fit into so many seconds: by the median step of a short trial of each stage.

    A stage's first step is left out, which makes what later ones find. One that another program
    delays counts no more than the others.

    Args:
        recipe: what is trained.
        source: its clips.
        folder: of the trial; removed before and after.
        seconds: of a whole run.
    """
    stages = tuple(
        dataclasses.replace(stage, steps=_TRIAL_STEPS, warmup_steps=0) for stage in recipe.stages
    )
    loop = dataclasses.replace(recipe.loop, log_steps=1, writers=())
    ends: dict[str, list[float]] = {stage.name: [] for stage in stages}

    def note(line: LogLine) -> None:
        ends[line.stage].append(time.perf_counter())

    discard(folder)
    train(dataclasses.replace(recipe, stages=stages, loop=loop), source, folder, progress=note)
    discard(folder)
    lengths = [_length(stage) for stage in recipe.stages]
    each = sum(
        length / sum(lengths) * float(np.median(np.diff(ends[stage.name])))
        for length, stage in zip(lengths, stages, strict=True)
    )
    return max(len(stages), int(seconds / each))
