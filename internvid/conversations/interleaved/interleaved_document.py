"""What an interleaved document is: a flat list of videos and texts, in the order they are read.

The canonical row (layout `items`) is documented in docs/interleaved.md; `ITEMS_SCHEMA` is the same
as JSON Schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from internvid.conversations.documents.document_clips import ClipRow

Format = Literal["a", "b", "c"]
FORMATS = ("a", "b", "c")
TextRole = Literal["caption", "transcript"]
TEXT_ROLES = ("caption", "transcript")


@dataclass(frozen=True)
class VideoItem:
    """A place where a clip is shown.

    Attributes:
        clip_id: of the clip.
        path: of its video: the source as it travels, or a file below the export's folder; empty
            where only frames are written.
        start_seconds, end_seconds: of the clip in `path`.
        frames: pictures that are written, or that a reader is to take.
        pictures: paths of frames, in time order; none where there is a video.
    """

    clip_id: str
    path: str
    start_seconds: float
    end_seconds: float
    frames: int
    pictures: Sequence[str] = ()


@dataclass(frozen=True)
class TextItem:
    """A text of a clip, whether the clip is shown or not."""

    clip_id: str
    role: TextRole
    text: str


Item = VideoItem | TextItem


@dataclass(frozen=True)
class InterleavedDocument:
    """Videos and texts in the order in which they are read.

    Attributes:
        document_id: 32 hex digits, by which clips are in it and which of them are shown.
        format: `a`, `b` or `c`.
        video_ids: of the videos that its clips are of, in order.
        items: what is read, in order.
        tokens: of all texts together, by the tokenizer of the export.
    """

    document_id: str
    format: Format
    video_ids: Sequence[str]
    items: Sequence[Item]
    tokens: int

    @property
    def shown(self) -> list[VideoItem]:
        """Its videos, in order."""
        return [item for item in self.items if isinstance(item, VideoItem)]

    @property
    def clip_ids(self) -> list[str]:
        """Clips that it has a picture or a text of, in order."""
        return list(dict.fromkeys(item.clip_id for item in self.items))

    @property
    def counts(self) -> dict[str, int]:
        """What is counted of it."""
        shown, clips = self.shown, len(self.clip_ids)
        seconds = sum(item.end_seconds - item.start_seconds for item in shown)
        return {
            "clips": clips,
            "shown": len(shown),
            "dropped": clips - len(shown),
            "frames": sum(item.frames for item in shown),
            "tokens": self.tokens,
            "videos": len(self.video_ids),
            "milliseconds": round(1000 * seconds),
        }


COUNTS = tuple(InterleavedDocument("", "a", (), (), 0).counts)
"""Names of what is counted of a document."""


@dataclass(frozen=True)
class PlannedClip:
    """A clip of a document that is not written yet.

    Attributes:
        row: of the clip.
        is_shown: whether its video stays.
        tokens: of its texts.
    """

    row: ClipRow
    is_shown: bool
    tokens: int


@dataclass(frozen=True)
class PlannedDocument:
    """A document that is not written yet, from rows alone."""

    document_id: str
    format: Format
    clips: Sequence[PlannedClip]

    def described(self) -> list[Any]:
        """All that decides what is written, as JSON values."""
        named = (
            [
                *(one.row.clip_id, one.row.video_id, one.row.source_id, one.row.uri),
                *(one.row.start_seconds, one.row.end_seconds),
                *(one.row.caption, one.row.transcript, one.is_shown, one.tokens),
            ]
            for one in self.clips
        )
        return [self.document_id, self.format, *named]

    @property
    def video_ids(self) -> list[str]:
        """Videos of its clips, in order."""
        return list(dict.fromkeys(one.row.video_id for one in self.clips))

    def written(self, shown: dict[str, VideoItem]) -> InterleavedDocument:
        """The document, with what there is to see of the clips that are shown.

        Args:
            shown: by clip; one that is not in it keeps its texts alone.
        """
        items = [item for one in self.clips for item in _items_of(one, shown)]
        tokens = sum(one.tokens for one in self.clips)
        return InterleavedDocument(self.document_id, self.format, self.video_ids, items, tokens)


def _items_of(one: PlannedClip, shown: dict[str, VideoItem]) -> Iterator[Item]:
    row = one.row
    if one.is_shown and row.clip_id in shown:
        yield shown[row.clip_id]
    yield TextItem(row.clip_id, "caption", row.caption)
    if row.transcript:
        yield TextItem(row.clip_id, "transcript", row.transcript)


ITEMS_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "An interleaved document of internvid, layout items",
    "type": "object",
    "required": ["id", "format", "video_ids", "items", "counts"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "format": {"enum": list(FORMATS)},
        "video_ids": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        "items": {
            "type": "array",
            "minItems": 1,
            "items": {
                "oneOf": [
                    {
                        "type": "object",
                        "required": ["type", "clip_id", "path", "start", "end", "frames"],
                        "additionalProperties": False,
                        "properties": {
                            "type": {"const": "video"},
                            "clip_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
                            "path": {"type": "string"},
                            "start": {"type": "number", "minimum": 0},
                            "end": {"type": "number", "exclusiveMinimum": 0},
                            "frames": {"type": "integer", "minimum": 1},
                            "pictures": {"type": "array", "items": {"type": "string"}},
                        },
                    },
                    {
                        "type": "object",
                        "required": ["type", "role", "clip_id", "text"],
                        "additionalProperties": False,
                        "properties": {
                            "type": {"const": "text"},
                            "role": {"enum": list(TEXT_ROLES)},
                            "clip_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
                            "text": {"type": "string", "minLength": 1},
                        },
                    },
                ]
            },
        },
    },
}
"""JSON Schema of a row of the layout `items`."""
