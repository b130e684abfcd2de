"""A small table of merges, learned of the captions at hand: for models trained from nothing.

CLIP's own table has 48,894 merges, and with them most of a tiny model's parameters. A few hundred
cover a small world's words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from internvid.models.viclip.merges import Merges
from internvid.models.viclip.tokenizer import byte_symbols, normalise_text

_WORD_END = "</w>"


def learn_merges(captions: Iterable[str], count: int) -> Merges:
    """The `count` most useful merges (byte-pair encoding, arXiv 1508.07909).

    Ties go to the pair that comes first in the alphabet, so equal captions give equal tables.

    Args:
        captions: texts.
        count: at most so many.
    """
    symbols = byte_symbols()
    counts = Counter(word for text in captions for word in normalise_text(text).split())
    words = {
        (*(symbols[byte] for byte in word.encode()[:-1]), symbols[word.encode()[-1]] + _WORD_END): n
        for word, n in counts.items()
    }
    pairs: list[tuple[str, str]] = []
    while len(pairs) < count:
        pair_counts: Counter[tuple[str, str]] = Counter()
        for parts, number in words.items():
            for pair in pairwise(parts):
                pair_counts[pair] += number
        if not pair_counts:
            break
        best = min(pair_counts, key=lambda pair: (-pair_counts[pair], pair))
        pairs.append(best)
        words = {_merged(parts, best): number for parts, number in words.items()}
    return Merges(tuple(pairs), "learned of the captions")


def _merged(parts: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    made: list[str] = []
    for part in parts:
        if made and (made[-1], part) == pair:
            made[-1] += part
        else:
            made.append(part)
    return tuple(made)
