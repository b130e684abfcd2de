"""Training of text-to-video models: opening the data, planning, running."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internvid.core.errors import MisuseError
from internvid.core.several import several

if TYPE_CHECKING:
    from internvid.training.generation.recipe import GenerationRecipe
    from internvid.training.loop import TrainSummary
    from internvid.training.plan.training_plan import Forecast, Target
    from internvid.training.run.log import LogLine


def refuse_lists(names: Sequence[str], videos: Any, held_out: Any, validation: Any) -> None:
    """What text-to-video recipes have no use for.

    Raises:
        MisuseError: some of it is given.
    """
    given = {"--videos": several(videos), "--held-out": several(held_out), "--validate": validation}
    for option in (option for option, value in given.items() if value):
        raise MisuseError(f"text-to-video recipes have no use for {option}")
    if len(names) > 1:
        raise MisuseError("text-to-video recipes take one --data")


def train_generation(
    recipe: GenerationRecipe,
    data: str,
    folder: Path,
    *,
    text: str,
    subset: str | None,
    progress: Callable[[LogLine], None] | None,
    notice: Callable[[str], None] | None,
) -> TrainSummary:
    """Trains a text-to-video model; see `internvid.train`."""
    from internvid.training import loop
    from internvid.training.generation.opening import is_world, open_videos
    from internvid.training.generation.samples_page import SampleDrawing, world_specs
    from internvid.training.run.run_folder import CACHE

    source = open_videos(data, recipe, folder / CACHE, text=text, subset=subset)
    specs = world_specs(recipe.data.world) if is_world(data) else ()
    drawing = SampleDrawing(folder, recipe.samples, specs) if recipe.samples.count else None
    return loop.train(recipe, source, folder, validate=drawing, progress=progress, notice=notice)


def plan_generation(
    recipe: GenerationRecipe, data: str, target: Target, *, text: str, subset: str | None
) -> Forecast:
    """FLOPs, memory and hours of a run; see `internvid.plan_training`."""
    from internvid.training.generation.generation_plan import forecast_generation
    from internvid.training.generation.kind import GenerationKind
    from internvid.training.generation.opening import open_videos

    with tempfile.TemporaryDirectory() as cache:
        source = open_videos(os.fspath(data), recipe, Path(cache), text=text, subset=subset)
        kind = GenerationKind()
        samples = kind.choose_samples(recipe, source)
        planned = kind.plan_stages(recipe, samples, target.hardware, keeps_short_warmup=False)
        return forecast_generation(recipe, source, samples, planned, target)
