"""One optimiser step of a video chat: cross entropy of the answers' tokens, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from internvid.models.chat.prompt_forms import Piece, frames_sentence, pieces_of
from internvid.models.chat.prompt_tokens import IGNORED, PromptTokens, assembled, tokenised
from internvid.models.chat.video_chat import VideoChat
from internvid.models.chat.video_inputs import places_of
from internvid.training.chat.chat_batches import ChatBatch, known_seconds
from internvid.training.chat.dialogue_sources import SCENE, turns_of
from internvid.training.data.order import key_of
from internvid.training.data.samples import Samples
from internvid.training.loss import EMPTY
from internvid.training.optimiser import gradient_norm
from internvid.training.run.distributed import all_sum, rank, world_size
from internvid.training.run.sharding import no_sync


class AnswerLoss(nn.Module):
    """Videos and prompts in, the summed loss of the answers' tokens out: what DDP wraps.

    Args:
        chat: whose parameters are used.
        with_video: whether the videos are shown.
    """

    def __init__(self, chat: VideoChat, *, with_video: bool) -> None:
        super().__init__()
        self.chat = chat
        self.with_video = with_video

    def forward(self, frames_BTHWC: Tensor, prompts: Sequence[PromptTokens]) -> Tensor:
        """The loss, not divided by the number of tokens.

        Args:
            frames_BTHWC: uint8, at ViCLIP's resolution.
            prompts: one of each video.
        """
        chat = self.chat
        video = None
        if self.with_video:
            pixels = chat.vision.preprocessing(frames_BTHWC, chat.vision.config.resolution)
            places = torch.tensor([places_of(pixels.shape[1])], device=pixels.device)
            video = chat.connected(pixels, places.expand(len(pixels), -1))
        embeds, mask, labels = assembled(prompts, video, chat.language.table)
        logits_BLV = chat.language_model(inputs_embeds=embeds, attention_mask=mask).logits
        targets_BL = labels[:, 1:]
        wanted = targets_BL != IGNORED
        return functional.cross_entropy(
            logits_BLV[:, :-1][wanted].float(), targets_BL[wanted], reduction="sum"
        )


@dataclass(frozen=True)
class ChatStepper:
    """Takes optimiser steps.

    Attributes:
        samples: dialogues of what is shown.
        chat: what is trained.
        wrapped: an `AnswerLoss`, as the processes share it.
        optimiser: of the stage.
        bf16: whether the step computes in bfloat16.
        clip_norm: largest norm of the whole gradient; 0 leaves it alone.
        key: (seed, stage), which random numbers are functions of.
        parts: in how many a batch is taken.
    """

    samples: Samples
    chat: VideoChat
    wrapped: nn.Module
    optimiser: torch.optim.Optimizer
    bf16: bool
    clip_norm: float
    key: tuple[int, int]
    parts: int

    def in_parts(self, parts: int) -> Self:
        """A copy of the step that takes a batch in so many parts."""
        return replace(self, parts=parts)

    def add_gradients(self, batch: ChatBatch) -> Tensor:
        """Adds the gradients of a batch: the mean over the answers' tokens of all processes."""
        device = self.chat.device
        held = (batch.samples != EMPTY).nonzero()[:, 0]
        prompts = [self._prompt(batch, int(at)) for at in held]
        count = torch.tensor(float(sum(each.answers for each in prompts)), device=device)
        everyone = all_sum(count).clamp(min=1)
        total = torch.zeros((), device=device)
        size = max(1, -(-len(batch.samples) // self.parts))
        for part in range(self.parts):
            rows = [row for row, at in enumerate(held.tolist()) if at // size == part]
            last = part == self.parts - 1
            with no_sync([] if last else [self.wrapped])():
                loss = self._loss(batch, prompts, held, rows, (batch.step, part))
                (loss / everyone * world_size()).backward()  # type: ignore[no-untyped-call]
            total = total + loss.detach() / everyone
        return all_sum(total)

    def _loss(
        self,
        batch: ChatBatch,
        prompts: Sequence[PromptTokens],
        held: Tensor,
        rows: Sequence[int],
        key: tuple[int, int],
    ) -> Tensor:
        if not rows:
            return self._nothing()
        device = self.chat.device
        torch.manual_seed(key_of(*self.key, *key, rank()))
        frames = batch.frames[held[list(rows)]].to(device, non_blocking=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.bf16):
            loss: Tensor = self.wrapped(frames, [prompts[row] for row in rows])
        return loss

    def _nothing(self) -> Tensor:
        """A loss of zero that all parameters have a part in: other processes wait for them."""
        frames = torch.zeros(1, *self._shape(), dtype=torch.uint8, device=self.chat.device)
        prompt = PromptTokens((0, 0), (False, True), 1)
        loss: Tensor = self.wrapped(frames, [prompt])
        return 0.0 * loss

    def _shape(self) -> tuple[int, int, int, int]:
        side = self.chat.vision.config.resolution
        return self.chat.config.frames, side, side, 3

    def _prompt(self, batch: ChatBatch, at: int) -> PromptTokens:
        text = self.samples.captions[self.samples.texts[int(batch.samples[at])]]
        seconds = known_seconds(batch.seconds[at])
        with_video = self._with_video
        return dialogue_tokens(self.chat, text, seconds, with_video=with_video)

    @property
    def _with_video(self) -> bool:
        inner = getattr(self.wrapped, "module", self.wrapped)
        return bool(inner.with_video)

    def update(self, *, wants_norm: bool) -> Tensor | None:
        """Changes the parameters by their gradients, and forgets those; the gradient's norm."""
        groups = self.optimiser.param_groups
        parameters = [each for group in groups for each in group["params"]]
        norm = gradient_norm(parameters, self.clip_norm) if self.clip_norm or wants_norm else None
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return norm


def dialogue_tokens(
    chat: VideoChat, text: str, seconds: Sequence[float] | None, *, with_video: bool
) -> PromptTokens:
    """A dialogue of the samples as tokens.

    Args:
        chat: whose tokenizer and prompt form are used.
        text: see `as_text`.
        seconds: times of its frames; None where they are not known.
        with_video: whether a video stands in it; else its description does, if there is one.
    """
    tokenizer = chat.language.tokenizer
    sentence = frames_sentence(seconds, chat.config.frames)
    turns = turns_of(text)
    shown = [turn for turn in turns if turn.role != SCENE]
    described = turns[0].text if turns[0].role == SCENE else ""
    pieces = pieces_of(
        shown, sentence, chat.form, tokenizer, with_video=with_video or bool(described)
    )
    if not with_video:
        pieces = [Piece(described) if each.text is None else each for each in pieces]
    return tokenised(pieces, tokenizer, begins=chat.form != "template")
