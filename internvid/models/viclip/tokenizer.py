"""CLIP's byte-pair tokenizer: the public ids, 32 of them (paper §6.1).

Text is repaired (ftfy), HTML entities are resolved twice, white space is squeezed, letters are
lowered; then words are split by pattern and joined from bytes by the table of merges.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from internvid.core.errors import ConfigInvalidError, DependencyMissingError

if TYPE_CHECKING:
    from internvid.models.viclip.merges import Merges

START, END = "<|startoftext|>", "<|endoftext|>"
CONTEXT = 32
_PATTERN = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d"
    r"|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)
_WORD_END = "</w>"
_BLANKS = re.compile(r"\s+")
# Words seen before are looked up; past so many the table starts anew, so that it stays small.
_REMEMBERED_WORDS = 200_000


class Tokenizer:
    """Texts -> ids.

    Args:
        merges: the table (see `find_merges`).
        context: ids per text, marks included.

    Raises:
        DependencyMissingError: ftfy or regex is not installed.
    """

    def __init__(self, merges: Merges, context: int = CONTEXT) -> None:
        if context < 2:
            raise ConfigInvalidError(f"context must be at least 2, got {context}")
        self.merges = merges
        self.context = context
        self._bytes = byte_symbols()
        symbols = list(self._bytes.values())
        symbols += [symbol + _WORD_END for symbol in symbols]
        symbols += [left + right for left, right in merges.pairs]
        symbols += [START, END]
        self._ids = {symbol: at for at, symbol in enumerate(symbols)}
        self._symbols = symbols
        self._ranks = {pair: at for at, pair in enumerate(merges.pairs)}
        self._words: dict[str, list[int]] = {}
        self._pattern = _word_pattern()
        _repairer()

    @property
    def vocabulary(self) -> int:
        """How many ids there are; the end mark's is the last."""
        return len(self._symbols)

    @property
    def start(self) -> int:
        """Id of the start mark."""
        return len(self._symbols) - 2

    @property
    def end(self) -> int:
        """Id of the end mark."""
        return len(self._symbols) - 1

    def __call__(self, texts: str | Sequence[str]) -> Tensor:
        """Ids with both marks, filled with zeros; long texts are cut and end with the mark.

        Args:
            texts: one text or several; empty ones are allowed.

        Returns:
            int64 [texts, context].

        Raises:
            ConfigInvalidError: something is not text.
        """
        rows = [texts] if isinstance(texts, str) else list(texts)
        table = torch.zeros(len(rows), self.context, dtype=torch.int64)
        for at, text in enumerate(rows):
            ids = [self.start, *self.encode(text), self.end]
            if len(ids) > self.context:
                ids = [*ids[: self.context - 1], self.end]
            table[at, : len(ids)] = torch.tensor(ids)
        return table

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without marks and of any length.

        Raises:
            ConfigInvalidError: it is not text.
        """
        if not isinstance(text, str):
            raise ConfigInvalidError(
                f"a text must be a string, got {type(text).__name__}: {text!r:.80}"
            )
        ids: list[int] = []
        for word in self._pattern.findall(normalise_text(text)):
            ids += self._words.get(word) or self._learn(word)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids without marks; words are parted by one space."""
        values = {symbol: byte for byte, symbol in self._bytes.items()}
        joined = "".join(self._symbols[at] for at in ids if at not in (self.start, self.end))
        words = (bytes(values[symbol] for symbol in word) for word in joined.split(_WORD_END))
        return b" ".join(words).decode("utf-8", errors="replace").strip()

    def _learn(self, word: str) -> list[int]:
        ids = [self._ids[symbol] for symbol in self._merged(word)]
        if len(self._words) >= _REMEMBERED_WORDS:
            self._words.clear()
        self._words[word] = ids
        return ids

    def _merged(self, word: str) -> list[str]:
        if word in (START, END):
            return [word]
        parts = [self._bytes[byte] for byte in word.encode("utf-8")]
        parts[-1] += _WORD_END
        ranks, never = self._ranks, len(self._ranks)
        while len(parts) > 1:
            best = min(pairwise(parts), key=lambda pair: ranks.get(pair, never))
            if best not in ranks:
                break
            parts = list(_joined(parts, best))
        return parts


def normalise_text(text: str) -> str:
    """What CLIP makes of a text before it is split: repaired, squeezed, lower case."""
    # Plain printable ASCII without entities is what ftfy and html leave alone.
    if not (text.isascii() and text.isprintable() and "&" not in text):
        text = html.unescape(html.unescape(_repairer()(text)))
    return _BLANKS.sub(" ", text.strip()).strip().lower()


@lru_cache(maxsize=1)
def byte_symbols() -> dict[int, str]:
    """A visible character for each byte: itself where it prints, else one from 256 on."""
    printed = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in printed]
    symbols = {byte: chr(byte) for byte in printed}
    symbols.update({byte: chr(256 + at) for at, byte in enumerate(hidden)})
    return symbols


def _joined(parts: list[str], pair: tuple[str, str]) -> Iterator[str]:
    at = 0
    while at < len(parts):
        if at + 1 < len(parts) and (parts[at], parts[at + 1]) == pair:
            yield parts[at] + parts[at + 1]
            at += 2
        else:
            yield parts[at]
            at += 1


@lru_cache(maxsize=1)
def _repairer() -> Any:
    return _module("ftfy").fix_text


@lru_cache(maxsize=1)
def _word_pattern() -> Any:
    library = _module("regex")
    return library.compile(_PATTERN, library.IGNORECASE)


def _module(name: str) -> Any:
    try:
        return __import__(name)
    except ModuleNotFoundError as error:
        raise DependencyMissingError(
            f"the tokenizer needs {name}, which is not installed",
            hint='pip install "internvid[torch]"',
        ) from error
