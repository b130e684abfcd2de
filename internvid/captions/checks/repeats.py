"""Texts that many clips share: a model that says one thing about everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

FEWEST_CLIPS = 4
LEAST_SHARE = 0.1
_MOST_CANDIDATES = int(1 / LEAST_SHARE) + 1


def shared_texts(texts: Callable[[], Iterable[str]]) -> frozenset[str]:
    """Texts of a tenth of the clips or more, and of at least `FEWEST_CLIPS`, as `bare` gives them.

    Two passes in little memory, however many texts there are (Misra and Gries, "Finding repeated
    elements", 1982): the first keeps what can be so frequent, the second counts that.

    Args:
        texts: called twice; gives the text of each clip.
    """
    candidates: Counter[str] = Counter()
    total = 0
    for text in texts():
        total += 1
        key = bare(text)
        if key in candidates or len(candidates) < _MOST_CANDIDATES:
            candidates[key] += 1
            continue
        for other in list(candidates):
            candidates[other] -= 1
            if not candidates[other]:
                del candidates[other]
    counts = Counter(key for key in map(bare, texts()) if key in candidates)
    least = max(FEWEST_CLIPS, LEAST_SHARE * total)
    return frozenset(key for key, count in counts.items() if count >= least)


def bare(text: str) -> str:
    """A text without what makes no difference: case, blanks, the mark at its end."""
    return " ".join(text.casefold().split()).rstrip(".!,; ")
