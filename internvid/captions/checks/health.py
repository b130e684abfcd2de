"""The health of a text column, as a column: what the audit says of each text, to select by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from internvid.captions.checks.check import MAXIMUM_WORDS, check_language, check_text
from internvid.core.binding import origin_of
from internvid.core.contracts import Annotation, ClipView
from internvid.core.errors import ConfigInvalidError

HEALTHY = "ok"


@dataclass(frozen=True)
class HealthScorer:
    """`ok`, or the reasons to distrust a text, joined by ", ".

    The reasons are those of `internvid.captions.checks.check`; the extra `reasons` has them as a
    list, empty for a healthy text.

    Attributes:
        language: two-letter code that texts should be in; empty leaves it unchecked.
        maximum_words: more words than that are too many.
    """

    version: ClassVar[int] = 1
    value_type: ClassVar[str] = "string"
    extras: ClassVar[dict[str, str]] = {"reasons": "list<string>"}
    reads: ClassVar[tuple[str, ...]] = ("text",)
    installs: ClassVar[tuple[str, ...]] = ("text",)
    language: str = "en"
    maximum_words: int = MAXIMUM_WORDS

    def __post_init__(self) -> None:
        if self.maximum_words < 1:
            raise ConfigInvalidError(f"maximum_words must be at least 1, got {self.maximum_words}")

    def setup(self) -> None:
        """Load the table of languages.

        Raises:
            ConfigInvalidError: there is no such language.
            DependencyMissingError: py3langid is not installed.
        """
        if self.language:
            check_language(self.language)

    def score(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        """The health of each clip's text."""
        for view in clips:
            text = view.text or ""
            reasons = check_text(text, self.language, self.maximum_words)
            value = ", ".join(reasons) or HEALTHY
            origin = origin_of(view.clip.clip_id, prompt=text)
            yield Annotation(view.clip.clip_id, value, extras={"reasons": reasons}, origin=origin)
