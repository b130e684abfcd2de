"""Counts tokens of texts, so that what a trainer would cut off is known before it trains."""

from __future__ import annotations

import re
from functools import lru_cache

from internvid.models.tokens.token_counters import (
    TokenCounter,
    clip_counter,
    pretrained_counter,
)

CLIP = "clip"
ESTIMATE = "estimate"
_PIECES = re.compile(r"[^\W\d_]+|[^\s\w]|\d|_")
# Scripts without spaces between words: a character is about a token.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_LETTERS_A_TOKEN = 7


def counted_by(tokenizer: str) -> str:
    """What counts, as a manifest names it: `estimate`, `clip`, or the name that was given."""
    return tokenizer or ESTIMATE


@lru_cache(maxsize=2)
def token_counter(tokenizer: str) -> TokenCounter:
    """What counts the tokens of a text.

    Args:
        tokenizer: `clip`; a folder or hub name of a model of transformers; empty for an estimate.

    Raises:
        SourceMissingError, WeightsMissingError: it is not on this machine.
        DependencyMissingError: what reads it is not installed.
    """
    if not tokenizer:
        return estimated_tokens
    return clip_counter() if tokenizer == CLIP else pretrained_counter(tokenizer)


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has; no model's own count.

    One for each seven letters of a word that are begun, for each digit, each mark and each
    character of a script without spaces, and one for the end. English words of usual length are
    one token in CLIP's vocabulary and one or two in those of T5, Llama and Gemma.
    """
    count = 1
    for piece in _PIECES.findall(text):
        unspaced = len(_UNSPACED.findall(piece))
        count += unspaced + -(-(len(piece) - unspaced) // _LETTERS_A_TOKEN)
    return count
