"""What a text model generated, and how token sequences become texts."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from internvid.core.timings import count

_SPACES = re.compile(r"\s+")


@dataclass(frozen=True)
class Generated:
    """One answer of a model.

    Attributes:
        text: cleaned: single spaces, no control characters; may be empty.
        is_cut: the model was not finished when its tokens were used up.
    """

    text: str
    is_cut: bool = False


def clean(text: str) -> str:
    """A text in one line: control characters out, runs of white space to single spaces."""
    plain = _SPACES.sub(" ", text)
    kept = (c for c in plain if unicodedata.category(c) not in ("Cc", "Cs", "Co", "Cn"))
    return " ".join("".join(kept).split())


def read_out(
    model: Any, tokenizer: Any, sequences: Any, given: Any | None = None
) -> list[Generated]:
    """Texts of generated sequences.

    Args:
        model: whose configuration names the tokens that end a text.
        tokenizer: turns tokens into text.
        sequences: int64 [N, T], as `generate` returns them.
        given: int64 [N, L], the tokens that were put in; left out of the texts where the model
            repeats them (causal models do).
    """
    if given is not None and sequences.shape[1] >= given.shape[1]:
        length = given.shape[1]
        if bool((sequences[:, :length] == given).all()):
            sequences = sequences[:, length:]
    ends, silent = _end_tokens(model, tokenizer), _silent_tokens(model, tokenizer)
    texts = tokenizer.batch_decode(sequences, skip_special_tokens=True)
    # Tokens that stand before the first word (a start, places of an image) say nothing.
    rows = [list(itertools.dropwhile(silent.__contains__, row)) for row in sequences.tolist()]
    count("tokens", sum(len(row) for row in rows))
    # Writing stops at a token that ends a text, or when no more tokens are allowed.
    return [
        Generated(clean(text), bool(row and ends) and not ends & set(row))
        for text, row in zip(texts, rows, strict=True)
    ]


def without_prompt(generated: Iterable[Generated], prompt: str) -> list[Generated]:
    """Texts without the prompt, where they begin with it."""
    start = clean(prompt).casefold()
    return [
        Generated(each.text[len(start) :].strip(), each.is_cut)
        if start and each.text.casefold().startswith(start)
        else each
        for each in generated
    ]


def _end_tokens(model: Any, tokenizer: Any) -> set[int]:
    """Ids of the tokens that end a text, wherever an architecture keeps them."""
    written = getattr(model.config, "text_config", None)
    inner = getattr(model, "language_model", None)
    holders = (
        *(getattr(each, "generation_config", None) for each in (model, inner)),
        *(written, tokenizer),
    )
    tokens: set[int] = set()
    for holder in holders:
        for name in ("eos_token_id", "sep_token_id", "pad_token_id"):
            value = getattr(holder, name, None)
            tokens |= {value} if isinstance(value, int) else set(value or ())
    return tokens


def _silent_tokens(model: Any, tokenizer: Any) -> set[int]:
    """Ids of tokens that are no part of a text."""
    image = getattr(model.config, "image_token_id", None)
    return {*tokenizer.all_special_ids, *([image] if isinstance(image, int) else [])}
