"""Leaves out queries by a list of words: a first sieve, not a check of what videos show."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from internvid.collect.queries.lemmas import Lemmas
from internvid.core.errors import SourceMissingError

_LIST = Path(__file__).with_name("unsafe_terms.txt")


class UnsafeTerms:
    """Words, and words in a row, that a query may not have.

    Args:
        lemmas: the plain forms of words.
        more: further terms.
    """

    def __init__(self, lemmas: Lemmas, more: Iterable[str] = ()) -> None:
        self._lemmas = lemmas
        self._terms: dict[str, list[tuple[str, ...]]] = {}
        for term in (*read_terms(_LIST), *more):
            words = lemmas.of(term)
            if words:
                self._terms.setdefault(words[0], []).append(words)

    def find_in(self, query: str) -> str | None:
        """The first term that a query has; None where it has none."""
        words = self._lemmas.of(query)
        for at, word in enumerate(words):
            for term in self._terms.get(word, ()):
                if words[at : at + len(term)] == term:
                    return " ".join(term)
        return None


def read_terms(path: Path) -> list[str]:
    """Terms of a file, one a line; `#` begins a comment.

    Raises:
        SourceMissingError: there is no such file.
    """
    if not path.is_file():
        raise SourceMissingError(f"{path} is not there", hint="name a text with a term a line")
    lines = (line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines())
    return [line for line in lines if line]
