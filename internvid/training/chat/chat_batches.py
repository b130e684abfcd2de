"""Batches of videos for dialogues: frames at ViCLIP's size with their times."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from av.error import FFmpegError
from torch import Tensor
from torch.utils.data import Dataset

from internvid.core.errors import VideoError
from internvid.models.viclip.preprocess import Preprocessing, sample_frames
from internvid.training.chat.dialogue_sources import DialogueSource
from internvid.training.data.loader import Order
from internvid.training.data.order import generator, random_frames
from internvid.training.loss import EMPTY


@dataclass(frozen=True)
class ChatBatch:
    """One step's videos of this process; the dialogues are those of its samples.

    Attributes:
        step: of the stage.
        epoch: it belongs to.
        frames: uint8 [B, T, R, R, 3].
        seconds: float32 [B, T]; NaN where a frame's time is not known.
        samples: int64 [B]; `EMPTY` for a video that could not be read.
        unreadable: (sample, reason) of those.
    """

    step: int
    epoch: int
    frames: Tensor
    seconds: Tensor
    samples: Tensor
    unreadable: tuple[tuple[int, str], ...] = ()

    def tensors(self) -> tuple[Tensor, ...]:
        """All of them."""
        return self.frames, self.seconds, self.samples

    def pin_memory(self) -> ChatBatch:
        """In pages that a GPU can read by itself; called by the loader."""
        return replace(self, frames=self.frames.pin_memory())


@dataclass(frozen=True)
class ChatReader(Dataset[ChatBatch]):
    """Orders in, batches out; pickled into workers.

    Attributes:
        source: where videos are.
        frames: of each.
        resolution: side of the square, in pixels.
        preprocessing: how frames are brought to it.
        rule: which frames.
        seed: of the run.
        shows: whether videos are read at all; a stage of words alone needs none.
    """

    source: DialogueSource
    frames: int
    resolution: int
    preprocessing: Preprocessing
    rule: Literal["middle", "random"] = "middle"
    seed: int = 0
    shows: bool = True

    def __getitem__(self, order: Order) -> ChatBatch:
        side = self.resolution if self.shows else 1
        count = len(order.samples)
        frames = torch.zeros(count, self.frames, side, side, 3, dtype=torch.uint8)
        seconds = torch.full((count, self.frames), math.nan)
        samples = torch.from_numpy(order.samples.copy())
        unreadable: list[tuple[int, str]] = []
        for at, (sample, clip) in enumerate(zip(order.samples, order.clips, strict=True)):
            if not self.shows:
                continue
            try:
                frames[at], seconds[at] = self._shown(int(clip), order.epoch, int(sample))
            except (VideoError, FFmpegError, OSError) as error:
                reason = error.reason if isinstance(error, VideoError) else type(error).__name__
                unreadable.append((int(sample), reason))
                samples[at] = EMPTY
        return ChatBatch(order.step, order.epoch, frames, seconds, samples, tuple(unreadable))

    def _shown(self, clip: int, epoch: int, sample: int) -> tuple[Tensor, Tensor]:
        rng = generator(self.seed, epoch, sample)

        def choose(available: int) -> list[int]:
            if self.rule == "middle":
                return list(sample_frames(available, self.frames))
            return list(random_frames(rng, available, self.frames))

        shown = self.source.read_shown(clip, choose)
        images = torch.from_numpy(np.stack(list(shown.frames))).permute(0, 3, 1, 2)
        squares = self.preprocessing.resize(images, self.resolution).permute(0, 2, 3, 1)
        times = [math.nan] * self.frames if shown.seconds is None else list(shown.seconds)
        return squares.to(torch.uint8), torch.tensor(times)


def known_seconds(row_T: Tensor) -> tuple[float, ...] | None:
    """The times of a row; None where one is not known."""
    values = row_T.tolist()
    return None if any(math.isnan(value) for value in values) else tuple(values)
