"""Greedy decoding from embeddings, token by token, so that answers can be streamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from internvid.models.chat.causal_language import Language
from internvid.models.chat.prompt_tokens import IGNORED


@torch.no_grad()
def greedy(language: Language, embeds_BLD: Tensor, mask_BL: Tensor, most: int) -> Iterator[Tensor]:
    """The most probable token of each row, one step after another, until all rows have ended.

    Args:
        language: the model.
        embeds_BLD: of the prompts, padded on the left.
        mask_BL: which of them are there.
        most: tokens.

    Yields:
        int64 [B]; -1 in rows that have ended.
    """
    ends = torch.tensor(sorted(language.end_ids()), device=embeds_BLD.device)
    ended = torch.zeros(len(embeds_BLD), dtype=torch.bool, device=embeds_BLD.device)
    positions_BL = (mask_BL.cumsum(1) - 1).clamp(min=0)
    out = _forward(language, embeds_BLD, mask_BL, positions_BL, None)
    position_B = positions_BL[:, -1]
    for _ in range(most):
        token_B = out.logits[:, -1].argmax(-1)
        ended = ended | torch.isin(token_B, ends)
        yield token_B.masked_fill(ended, -1)
        if bool(ended.all()):
            return
        position_B = position_B + 1
        mask_BL = torch.cat([mask_BL, mask_BL.new_ones(len(mask_BL), 1)], dim=1)
        embedded = language.table(token_B)[:, None].to(embeds_BLD.dtype)
        cache = out.past_key_values
        out = _forward(language, embedded, mask_BL, position_B[:, None], cache)


def _forward(
    language: Language, embeds_BLD: Tensor, mask_BL: Tensor, positions_BL: Tensor, cache: Any
) -> Any:
    # Models without absolute positions have no such argument.
    return language.model(
        inputs_embeds=embeds_BLD,
        attention_mask=mask_BL,
        past_key_values=cache,
        use_cache=True,
        **_positions(language.model, positions_BL),
    )


def _positions(model: Any, positions_BL: Tensor) -> dict[str, Tensor]:
    import inspect

    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    known = inspect.signature(inner.forward).parameters
    return {"position_ids": positions_BL} if "position_ids" in known else {}


def answer_scores(logits_BLV: Tensor, labels_BL: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of log-likelihoods of each row's answer, and its tokens.

    Args:
        logits_BLV: of the model.
        labels_BL: of the same places, `IGNORED` outside of the answer.

    Returns:
        float [B], int64 [B].
    """
    targets = labels_BL[:, 1:]
    chances = logits_BLV[:, :-1].float().log_softmax(-1)
    picked = chances.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    counted = targets != IGNORED
    return (picked * counted).sum(1), counted.sum(1)
