"""One optimiser step of a text-to-video model, whatever its kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor, nn

from internvid.models.generation.video_model import TextInputs, VideoModel, measure_loss
from internvid.training.data.order import key_of
from internvid.training.data.samples import Samples
from internvid.training.generation.batches import GenerationBatch, Group
from internvid.training.generation.recipe import GenerationRecipe
from internvid.training.loss import EMPTY
from internvid.training.optimiser import gradient_norm
from internvid.training.run.distributed import all_sum, world_size

_NOISE = 3


class Trained(Protocol):
    """What a step needs of what is trained; `GenerationSubject` documents the fields."""

    recipe: GenerationRecipe
    samples: Samples
    model: VideoModel
    device: torch.device
    bf16: bool
    no_text: TextInputs

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Those that are trained."""
        ...

    def average(self) -> None:
        """Averaged weights take a step towards those that are trained."""
        ...


@dataclass(frozen=True)
class DenoisingStep:
    """Takes optimiser steps. Nothing in it waits for the device.

    Noise, times and dropped texts are functions of the seed, the epoch and the sample: they depend
    neither on the parts that a batch is taken in nor on the number of processes.

    Attributes:
        subject: what is trained.
        optimiser: of the stage.
        stage: its number.
        parts: in how many a batch is taken.
    """

    subject: Trained
    optimiser: torch.optim.Optimizer
    stage: int
    parts: int

    def in_parts(self, parts: int) -> DenoisingStep:
        """See `RunStep`."""
        return replace(self, parts=parts)

    def add_gradients(self, batch: GenerationBatch) -> Tensor:
        """See `RunStep`; the mean over the readable samples of all processes."""
        device = self.subject.device
        readable = (batch.samples != EMPTY).sum().to(device, torch.float32)
        # Every process adds its part of one mean.
        count = all_sum(readable).clamp(min=1)
        total = torch.zeros((), device=device)
        size = max(1, -(-len(batch.samples) // self.parts))
        for group in batch.groups:
            for start in range(0, len(group.rows), size):
                loss = self._losses(group.part(start, size), batch).sum() / count
                loss.backward()  # type: ignore[no-untyped-call]
                total += loss.detach()
        return all_sum(total)

    def _losses(self, group: Group, batch: GenerationBatch) -> Tensor:
        subject, samples = self.subject, [int(batch.samples[row]) for row in group.rows]
        recipe, model = subject.recipe, subject.model
        generators = [_generator(recipe.loop.seed, self.stage, batch.epoch, one) for one in samples]
        dropped = [
            float(torch.rand((), generator=each)) < recipe.data.text_dropout for each in generators
        ]
        if group.text:
            clean = group.content.to(subject.device, non_blocking=True)
            text = self._cached(group.text, dropped)
        else:
            clean = model.encode(group.content.numpy())
            names = subject.samples.captions
            texts = subject.samples.texts
            captions = [
                "" if no else names[int(texts[one])]
                for one, no in zip(samples, dropped, strict=True)
            ]
            text = model.encode_text(captions, cuts=True)
        noise, times = _drawn(model, clean, generators)
        with torch.autocast(subject.device.type, torch.bfloat16, enabled=subject.bf16):
            return measure_loss(model, clean, noise, times, text)

    def _cached(self, text: TextInputs, dropped: Sequence[bool]) -> TextInputs:
        empty, device = self.subject.no_text, self.subject.device
        given = {name: each.to(device, non_blocking=True) for name, each in text.items()}
        for row, no in enumerate(dropped):
            if no:
                for name, each in given.items():
                    each[row] = empty[name]
        return given

    def update(self, *, wants_norm: bool) -> Tensor | None:
        """See `RunStep`; averaged weights follow."""
        parameters = [each for _, each in self.subject.named_parameters()]
        if world_size() > 1:
            for each in parameters:
                if each.grad is None:
                    # Every process must take part, whether or not it had a clip.
                    each.grad = torch.zeros_like(each)
                each.grad.copy_(all_sum(each.grad))
        limit = self.subject.recipe.optimiser.clip_norm
        norm = gradient_norm(parameters, limit) if limit or wants_norm else None
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.subject.average()
        return norm


def _generator(seed: int, stage: int, epoch: int, sample: int) -> torch.Generator:
    key = key_of(seed, stage, epoch, sample, _NOISE)
    return torch.Generator().manual_seed(key % 2**63)


def _drawn(
    model: VideoModel, clean: Tensor, generators: Sequence[torch.Generator]
) -> tuple[Tensor, Tensor]:
    frames = clean.shape[2]
    times = torch.cat([model.draw_times(1, frames, each) for each in generators])
    noise = torch.stack([torch.randn(clean.shape[1:], generator=each) for each in generators])
    return noise.to(clean), times.to(clean.device)
