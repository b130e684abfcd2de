"""One optimiser step's gradients: the whole batch at once, or in parts with cached gradients.

With parts, embeddings of all of them are computed without gradients, the loss of the whole batch
gives each embedding's gradient, and every part is computed once more to carry its gradient on
(GradCache, arXiv 2101.06983). The negatives are those of the whole batch either way.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from internvid.training.data.loader import Batch
from internvid.training.data.order import key_of
from internvid.training.data.samples import Samples
from internvid.training.loss import EMPTY, LOWEST_TEMPERATURE
from internvid.training.optimiser import gradient_norm
from internvid.training.prepare import Towers
from internvid.training.recipes.recipe import TrainRecipe
from internvid.training.run.distributed import all_sum, rank, world_size
from internvid.training.run.sharding import mean_gradient, no_sync

Encode = Callable[[int], tuple[Tensor, Tensor]]
Loss = Callable[[Tensor, Tensor], Tensor]
Within = Callable[[int], Tensor]


def accumulate_gradients(
    encode: Encode,
    loss: Loss,
    parts: int = 1,
    unsynchronised: Callable[[], AbstractContextManager[None]] = nullcontext,
    within: Within | None = None,
) -> Tensor:
    """Adds the gradients of one batch to the parameters.

    Args:
        encode: part number -> (video, text) embeddings [b, E] of that part; called twice per part
            where there are several, so its random numbers must depend on the part alone.
        loss: (video, text) embeddings of this process's batch -> loss of the global batch.
        parts: how many; 1 needs no second pass.
        unsynchronised: a context in which processes do not exchange gradients; entered for every
            part but the last.
        within: part number -> a loss of that part by itself, added to the other; called right
            after `encode` of the part, with gradients.

    Returns:
        The loss, detached. Gradients are multiplied by the number of processes, since DDP and
        FSDP take means over them.
    """
    if parts == 1:
        value = loss(*encode(0))
        own = value.new_zeros(()) if within is None else within(0)
        ((value + own) * world_size()).backward()  # type: ignore[no-untyped-call]
        return value.detach() + all_sum(own.detach())
    with torch.no_grad():
        encoded = [encode(part) for part in range(parts)]
    videos, texts = (
        torch.cat(side).float().requires_grad_() for side in zip(*encoded, strict=True)
    )
    value = loss(videos, texts)
    (value * world_size()).backward()  # type: ignore[no-untyped-call]
    assert videos.grad is not None
    assert texts.grad is not None
    start, owned = 0, value.new_zeros(())
    for part in range(parts):
        with nullcontext() if part == parts - 1 else unsynchronised():
            pair = encode(part)
            rows = slice(start, start + len(pair[0]))
            start = rows.stop
            gradients = (videos.grad[rows], texts.grad[rows])
            wanted = [
                (side, gradient.to(side.dtype))
                for side, gradient in zip(pair, gradients, strict=True)
                if side.requires_grad
            ]
            if within is not None:
                own = within(part)
                owned = owned + own.detach()
                wanted.append((own, torch.full_like(own, world_size())))
            torch.autograd.backward([side for side, _ in wanted], [grad for _, grad in wanted])
    return value.detach() + all_sum(owned)


@dataclass(frozen=True)
class Stepper:
    """Takes optimiser steps. Nothing in it waits for the device.

    Attributes:
        recipe: of the run.
        samples: labels of what is shown.
        towers: what is trained.
        optimiser: of the stage.
        stage: its number; dropped paths are functions of it too.
        parts: in how many a batch is taken.
    """

    recipe: TrainRecipe
    samples: Samples
    towers: Towers
    optimiser: torch.optim.Optimizer
    stage: int
    parts: int

    def step(self, batch: Batch, *, wants_norm: bool) -> tuple[Tensor, Tensor | None]:
        """One step: the loss, and the gradient's norm where it is wanted or limited."""
        loss = self.add_gradients(batch)
        return loss, self.update(wants_norm=wants_norm)

    def in_parts(self, parts: int) -> Self:
        """A copy of the step that takes a batch in so many parts."""
        return replace(self, parts=parts)

    def update(self, *, wants_norm: bool) -> Tensor | None:
        """Changes the parameters by their gradients, and forgets those; see `step`."""
        towers, temperature = self.towers, self.towers.model.temp
        mean_gradient(temperature)
        limit = self.recipe.optimiser.clip_norm
        parameters = (each for _, each in towers.named_parameters())
        norm = gradient_norm(parameters, limit) if limit or wants_norm else None
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        with torch.no_grad():
            temperature.clamp_(min=LOWEST_TEMPERATURE)
        return norm

    def add_gradients(self, batch: Batch) -> Tensor:
        """Adds the gradients of a batch, and returns its loss."""
        sources_B, labels_B, texts = self.labels(batch)
        temperature, clips_B = self.towers.model.temp, self.equal_clips(batch)
        return accumulate_gradients(
            self._encoder(batch, texts),
            lambda video, text: self.recipe.loss(
                video, text, temperature, sources_B, labels_B, clips_B
            ),
            self.parts,
            no_sync(self.towers.trained),
        )

    def labels(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Sources, captions as labels, captions as the text side takes them; on the device."""
        device = self.towers.device
        samples = batch.samples.clamp(min=0).numpy()
        texts = self.samples.texts[samples]
        sources = torch.from_numpy(self.samples.sources[samples])
        sources = sources.masked_fill(batch.samples == EMPTY, EMPTY)
        given = self.towers.texts.rows(texts)
        return (
            sources.to(device, non_blocking=True),
            torch.from_numpy(texts).to(device, non_blocking=True),
            given.to(device, non_blocking=True),
        )

    def equal_clips(self, batch: Batch) -> Tensor:
        """int64 [B], equal for equal clips; on the device."""
        labels, shown = self.samples.videos, batch.samples.clamp(min=0)
        found = shown if labels is None else torch.from_numpy(labels[shown.numpy()])
        return found.to(self.towers.device, non_blocking=True)

    def _encoder(self, batch: Batch, texts: Tensor) -> Encode:
        towers, device = self.towers, self.towers.device
        patches, kept = self.moved(batch)

        def encode(part: int) -> tuple[Tensor, Tensor]:
            rows = self.rows(len(patches), part)
            self.seed(batch.step, part)
            with torch.autocast(device.type, torch.bfloat16, enabled=towers.bf16):
                video = towers.video(patches[rows], None if kept is None else kept[rows])
                text = texts[rows] if towers.text is None else towers.text(texts[rows])
            return video, text

        return encode

    def moved(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Patches and their numbers, on the device."""
        device = self.towers.device
        kept = None if batch.kept is None else batch.kept.to(device, non_blocking=True)
        return batch.patches.to(device, non_blocking=True), kept

    def rows(self, count: int, part: int) -> slice:
        """The rows of a batch of `count` that make a part."""
        size = -(-count // self.parts)
        return slice(part * size, (part + 1) * size)

    def seed(self, step: int, part: int) -> None:
        """Dropped paths are functions of this."""
        torch.manual_seed(key_of(self.recipe.loop.seed, self.stage, step, rank(), part))
