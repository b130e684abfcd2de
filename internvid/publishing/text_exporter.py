"""What exporters share that write a text for each clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from internvid.core.errors import ConfigInvalidError
from internvid.publishing.members import refuse_unknown_column

NO_CAPTION = "no_caption"


@dataclass(frozen=True)
class TextExporter:
    """A text for each clip.

    Attributes:
        caption: the column with the text, which is written in one line; empty for prefix and
            trigger alone. What becomes of a clip without one is the layout's matter.
        prefix: put before the caption as it is.
        trigger: a word for what is taught, put before the caption, behind the prefix.
    """

    needs_text: ClassVar[bool] = True
    """Whether a clip without a text is dropped, as trainers need it."""

    caption: str = "measured"
    prefix: str = ""
    trigger: str = ""

    def __post_init__(self) -> None:
        if self.needs_text and not self.caption and not (self.prefix + self.trigger).strip():
            raise ConfigInvalidError(
                "caption is empty, and so are prefix and trigger: nothing would be written as text",
                hint="name a column, or give a trigger",
            )

    def check(self, columns: Mapping[str, str]) -> None:
        """Refuse a caption of which clips have no column.

        Raises:
            ConfigInvalidError: no column is called so.
        """
        # Readers that need no text take a dataset without captions as it is.
        is_default = not self.needs_text and self.caption == type(self).caption
        if self.caption and not is_default:
            refuse_unknown_column(self.caption, columns, "caption")

    def has_texts(self, row: Mapping[str, Any]) -> bool:
        """Whether clips with these columns have texts at all."""
        return self.caption in row if self.caption else bool((self.prefix + self.trigger).strip())

    def text_of(self, row: Mapping[str, Any]) -> str | None:
        """The text of a clip; None where it has no caption."""
        caption = " ".join(str(row.get(self.caption) or "").split()) if self.caption else ""
        if self.caption and not caption:
            return None
        return self.prefix + " ".join(part for part in (self.trigger.strip(), caption) if part)
