"""What a run will cost before it starts: FLOPs, memory, hours, and what holds it back."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import Literal

import torch

from internvid.models.devices import choose_dtype
from internvid.models.viclip.model import ViCLIP
from internvid.train.data import BatchReader, make_order
from internvid.train.flops import StepCost, measure_peak, step_cost
from internvid.train.prepare import PlannedStage, find_device
from internvid.train.processes import world_size
from internvid.train.recipe import TrainRecipe
from internvid.train.samples import ClipSource, Samples
from internvid.train.towers import PatchTower

_ASSUMED_SHARE = 0.4
_MEASURED_SECONDS = 15.0
_READ_CLIPS = 16
_MOST_MEASURED_CLIPS = {"cpu": 16}


@dataclass(frozen=True)
class StageForecast:
    """One stage.

    Attributes:
        name: of the stage.
        steps: optimiser steps.
        clips: shown in all.
        gigaflops_per_clip: forward and backward, nothing recomputed.
        exaflops: of the whole stage, what is recomputed included.
        memory_gigabytes: of one device: weights, gradients, moments, activations of a part.
        compute_clips_per_second: of all processes together.
        loader_clips_per_second: likewise.
        hours: at the lower of both.
        bottleneck: which that is.
    """

    name: str
    steps: int
    clips: int
    gigaflops_per_clip: float
    exaflops: float
    memory_gigabytes: float
    compute_clips_per_second: float
    loader_clips_per_second: float
    hours: float
    bottleneck: Literal["compute", "loader"]


@dataclass(frozen=True)
class Forecast:
    """A run.

    Attributes:
        stages: one after the other.
        samples: clips that can be trained on.
        processes: that share the work.
        device: of each.
        dtype: of the step's products.
        peak_teraflops: per second, measured on one device.
        compute_is_measured: whether a step was taken; else `_ASSUMED_SHARE` of the peak is taken.
        advice: the one change that helps most.
    """

    stages: tuple[StageForecast, ...]
    samples: int
    processes: int
    device: str
    dtype: str
    peak_teraflops: float
    compute_is_measured: bool
    advice: str

    @property
    def hours(self) -> float:
        """Of the whole run."""
        return sum(stage.hours for stage in self.stages)


def forecast(
    recipe: TrainRecipe, source: ClipSource, samples: Samples, planned: list[PlannedStage]
) -> Forecast:
    """Measures the loader and a step for some seconds, and reckons with the rest.

    Args:
        recipe: the whole configuration.
        source: the clips.
        samples: those of them that can be trained on.
        planned: the stages over them.
    """
    device = find_device(recipe)
    dtype = choose_dtype(recipe.loop.dtype, device)
    peak = measure_peak(device, dtype)
    stages, measured = [], True
    for each in planned:
        cost = step_cost(
            recipe.model.config,
            each.stage.mask_ratio,
            freeze_text=recipe.start.freeze_text,
            half=dtype == torch.bfloat16,
        )
        rate = _step_rate(recipe, each, cost, peak, device)
        measured = measured and rate is not None
        compute = rate or _ASSUMED_SHARE * peak / (cost.train + cost.recomputed)
        loader = _loader_rate(recipe, source, samples, each)
        stages.append(_stage(each, cost, compute * world_size(), loader * world_size()))
    return Forecast(
        stages=tuple(stages),
        samples=len(samples),
        processes=world_size(),
        device=str(device),
        dtype=str(dtype).removeprefix("torch."),
        peak_teraflops=peak / 1e12,
        compute_is_measured=measured,
        advice=_advice(stages, recipe),
    )


def _stage(each: PlannedStage, cost: StepCost, compute: float, loader: float) -> StageForecast:
    stage, clips = each.stage, each.steps * each.stage.batch
    share = -(-stage.batch // world_size() // each.parts)
    return StageForecast(
        name=stage.name,
        steps=each.steps,
        clips=clips,
        gigaflops_per_clip=cost.train / 1e9,
        exaflops=clips * (cost.train + cost.recomputed) / 1e18,
        memory_gigabytes=(cost.parameter_bytes + share * cost.activation_bytes) / 1e9,
        compute_clips_per_second=compute,
        loader_clips_per_second=loader,
        hours=clips / min(compute, loader) / 3600,
        bottleneck="compute" if compute <= loader else "loader",
    )


def _advice(stages: list[StageForecast], recipe: TrainRecipe) -> str:
    longest = max(stages, key=lambda stage: stage.hours)
    if longest.bottleneck == "loader":
        workers = recipe.data.loader.workers
        need = longest.compute_clips_per_second / longest.loader_clips_per_second
        return (
            f"stage {longest.name!r} waits for data: raise data.loader.workers from {workers} to "
            f"about {max(1, workers) * need:.0f}, or train from frame shards "
            "(internvid publish --exporter frames)"
        )
    return f"stage {longest.name!r} is bound by compute: more devices, or a higher mask_ratio"


def _loader_rate(
    recipe: TrainRecipe, source: ClipSource, samples: Samples, each: PlannedStage
) -> float:
    """Clips per second of one process's loader, from reading a few in line."""
    data = recipe.data
    reader = BatchReader(source, each.shape, data.view, recipe.loop.seed)
    order = make_order(each.plan, samples, 0, data.view.flip)
    few = replace(order, samples=order.samples[:_READ_CLIPS], clips=order.clips[:_READ_CLIPS])
    reader[replace(few, samples=few.samples[:2], clips=few.clips[:2])]
    started = time.perf_counter()
    reader[few]
    rate = len(few.samples) / (time.perf_counter() - started)
    cores = os.cpu_count() or 1
    return rate * max(1, min(data.loader.workers, cores))


def _step_rate(
    recipe: TrainRecipe, each: PlannedStage, cost: StepCost, peak: float, device: torch.device
) -> float | None:
    """Clips per second of a step of one device; None where measuring takes too long."""
    seconds_per_clip = (cost.train + cost.recomputed) / (_ASSUMED_SHARE * peak)
    share = -(-each.stage.batch // world_size() // each.parts)
    most = _MOST_MEASURED_CLIPS.get(device.type, share)
    clips = min(share, most, int(_MEASURED_SECONDS / 3 / seconds_per_clip))
    if clips < 2:
        return None
    config = recipe.model.config
    model = ViCLIP(config, recipe.model.preprocessing).to(device).train()
    model.vision_encoder.transformer.checkpointed_blocks = config.checkpointed_blocks
    tower = PatchTower(model.vision_encoder, model.preprocessing, config.frames, config.grid)
    tower.to(device)
    shape = each.shape
    half = choose_dtype(recipe.loop.dtype, device) == torch.bfloat16
    patches = torch.zeros(clips, shape.kept, 3 * shape.patch**2, dtype=torch.uint8, device=device)
    kept = torch.arange(shape.kept, device=device).expand(clips, -1)
    labels = torch.arange(clips, device=device)
    ids = torch.ones(clips, config.context, dtype=torch.int64, device=device)
    best = float("inf")
    for _ in range(2):
        started = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            video = tower(patches, kept if shape.mask_ratio else None)
            frozen = recipe.start.freeze_text
            text = torch.randn_like(video) if frozen else model.text_encoder(ids)
        loss = recipe.loss(video, text, model.temp, labels, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        loss.item()
        best = min(best, time.perf_counter() - started)
    return clips / best
