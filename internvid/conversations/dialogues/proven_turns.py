"""Questions with answers, and the stored values that prove each answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from internvid.conversations.documents.document_clips import ClipRow
from internvid.dataset.layout import plain_json

Scope = Literal["clip", "video"]
SCOPES = ("clip", "video")
TEMPLATE = "template"


@dataclass(frozen=True)
class AnswerSource:
    """A stored value that an answer rests on.

    Attributes:
        table: `clips`, `all_clips` or `videos`.
        column: of the table.
        clip_id: of the row; empty where the value is a video's.
        video_id: of the row.
        value: as it was stored.
    """

    table: str
    column: str
    clip_id: str
    video_id: str
    value: Any

    def as_json(self) -> dict[str, Any]:
        """The source as JSON values."""
        return {
            "table": self.table,
            "column": self.column,
            "clip_id": self.clip_id,
            "video_id": self.video_id,
            "value": plain_json(self.value),
        }


@dataclass(frozen=True)
class ProvenTurn:
    """A question, its answer, and what proves it.

    Attributes:
        kind: name of the template; `model` for those of a chat model.
        question, answer: their words.
        sources: what proves the answer.
        by: `template`, or the model's name.
    """

    kind: str
    question: str
    answer: str
    sources: Sequence[AnswerSource]
    by: str = TEMPLATE


@dataclass(frozen=True)
class Scene:
    """What a dialogue is about.

    Attributes:
        name: by which wordings are drawn; the dialogue's id.
        scope: `clip`: one clip; `video`: clips of one video, in time order.
        clips: their rows.
        seed: of the draws.
        has_timeline: whether the trainer sees the source itself, so that times in it mean
            something; else it sees the clips as videos of their own.
        captions_elsewhere: captions of other clips of the video, in small letters.
    """

    name: str
    scope: Scope
    clips: Sequence[ClipRow]
    seed: int
    has_timeline: bool = True
    captions_elsewhere: frozenset[str] = frozenset()


def source(row: ClipRow, column: str) -> AnswerSource:
    """A column of a clip's row, as it is stored."""
    return AnswerSource("clips", column, row.clip_id, row.video_id, row.values.get(column))


def caption_source(row: ClipRow) -> AnswerSource:
    """The caption of a clip, as it is written: one line, without media tokens."""
    return AnswerSource("clips", row.caption_column, row.clip_id, row.video_id, row.caption)


def time_sources(row: ClipRow) -> list[AnswerSource]:
    """Both ends of a clip."""
    ends = ("start_seconds", row.start_seconds), ("end_seconds", row.end_seconds)
    return [AnswerSource("clips", name, row.clip_id, row.video_id, each) for name, each in ends]
