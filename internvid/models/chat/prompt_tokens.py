"""Pieces of prompts as tokens, and batches of them with the video's inputs between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from internvid.models.chat.prompt_forms import Piece

IGNORED = -100
"""Label of what the loss passes over."""


@dataclass(frozen=True)
class PromptTokens:
    """A prompt as tokens.

    Attributes:
        ids: of the text.
        is_answer: whether each is to be written by the language model.
        video_at: how many of them stand before the video; None without one.
    """

    ids: tuple[int, ...]
    is_answer: tuple[bool, ...]
    video_at: int | None

    @property
    def answers(self) -> int:
        """Tokens that the loss is over."""
        return sum(self.is_answer)


def tokenised(pieces: Sequence[Piece], tokenizer: Any, *, begins: bool) -> PromptTokens:
    """The tokens of pieces, each piece by itself so that answers begin at tokens of their own.

    Args:
        pieces: of one prompt.
        tokenizer: of the language model.
        begins: put the tokenizer's begin mark first, if it has one; a template writes its own.
    """
    ids: list[int] = []
    marks: list[bool] = []
    video_at = None
    if begins and tokenizer.bos_token_id is not None:
        ids.append(int(tokenizer.bos_token_id))
        marks.append(False)
    for piece in pieces:
        if piece.text is None:
            video_at = len(ids)
            continue
        more = tokenizer(piece.text, add_special_tokens=False)["input_ids"]
        ids += more
        marks += [piece.is_answer] * len(more)
    return PromptTokens(tuple(ids), tuple(marks), video_at)


def assembled(
    prompts: Sequence[PromptTokens], video_BMD: Tensor | None, embed: Any, *, left: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """A batch: embeddings, which of them are there, and labels.

    Args:
        prompts: one a row.
        video_BMD: inputs of the videos, one a row; None for text alone.
        embed: ids -> embeddings, the language model's table.
        left: pad on the left, as generation needs it.

    Returns:
        [B, L, D], int64 [B, L], int64 [B, L] with `IGNORED` outside of the answers.
    """
    device = embed.weight.device
    rows: list[tuple[Tensor, Tensor]] = []
    count = 0 if video_BMD is None else video_BMD.shape[1]
    for at, prompt in enumerate(prompts):
        ids = torch.tensor(prompt.ids, dtype=torch.int64, device=device)
        answers = torch.tensor(prompt.is_answer, dtype=torch.bool, device=device)
        labels, embedded = ids.masked_fill(~answers, IGNORED), embed(ids)
        if video_BMD is not None and prompt.video_at is not None:
            place = prompt.video_at
            video = video_BMD[at].to(embedded.dtype)
            embedded = torch.cat([embedded[:place], video, embedded[place:]])
            nothing = labels.new_full((count,), IGNORED)
            labels = torch.cat([labels[:place], nothing, labels[place:]])
        rows.append((embedded, labels))
    longest = max(len(labels) for _, labels in rows)
    embeds = rows[0][0].new_zeros(len(rows), longest, rows[0][0].shape[-1])
    mask = torch.zeros(len(rows), longest, dtype=torch.int64, device=device)
    targets = torch.full((len(rows), longest), IGNORED, dtype=torch.int64, device=device)
    for at, (embedded, labels) in enumerate(rows):
        size = len(labels)
        place_of = slice(longest - size, longest) if left else slice(0, size)
        embeds[at, place_of], mask[at, place_of], targets[at, place_of] = embedded, 1, labels
    return embeds, mask, targets
