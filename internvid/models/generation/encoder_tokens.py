"""Prompts as tokens of a transformers tokenizer; one that is too long is an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from internvid.core.errors import MisuseError


def tokenise(
    tokenizer: Any, texts: Sequence[str], limit: int, *, cuts: bool = False
) -> dict[str, Tensor]:
    """`input_ids` and `attention_mask` [B, limit], filled up.

    Args:
        tokenizer: of transformers.
        texts: one row each.
        limit: tokens that the encoder reads.
        cuts: cut texts that are longer.

    Raises:
        MisuseError: a text is longer, and is not to be cut.
    """
    rows = list(texts)
    if not cuts:
        for text, ids in zip(rows, tokenizer(rows, truncation=False)["input_ids"], strict=True):
            if len(ids) > limit:
                raise MisuseError(
                    f"the prompt has {len(ids)} tokens, the text encoder reads {limit}: "
                    f"{text[:60]!r}{'...' if len(text) > 60 else ''}",
                    hint="shorten it",
                )
    made = tokenizer(
        rows,
        padding="max_length",
        max_length=limit,
        truncation=True,
        return_attention_mask=True,
        return_tensors="pt",
    )
    return {name: made[name] for name in ("input_ids", "attention_mask")}
