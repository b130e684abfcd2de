"""Takes removed ids out of JSON files: run records, facts of subsets, recipes that name them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from internvid.dataset.parts import commit_json
from internvid.dataset.removal.pending import Removed

PLACE = "(removed)"
# A source id may be as short as `7`, which stands in many texts that have nothing to do with it.
_SHORTEST = 8
_MOST_SEARCHED = 2000
_WORD = re.compile(r"[^\s,;:'\"()\[\]{}=<>]+")


@dataclass(frozen=True)
class Needles:
    """The ids that no text may hold.

    Attributes:
        whole: ids that are sought as whole values.
        inside: those that are sought inside longer texts too.
    """

    whole: frozenset[str]
    inside: tuple[str, ...]

    @classmethod
    def of(cls, removed: Removed) -> Needles:
        """The needles of a removal, longer ones first."""
        whole = removed.videos | removed.sources | removed.uris | removed.clips
        long = (text for text in whole if len(text) >= _SHORTEST)
        return cls(whole, tuple(sorted(long, key=lambda text: (-len(text), text))))

    def clean(self, text: str) -> str:
        """A text without them; of very many ids only words that are one are found."""
        if text in self.whole:
            return PLACE
        if len(self.inside) > _MOST_SEARCHED:
            return _WORD.sub(lambda word: PLACE if word[0] in self.whole else word[0], text)
        for needle in self.inside:
            text = text.replace(needle, PLACE)
        return text


def holds_texts(path: Path, needles: Needles) -> bool:
    """Whether a JSON file names one of the ids; one that cannot be read does not."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return any(needles.clean(text) != text for text in _texts(value))


def scrub_json(path: Path, needles: Needles) -> None:
    """Write a JSON file again without the ids: an entry that is about a removed uri goes whole."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return
    clean = scrubbed(value, needles)
    if clean != value:
        commit_json(path, clean)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def scrubbed(value: Any, needles: Needles) -> Any:
    """A JSON value without the ids."""
    if isinstance(value, str):
        return needles.clean(value)
    if isinstance(value, dict):
        return {key: scrubbed(item, needles) for key, item in value.items()}
    if isinstance(value, list):
        return [scrubbed(item, needles) for item in value if not _is_about(item, needles)]
    return value


def _is_about(item: Any, needles: Needles) -> bool:
    return isinstance(item, dict) and item.get("uri") in needles.whole
