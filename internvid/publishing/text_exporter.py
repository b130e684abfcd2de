"""What exporters share that write a text for each clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from internvid.core.errors import ConfigInvalidError
from internvid.publishing.members import refuse_unknown_column
from internvid.publishing.texts.token_limits import token_counter

NO_CAPTION = "no_caption"


@dataclass(frozen=True)
class TextExporter:
    """A text for each clip.

    Attributes:
        caption: the column with the text, which is written in one line; of several, with commas
            between them, the first that has one; empty for prefix and trigger alone. What becomes
            of a clip without a text is the layout's matter.
        prefix: put before the caption as it is.
        trigger: a word for what is taught, put before the caption, behind the prefix.
        tokens: how many tokens of a text the model reads; longer texts are counted, not cut. None
            counts nothing.
        tokenizer: what counts them: `clip`, or a folder or hub name of a model of transformers;
            empty for an estimate.
    """

    needs_text: ClassVar[bool] = True
    """Whether a clip without a text is dropped, as trainers need it."""

    caption: str = "measured"
    prefix: str = ""
    trigger: str = ""
    tokens: int | None = None
    tokenizer: str = ""

    def __post_init__(self) -> None:
        if self.tokens is not None and self.tokens < 1:
            raise ConfigInvalidError(f"tokens must be at least 1, got {self.tokens}")
        if self.tokenizer and self.tokens is None:
            raise ConfigInvalidError(
                f"tokenizer={self.tokenizer!r} counts nothing without a limit",
                hint="set tokens too: 77 for clip",
            )
        if self.needs_text and not self.captions and not (self.prefix + self.trigger).strip():
            raise ConfigInvalidError(
                "caption is empty, and so are prefix and trigger: nothing would be written as text",
                hint="name a column, or give a trigger",
            )

    @property
    def captions(self) -> tuple[str, ...]:
        """Names of the columns that may have the text, the first choice first."""
        return tuple(name.strip() for name in self.caption.split(",") if name.strip())

    def check(self, columns: Mapping[str, str]) -> None:
        """Refuse a caption of which clips have no column, and a missing tokenizer.

        Raises:
            ConfigInvalidError: no column is called so.
            InternvidError: the tokenizer cannot be had.
        """
        # Readers that need no text take a dataset without captions as it is.
        is_default = not self.needs_text and self.caption == type(self).caption
        for name in () if is_default else self.captions:
            refuse_unknown_column(name, columns, "caption")
        if self.tokens is not None:
            token_counter(self.tokenizer)

    def has_texts(self, row: Mapping[str, Any]) -> bool:
        """Whether clips with these columns have texts at all."""
        if self.captions:
            return any(name in row for name in self.captions)
        return bool((self.prefix + self.trigger).strip())

    def column_of(self, row: Mapping[str, Any]) -> str:
        """The column that has the text of a clip; empty where none has."""
        return next((name for name in self.captions if _one_line(row.get(name))), "")

    def text_of(self, row: Mapping[str, Any]) -> str | None:
        """The text of a clip; None where it has no caption."""
        column = self.column_of(row)
        if self.captions and not column:
            return None
        caption = _one_line(row.get(column))
        return self.prefix + " ".join(part for part in (self.trigger.strip(), caption) if part)

    def tokens_of(self, row: Mapping[str, Any]) -> int | None:
        """Tokens of the text of a clip; None where they are not counted."""
        if self.tokens is None:
            return None
        return token_counter(self.tokenizer)(self.text_of(row) or "")


def _one_line(value: Any) -> str:
    return " ".join(str(value or "").split())
