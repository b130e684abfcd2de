"""Which language a text is in."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from internvid.core.binding import origin_of
from internvid.core.contracts import Annotation, ClipView
from internvid.core.errors import DependencyMissingError

_MOST_CHARACTERS = 4000


@dataclass(frozen=True)
class LanguageScorer:
    """The most probable of some 140 languages, as its ISO 639-1 code, by py3langid.

    Extras: `confidence`, its probability. A text without letters is skipped (`no_words`).

    Attributes:
        languages: only these are considered, as in `en,de,zh`; all when empty.
    """

    version: ClassVar[int] = 1
    value_type: ClassVar[str] = "string"
    extras: ClassVar[dict[str, str]] = {"confidence": "double"}
    reads: ClassVar[tuple[str, ...]] = ("text",)
    installs: ClassVar[tuple[str, ...]] = ("text",)
    languages: tuple[str, ...] = ()

    def setup(self) -> None:
        """Load the table of languages.

        Raises:
            DependencyMissingError: py3langid is not installed.
        """
        _ranker(self.languages)

    def score(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        """A code for each text."""
        rank = _ranker(self.languages)
        for view in clips:
            clip_id, text = view.clip.clip_id, view.text or ""
            if not any(character.isalpha() for character in text):
                yield Annotation(clip_id, None, "skipped", "no_words")
                continue
            code, confidence = rank(text[:_MOST_CHARACTERS])[0]
            origin = origin_of(clip_id, prompt=text)
            extras = {"confidence": round(float(confidence), 6)}
            yield Annotation(clip_id, str(code), extras=extras, origin=origin)


@functools.lru_cache(maxsize=4)
def _ranker(languages: tuple[str, ...]) -> Callable[[str], list[tuple[str, float]]]:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise DependencyMissingError(
            "telling languages needs the package py3langid",
            hint='pip install "internvid[text]"',
        ) from error
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    if languages:
        identifier.set_languages(list(languages))
    ranker: Callable[[str], list[tuple[str, float]]] = identifier.rank
    return ranker
