"""What a run of a text-to-video model will take: FLOPs, memory, hours."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice

import torch
from torch import Tensor

from internvid.models.generation.video_model import VideoModel, measure_loss
from internvid.training.data.samples import ClipSource, Samples
from internvid.training.generation.clip_shapes import ClipShapes, find_shapes
from internvid.training.generation.recipe import GenerationRecipe, GenerationStage
from internvid.training.generation.subject import count_forward, open_model
from internvid.training.kinds.contract import Planned
from internvid.training.plan.training_plan import Forecast, StageForecast, Target

_ASSUMED_SHARE = 0.4
_TRIED_CLIPS = 4
GIGA = 1e9


def forecast_generation(
    recipe: GenerationRecipe,
    source: ClipSource,
    samples: Samples,
    planned: Sequence[Planned],
    target: Target,
) -> Forecast:
    """Takes a step with one sample, reads some clips, and reckons with the rest.

    Args:
        recipe: the whole configuration.
        source: the clips.
        samples: those of them that can be trained on.
        planned: the stages over them.
        target: what the run will have.
    """
    here = target.device or torch.device("cpu")
    model = open_model(recipe.model, list(samples.captions), here, "float32")
    shapes = find_shapes(recipe.data, model.limits)
    loader = _loader_rate(source, samples, shapes)
    stages = tuple(
        _stage(model, shapes, each, target, loader, is_cached=recipe.model.kind != "tiny")
        for each in planned
    )
    usable = target.hardware.memory_bytes
    return Forecast(
        stages=stages,
        samples=len(samples),
        processes=target.hardware.processes,
        device=target.name,
        dtype="bfloat16" if target.bfloat16 else "float32",
        peak_teraflops=target.peak / 1e12,
        compute_is_measured=target.device is not None,
        advice=_advice(stages),
        device_is_here=target.device is not None,
        usable_gigabytes=None if usable is None else usable / GIGA,
    )


def _stage(
    model: VideoModel,
    shapes: ClipShapes,
    planned: Planned,
    target: Target,
    loader: float,
    *,
    is_cached: bool,
) -> StageForecast:
    assert isinstance(planned.stage, GenerationStage)
    pictures = planned.stage.pictures
    flops = 3 * count_forward(model, shapes, pictures=pictures)
    seconds, saved = _try_step(model, shapes, pictures=pictures)
    trained = sum(each.nbytes for _, each in model.named_parameters())
    weights = sum(each.nbytes for each in model.network.parameters())
    # Gradients, two moments and averaged weights of what is trained.
    memory = weights + 4 * trained + planned.micro_batch * saved
    here = target.device is not None
    compute = 1 / seconds if here else _ASSUMED_SHARE * target.peak / flops
    compute *= target.hardware.processes
    clips = planned.steps * planned.stage.batch
    # Latents are made once; reading them again costs next to nothing.
    reading = clips / loader if not is_cached else min(clips, planned.plan.count) / loader
    hours = max(clips / compute, reading) / 3600
    usable = target.hardware.memory_bytes
    return StageForecast(
        name=planned.stage.name,
        steps=planned.steps,
        clips=clips,
        gigaflops_per_clip=flops / GIGA,
        exaflops=clips * flops / 1e18,
        memory_gigabytes=memory / GIGA,
        micro_batch=planned.micro_batch,
        parts=planned.parts,
        fits=None if usable is None else memory <= usable,
        shared_memory_gigabytes=0.0,
        compute_clips_per_second=compute,
        loader_clips_per_second=clips / reading,
        hours=hours,
        bottleneck="compute" if clips / compute >= reading else "loader",
    )


def _try_step(model: VideoModel, shapes: ClipShapes, *, pictures: bool) -> tuple[float, int]:
    """Seconds of a step with one sample, and bytes that its forward pass keeps."""
    generator = torch.Generator().manual_seed(0)
    size = shapes.sides(model.limits.height, model.limits.width)
    frames = 1 if pictures else shapes.counts[-1]
    clip = torch.zeros((1, frames, *size, 3), dtype=torch.uint8)
    clean, text = model.encode(clip.numpy()), model.encode_text([""])
    times = model.draw_times(1, clean.shape[2], generator).to(clean.device)
    noise = torch.randn(clean.shape, generator=generator).to(clean)
    kept: dict[int, int] = {}
    own = {each.untyped_storage().data_ptr() for each in model.network.parameters()}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    best = float("inf")
    for _ in range(2):
        began = time.perf_counter()
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            loss = measure_loss(model, clean, noise, times, text).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        if clean.device.type == "cuda":
            torch.cuda.synchronize(clean.device)
        best = min(best, time.perf_counter() - began)
    for _, each in model.named_parameters():
        each.grad = None
    return best, sum(kept.values())


def _loader_rate(source: ClipSource, samples: Samples, shapes: ClipShapes) -> float:
    """Clips a second that one thread reads."""
    began, read = time.perf_counter(), 0
    for clip in islice(samples.clips, _TRIED_CLIPS):
        shapes.read(source, int(clip))
        read += 1
    return read / max(time.perf_counter() - began, 1e-9)


def _advice(stages: Sequence[StageForecast]) -> str:
    tight = next((stage for stage in stages if stage.fits is False), None)
    if tight is not None:
        smaller = max(1, tight.micro_batch // 2)
        return (
            f"stage {tight.name} does not fit: --set stages.{tight.name}.micro_batch={smaller}"
            if tight.micro_batch > 1
            else "even one clip does not fit: fewer frames (--set data.frames=N) or a smaller size"
        )
    slow = max(stages, key=lambda stage: stage.hours)
    if slow.bottleneck == "loader":
        return "reading is the limit: --set data.loader.workers=N reads ahead with N threads"
    return f"computing is the limit, in stage {slow.name}: more devices, or fewer steps"
