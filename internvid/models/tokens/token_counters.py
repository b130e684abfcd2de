"""How many tokens a text has for a pretrained model, its marks of start and end included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from internvid.core.errors import WeightsMissingError
from internvid.core.weights import require_weights
from internvid.models.pretrained import import_transformers

TokenCounter = Callable[[str], int]
"""Tokens of a text."""


def clip_counter() -> TokenCounter:
    """Counts as CLIP's text encoders do, whose context is 77 tokens.

    Raises:
        SourceMissingError: CLIP's table of merges is not on this machine; the hint says what to do.
        DependencyMissingError: torch, ftfy or regex is not installed.
    """
    from internvid.models.viclip.merges import find_merges
    from internvid.models.viclip.tokenizer import Tokenizer

    tokenizer = Tokenizer(find_merges())
    return lambda text: len(tokenizer.encode(text)) + 2


def pretrained_counter(name: str) -> TokenCounter:
    """Counts with the tokenizer of a model of transformers; no weights are read.

    Args:
        name: a folder, or a hub name whose files are on this machine. Of a pipeline of diffusers
            the folder `tokenizer` in it is taken.

    Raises:
        WeightsMissingError: there is no tokenizer, or it cannot be read.
        DependencyMissingError: transformers is not installed.
    """
    folder = require_weights(name)
    inside = folder / "tokenizer"
    if inside.is_dir() and not _has_tokenizer(folder):
        folder = inside
    transformers = import_transformers()
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, TypeError, KeyError, ImportError, AttributeError) as error:
        raise WeightsMissingError(
            f"{name!r} has no tokenizer that can be read: {str(error).splitlines()[0]}",
            hint="give a folder with tokenizer.json, or with the files of its tokenizer",
        ) from error
    return lambda text: len(tokenizer(text).input_ids)


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("tokenizer_config.json", "tokenizer.json"))
