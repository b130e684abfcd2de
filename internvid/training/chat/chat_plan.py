"""What a run of a video chat will cost before it starts."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace

from internvid.training.chat.chat_batches import ChatReader
from internvid.training.chat.chat_kind import ChatSubject, PlannedChat, chat_flops
from internvid.training.data.loader import make_order
from internvid.training.plan.device_memory import GIGA
from internvid.training.plan.training_plan import Forecast, StageForecast, Target

_ASSUMED_SHARE = 0.4
_READ_VIDEOS = 8
_FLOAT_BYTES = 4
# Activations of a block of a transformer for a token and channel, counted as for ViCLIP's.
_ACTIVATION_BYTES = 80.0


def forecast_chat(subject: ChatSubject, planned: Sequence[PlannedChat], target: Target) -> Forecast:
    """Reads a few videos, and reckons with the rest; no step is taken.

    Args:
        subject: the chat on this machine.
        planned: its stages.
        target: what the run will have.
    """
    stages = tuple(_stage(subject, each, target) for each in planned)
    usable = target.hardware.memory_bytes
    return Forecast(
        stages=stages,
        samples=len(subject.samples),
        processes=target.hardware.processes,
        device=target.name,
        dtype="bfloat16" if target.bfloat16 else "float32",
        peak_teraflops=target.peak / 1e12,
        compute_is_measured=False,
        advice=_advice(stages),
        device_is_here=target.device is not None,
        usable_gigabytes=None if usable is None else usable / GIGA,
    )


def _stage(subject: ChatSubject, each: PlannedChat, target: Target) -> StageForecast:
    flops = chat_flops(subject.chat, subject.samples, each.stage)
    processes = target.hardware.processes
    compute = _ASSUMED_SHARE * target.peak / flops * processes
    loader = _loader_rate(subject, each, target) * processes
    clips = each.steps * each.stage.batch
    memory = _memory(subject, each)
    usable = target.hardware.memory_bytes
    return StageForecast(
        name=each.stage.name,
        steps=each.steps,
        clips=clips,
        gigaflops_per_clip=flops / 1e9,
        exaflops=clips * flops / 1e18,
        memory_gigabytes=memory / GIGA,
        micro_batch=each.micro_batch,
        parts=each.parts,
        fits=None if usable is None else memory <= usable,
        shared_memory_gigabytes=0.0,
        compute_clips_per_second=compute,
        loader_clips_per_second=loader,
        hours=clips / min(compute, loader) / 3600,
        bottleneck="compute" if compute <= loader else "loader",
    )


def _memory(subject: ChatSubject, each: PlannedChat) -> float:
    """Bytes: weights, gradients and moments of what is trained, activations of a part."""
    chat, stage = subject.chat, each.stage
    held = sum(one.numel() for one in chat.parameters())
    trained = sum(one.numel() for one in chat.connector.parameters()) if stage.connector else 0
    if stage.language:
        lora = chat.config.tuning == "lora"
        trained += sum(
            one.numel()
            for name, one in chat.language_model.named_parameters()
            if not lora or "lora_" in name
        )
    config = chat.language_model.config
    layers = int(getattr(config, "num_hidden_layers", 1))
    length = chat.video_tokens() + 64
    vocabulary = int(chat.language.table.weight.shape[0])
    blocks = layers * chat.language.width * _ACTIVATION_BYTES
    kept = length * (blocks + 3 * _FLOAT_BYTES * vocabulary)
    return _FLOAT_BYTES * (held + 3 * trained) + each.micro_batch * kept


def _loader_rate(subject: ChatSubject, each: PlannedChat, target: Target) -> float:
    """Videos per second of one process's loader, from reading a few in line."""
    if not each.stage.video:
        return float("inf")
    chat, data = subject.chat, subject.recipe.data
    reader = ChatReader(
        subject.source, chat.config.frames, chat.vision.config.resolution,
        chat.vision.preprocessing, data.frames, subject.recipe.loop.seed,
    )  # fmt: skip
    order = make_order(each.plan, subject.samples, 0, "never")
    few = replace(order, samples=order.samples[:_READ_VIDEOS], clips=order.clips[:_READ_VIDEOS])
    started = time.perf_counter()
    reader[few]
    rate = len(few.samples) / max(1e-9, time.perf_counter() - started)
    workers = data.loader.workers
    if target.device is not None:
        workers = min(workers, (os.cpu_count() or 1) // target.processes_here)
    return rate * max(1, workers)


def _advice(stages: Sequence[StageForecast]) -> str:
    tight = next((stage for stage in stages if stage.fits is False), None)
    if tight is not None:
        return (
            f"stage {tight.name!r} needs {tight.memory_gigabytes:.3g} GB a device: "
            f"--set stages.{tight.name}.micro_batch={max(1, tight.micro_batch // 2)}"
        )
    longest = max(stages, key=lambda stage: stage.hours)
    if longest.bottleneck == "loader":
        return f"stage {longest.name!r} waits for data: raise data.loader.workers"
    return f"stage {longest.name!r} is bound by compute: more devices, or fewer frames"
