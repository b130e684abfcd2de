"""Plain forms of English words, by which two ways to say one action are known as one."""

from __future__ import annotations

import functools
import re
import warnings

_WORD = re.compile(r"\w+(?:['’]\w+)*")
# Of no weight for what an action is.
_PASSED_OVER = frozenset(
    """
    a an the some his her its their my your our
    """.split()  # noqa: SIM905 - read, and kept, as one text
)
_DOUBLED = re.compile(r"([bdfgklmnprt])\1$")


class Lemmas:
    """The plain forms of words: by lemminflect where it is installed, else by English endings.

    Attributes:
        name: what they are made by.
    """

    def __init__(self) -> None:
        try:
            with warnings.catch_warnings():  # of what is old in other packages
                warnings.simplefilter("ignore")
                import lemminflect
        except ImportError:
            self.name = "English endings"
            self._one = functools.lru_cache(maxsize=200_000)(_by_ending)
            return
        self.name = f"lemminflect {lemminflect.__version__}"

        @functools.lru_cache(maxsize=200_000)
        def one(word: str) -> str:
            known = lemminflect.getAllLemmas(word)
            # `playing guitar` and `play guitar` are one: the verb comes first.
            for kind in ("VERB", "NOUN", "AUX"):
                if known.get(kind):
                    return str(known[kind][0])
            return word

        self._one = one

    def of(self, text: str) -> tuple[str, ...]:
        """The plain forms of a text's words, in order, without articles."""
        words = _WORD.findall(text.lower().replace("_", " "))
        return tuple(self._one(word) for word in words if word not in _PASSED_OVER)


def _by_ending(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 5 and word.endswith("ing"):
        return _DOUBLED.sub(r"\1", word[:-3])
    if len(word) > 4 and word.endswith("ed"):
        return _DOUBLED.sub(r"\1", word[:-2])
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
