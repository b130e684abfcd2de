"""Captions that say the same in nearly the same words."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

_WORD = re.compile(r"\w+")


def words_of(text: str) -> frozenset[str]:
    """The words of a text, each once: small letters, without punctuation, accents composed."""
    return frozenset(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


class CaptionIndex:
    """Finds the caption of a list that shares nearly all words with another text.

    Two texts say the same whose sets of words have a Jaccard index (words of both, by words of
    either) of at least `least`. No pair is missed: two such sets share one of the few
    rarest words of each, and only texts that share one of these are compared.

    Args:
        captions: the list.
        least: Jaccard index, above 0 and at most 1.
        least_words: texts of fewer different words say too little to be recognised by.
    """

    def __init__(self, captions: Iterable[str], least: float = 0.9, least_words: int = 5) -> None:
        self.least, self.least_words = least, least_words
        known = {words: text for text in captions if len(words := words_of(text)) >= least_words}
        self.texts = list(known.values())
        self.words = list(known)
        self.counts = Counter(word for words in self.words for word in words)
        self.places: dict[str, list[int]] = {}
        for at, words in enumerate(self.words):
            for word in self._rarest(words):
                self.places.setdefault(word, []).append(at)

    def __len__(self) -> int:
        return len(self.words)

    def nearest(self, text: str) -> str | None:
        """The caption of the list that is most like a text; None where none is like it."""
        words = words_of(text)
        if len(words) < self.least_words:
            return None
        tried = {at for word in self._rarest(words) for at in self.places.get(word, ())}
        best = max(tried, key=lambda at: (self._likeness(words, at), -at), default=None)
        if best is None or self._likeness(words, best) < self.least:
            return None
        return self.texts[best]

    def _likeness(self, words: frozenset[str], at: int) -> float:
        common = len(words & self.words[at])
        return common / (len(words) + len(self.words[at]) - common)

    def _rarest(self, words: frozenset[str]) -> list[str]:
        ordered = sorted(words, key=lambda word: (self.counts[word], word))
        # 1e-9: 0.9 of 10 words are 9, whatever the binary fraction is.
        return ordered[: len(words) - math.ceil(self.least * len(words) - 1e-9) + 1]
