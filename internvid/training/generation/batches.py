"""Batches of text-to-video training: frames or cached latents, grouped by their sizes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from av.error import FFmpegError
from torch import Tensor

from internvid.core.errors import VideoError
from internvid.models.generation.video_model import TextInputs
from internvid.training.data.loader import LoaderRecipe
from internvid.training.data.order import SamplePlan, generator, process_share
from internvid.training.data.samples import ClipSource, Samples
from internvid.training.generation.clip_shapes import ClipShapes
from internvid.training.generation.latent_cache import LatentCache
from internvid.training.loss import EMPTY
from internvid.training.run.distributed import rank, world_size


@dataclass(frozen=True)
class Group:
    """Samples of a batch whose clips have one size.

    Attributes:
        rows: places in the batch.
        content: uint8 frames [B, T, H, W, 3], or latents [B, C, T, H, W].
        text: cached states of the captions; empty where captions are read.
    """

    rows: tuple[int, ...]
    content: Tensor
    text: TextInputs

    def part(self, start: int, size: int) -> Group:
        """Some of its samples."""
        chosen = slice(start, start + size)
        text = {name: each[chosen] for name, each in self.text.items()}
        return Group(self.rows[chosen], self.content[chosen], text)


@dataclass(frozen=True)
class GenerationBatch:
    """One step's clips of this process.

    Attributes:
        step: of the stage.
        epoch: it belongs to.
        samples: int64 [B]; `EMPTY` where a clip could not be read.
        groups: what could be read.
        unreadable: (sample, reason) of the others.
    """

    step: int
    epoch: int
    samples: Tensor
    groups: tuple[Group, ...]
    unreadable: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class GenerationReader:
    """Makes batches.

    Attributes:
        source: where clips are.
        samples: those that are trained on.
        shapes: what clips are brought to.
        cache: of latents; None where frames are read.
        plan: which samples stand in which batch.
        pictures: whether one frame of each clip is shown.
        seed: of the run.
    """

    source: ClipSource
    samples: Samples
    shapes: ClipShapes
    cache: LatentCache | None
    plan: SamplePlan
    pictures: bool
    seed: int

    def read(self, step: int) -> GenerationBatch:
        """This process's part of a step of a stage."""
        chosen = process_share(self.plan.samples(step), rank(), world_size())
        epoch, samples = self.plan.epoch_of(step), torch.from_numpy(chosen.copy())
        found: dict[tuple[int, ...], list[tuple[int, Tensor, TextInputs]]] = {}
        unreadable: list[tuple[int, str]] = []
        for row, sample in enumerate(chosen):
            try:
                content, text = self._content(int(sample), epoch)
            except (VideoError, FFmpegError, OSError) as error:
                reason = error.reason if isinstance(error, VideoError) else type(error).__name__
                unreadable.append((int(sample), reason))
                samples[row] = EMPTY
                continue
            found.setdefault(tuple(content.shape), []).append((row, content, text))
        groups = tuple(
            Group(
                rows=tuple(row for row, _, _ in members),
                content=torch.stack([content for _, content, _ in members]),
                text={
                    name: torch.stack([text[name] for _, _, text in members])
                    for name in members[0][2]
                },
            )
            for members in found.values()
        )
        return GenerationBatch(step, epoch, samples, groups, tuple(unreadable))

    def _content(self, sample: int, epoch: int) -> tuple[Tensor, TextInputs]:
        if self.cache is not None:
            clip = self.cache.read(sample)
            return clip.latents, clip.text
        frames = self.shapes.read(self.source, int(self.samples.clips[sample]))
        if self.pictures:
            at = int(generator(self.seed, epoch, sample).integers(len(frames)))
            frames = frames[at : at + 1]
        return torch.from_numpy(np.array(frames)), {}

    def run(self, start: int, end: int, how: LoaderRecipe) -> Iterator[GenerationBatch]:
        """Batches of the steps; `how.workers` threads read ahead."""
        if not how.workers:
            yield from map(self.read, range(start, end))
            return
        with ThreadPoolExecutor(how.workers) as pool:
            pending: deque[Future[GenerationBatch]] = deque()
            for step in range(start, end):
                pending.append(pool.submit(self.read, step))
                if len(pending) > how.workers * how.ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
