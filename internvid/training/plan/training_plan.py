"""What a run will cost before it starts: FLOPs, memory, hours, and what holds it back."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from internvid.models.devices import choose_dtype
from internvid.training.data.loader import BatchReader, make_order, shared_memory_bytes
from internvid.training.data.samples import ClipSource, Samples
from internvid.training.data.stored_picks import PickSource
from internvid.training.kinds.contract import RunRecipe
from internvid.training.plan.device_memory import (
    GIGA,
    Hardware,
    known_device,
    usable_memory,
    usable_of,
)
from internvid.training.plan.flops import measure_peak
from internvid.training.plan.trial import TrialStep
from internvid.training.prepare import PlannedStage, find_device
from internvid.training.recipes.recipe import TrainRecipe
from internvid.training.run.distributed import local_world_size

_ASSUMED_SHARE = 0.4
_MEASURED_SECONDS = 15.0
_READ_CLIPS = 16
_MOST_MEASURED_CLIPS = {"cpu": 16, "cuda": 256}
_DEVICES_OF_A_MACHINE = 8
_FLOAT32_SHARE = 1 / 16


@dataclass(frozen=True)
class Target:
    """What a run is planned for: devices of this machine, or some that are not here.

    Attributes:
        name: of the device.
        hardware: how many, and what one may fill.
        bfloat16: whether it computes in it.
        peak: FLOP per second of one device.
        processes_here: that share a machine's memory and cores.
        device: where a step can be tried; None where the device is not here.
    """

    name: str
    hardware: Hardware
    bfloat16: bool
    peak: float
    processes_here: int
    device: torch.device | None


def find_target(
    recipe: RunRecipe,
    processes: int,
    *,
    device: str | None = None,
    memory_gigabytes: float | None = None,
) -> Target:
    """What to plan for.

    Args:
        recipe: whose settings say where it computes, unless `device` is given.
        processes: one for each device.
        device: one of `KNOWN_DEVICES`, to plan for hardware that is not here.
        memory_gigabytes: of a device, in place of what is known.

    Raises:
        ConfigInvalidError: no such device is known.
    """
    sharded = recipe.loop.sharding == "fsdp"
    if device is not None:
        known = known_device(device)
        memory = GIGA * (memory_gigabytes or known.memory_gigabytes)
        bfloat16 = recipe.loop.dtype != "float32"
        hardware = Hardware(processes, usable_of(memory), bfloat16, sharded)
        # TF32 is not switched on, so float32 products run at a fraction of the peak.
        peak = known.peak_teraflops * 1e12 * (1 if bfloat16 else _FLOAT32_SHARE)
        here = min(processes, _DEVICES_OF_A_MACHINE)
        return Target(device.lower(), hardware, bfloat16, peak, here, None)
    place = find_device(recipe)
    dtype = choose_dtype(recipe.loop.dtype, place)
    bfloat16 = dtype == torch.bfloat16
    if memory_gigabytes is not None:
        usable: float | None = usable_of(GIGA * memory_gigabytes)
    else:
        usable = usable_memory(place, local_world_size())
    return Target(
        name=str(place),
        hardware=Hardware(processes, usable, bfloat16, sharded),
        bfloat16=bfloat16,
        peak=measure_peak(place, dtype),
        processes_here=min(processes, local_world_size()),
        device=place,
    )


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
        micro_batch: clips that a device takes at once.
        parts: in how many it takes its share of a batch; with several, each is computed forward
            once more.
        fits: whether that is within the device's memory, with a margin; None: not known.
        shared_memory_gigabytes: that the loaders of one machine fill in /dev/shm.
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
    micro_batch: int
    parts: int
    fits: bool | None
    shared_memory_gigabytes: float
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
        peak_teraflops: per second of one device: measured, or its data sheet's.
        compute_is_measured: whether a step was taken; else `_ASSUMED_SHARE` of the peak is taken.
        advice: the one change that helps most.
        device_is_here: whether the device was measured; else all is reckoned from its data sheet.
        usable_gigabytes: of one device's memory, that the run may fill; None: not known.
    """

    stages: tuple[StageForecast, ...]
    samples: int
    processes: int
    device: str
    dtype: str
    peak_teraflops: float
    compute_is_measured: bool
    advice: str
    device_is_here: bool = True
    usable_gigabytes: float | None = None

    @property
    def hours(self) -> float:
        """Hours of the whole run."""
        return sum(stage.hours for stage in self.stages)


def forecast(
    recipe: TrainRecipe,
    source: ClipSource,
    samples: Samples,
    planned: list[PlannedStage],
    target: Target,
) -> Forecast:
    """Measures the loader and a step for some seconds, and reckons with the rest.

    Args:
        recipe: the whole configuration.
        source: the clips.
        samples: those of them that can be trained on.
        planned: the stages over them, on the target.
        target: what the run will have.
    """
    stages, measured = [], target.device is not None
    for each in planned:
        rate = _step_rate(recipe, each, target)
        measured = measured and rate is not None
        compute = rate or _ASSUMED_SHARE * target.peak / _flops(each)
        loader = _loader_rate(recipe, source, samples, each, target)
        stages.append(_stage(recipe, each, target, compute, loader))
    usable = target.hardware.memory_bytes
    return Forecast(
        stages=tuple(stages),
        samples=len(samples),
        processes=target.hardware.processes,
        device=target.name,
        dtype="bfloat16" if target.bfloat16 else "float32",
        peak_teraflops=target.peak / 1e12,
        compute_is_measured=measured,
        advice=_advice(stages, recipe, usable),
        device_is_here=target.device is not None,
        usable_gigabytes=None if usable is None else usable / GIGA,
    )


def _flops(each: PlannedStage) -> float:
    """FLOPs of a clip: a step, what is recomputed, and with parts the forward pass before it."""
    cost = each.cost
    first = cost.vision + cost.text if each.parts > 1 else 0.0
    return cost.train + cost.recomputed + first


def _stage(
    recipe: TrainRecipe, each: PlannedStage, target: Target, compute: float, loader: float
) -> StageForecast:
    stage, clips = each.stage, each.steps * each.stage.batch
    hardware = target.hardware
    memory = each.memory.of(each.micro_batch)
    usable = hardware.memory_bytes
    shared = shared_memory_bytes(each.shape, each.share, recipe.data.loader)
    # All processes together.
    compute, loader = compute * hardware.processes, loader * hardware.processes
    return StageForecast(
        name=stage.name,
        steps=each.steps,
        clips=clips,
        gigaflops_per_clip=each.cost.train / 1e9,
        exaflops=clips * _flops(each) / 1e18,
        memory_gigabytes=memory / GIGA,
        micro_batch=each.micro_batch,
        parts=each.parts,
        fits=None if usable is None else memory <= usable,
        shared_memory_gigabytes=target.processes_here * shared / GIGA,
        compute_clips_per_second=compute,
        loader_clips_per_second=loader,
        hours=clips / min(compute, loader) / 3600,
        bottleneck="compute" if compute <= loader else "loader",
    )


def _advice(stages: list[StageForecast], recipe: TrainRecipe, usable: float | None) -> str:
    tight = next((stage for stage in stages if stage.fits is False), None)
    if tight is not None and usable is not None:
        return _less_memory(tight, recipe, usable)
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


def _less_memory(stage: StageForecast, recipe: TrainRecipe, usable: float) -> str:
    """What to do about a stage that a device's memory does not hold."""
    least = 2 if stage.micro_batch > 1 else 1
    text = (
        f"stage {stage.name!r} needs {stage.memory_gigabytes:.3g} GB a device and may fill "
        f"{usable / GIGA:.3g}: "
    )
    named = next(each for each in recipe.stages if each.name == stage.name)
    if named.micro_batch and stage.micro_batch >= least:
        return text + f"lower stages.{stage.name}.micro_batch, or leave it 0 to have it chosen"
    layers = recipe.model.config.vision_layers
    ways = []
    if recipe.model.config.checkpointed_blocks < layers:
        ways.append(f"--set model.config.checkpointed_blocks={layers}")
    if recipe.loop.sharding != "fsdp":
        ways.append("--set loop.sharding=fsdp on several devices")
    return text + " or ".join([*ways, "a device with more memory"])


def _loader_rate(
    recipe: TrainRecipe, source: ClipSource, samples: Samples, each: PlannedStage, target: Target
) -> float:
    """Clips per second of one process's loader, from reading a few in line."""
    data = recipe.data
    reader = BatchReader(source, each.shape, data.view, recipe.loop.seed)
    order = make_order(each.plan, samples, 0, data.view.flip)
    chosen = order.samples[:_READ_CLIPS]
    if isinstance(source, PickSource) and source.packed is not None:
        # Only some clips have their pictures here; those are read, again if they are few.
        there = np.flatnonzero(np.isin(samples.clips, source.packed))
        chosen = np.resize(there if len(there) else chosen, len(chosen))
    few = replace(order, samples=chosen, clips=samples.clips[chosen])
    reader[replace(few, samples=few.samples[:2], clips=few.clips[:2])]
    started = time.perf_counter()
    reader[few]
    rate = len(few.samples) / (time.perf_counter() - started)
    workers = data.loader.workers
    if target.device is not None:
        # Of another machine it is not known: each worker is taken to have a core there.
        workers = min(workers, (os.cpu_count() or 1) // target.processes_here)
    return rate * max(1, workers)


def _step_rate(recipe: TrainRecipe, each: PlannedStage, target: Target) -> float | None:
    """Clips per second of a step of one device; None where it cannot be measured in time."""
    device, cost = target.device, each.cost
    if device is None:
        return None
    seconds_per_clip = (cost.train + cost.recomputed) / (_ASSUMED_SHARE * target.peak)
    clips = min(
        each.micro_batch,
        _MOST_MEASURED_CLIPS.get(device.type, each.micro_batch),
        int(_MEASURED_SECONDS / 3 / seconds_per_clip),
    )
    usable = target.hardware.memory_bytes
    if usable is not None:
        clips = min(clips, each.memory.most_clips(usable))
    if clips < 2:
        return None
    try:
        seconds = TrialStep(recipe, each, clips, device).seconds()
    except torch.OutOfMemoryError:
        return None
    return clips / seconds * (cost.train + cost.recomputed) / _flops(each)
