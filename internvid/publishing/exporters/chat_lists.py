"""Videos with questions and answers, for trainers of video-language models."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from internvid.core.contracts import ExportItems
from internvid.core.errors import ConfigInvalidError
from internvid.publishing.index_files import IndexFile, WrittenVideo, folder_path
from internvid.publishing.texts.chat_turns import (
    MEDIA_TOKENS,
    Dialogue,
    Turn,
    conversations_row,
    dataset_info,
    messages_row,
    qa_row,
    question_for,
)
from internvid.publishing.video_files import VideoFilesExporter

_MESSAGES = "messages.jsonl"


@dataclass(frozen=True)
class ChatExporter(VideoFilesExporter):
    """`videos/<clip_id>.mp4`, and lists of the same questions and answers in several forms.

    `messages.jsonl` with `dataset_info.json` (ms-swift, LLaMA-Factory), `conversations.json`
    (LLaVA, Qwen-VL), the same rows as `conversations.jsonl` (InternVL), and `qa.json`
    (VideoChat2). The text of a clip is the answer to a question that is drawn for it.

    Attributes:
        questions: to draw from; empty for a small list, `QUESTIONS` of the module `chat_turns`.
        seed: of the draw: a clip has the same question in every export of one seed.
        token: in conversations: `<video>`, or `<image>` for LLaVA-NeXT and VideoChat-Flash.
        base_path: where the export will lie for the trainer; every path of a video begins with it.
    """

    version: ClassVar[int] = 1

    questions: tuple[str, ...] = ()
    seed: int = 0
    token: str = "<video>"
    base_path: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.token not in MEDIA_TOKENS:
            raise ConfigInvalidError(
                f"token is one of {', '.join(MEDIA_TOKENS)}, not {self.token!r}"
            )
        if not all(question.strip() for question in self.questions):
            raise ConfigInvalidError("questions has an empty one")

    def indexes(self, items: ExportItems) -> Sequence[IndexFile]:
        """A list in each form."""
        base = folder_path(self.base_path)
        return (
            IndexFile(_MESSAGES, "jsonl", "videos", self._message, base=base),
            IndexFile("conversations.json", "json", "video", self._conversation, base=base),
            IndexFile("conversations.jsonl", "jsonl", "video", self._conversation, base=base),
            IndexFile("qa.json", "json", "video", self._qa, base=base),
        )

    def fixed_files(self) -> Mapping[str, bytes]:
        """`dataset_info.json`."""
        text = json.dumps(dataset_info(_MESSAGES), indent=2) + "\n"
        return {"dataset_info.json": text.encode()}

    def _message(self, video: WrittenVideo) -> dict[str, Any]:
        return {**messages_row(self._dialogue(video)), **video.rights}

    def _conversation(self, video: WrittenVideo) -> dict[str, Any]:
        return {**conversations_row(self._dialogue(video), self.token), **video.rights}

    def _qa(self, video: WrittenVideo) -> dict[str, Any]:
        return {**qa_row(self._dialogue(video)), **video.rights}

    def _dialogue(self, video: WrittenVideo) -> Dialogue:
        question = question_for(video.item.clip.clip_id, self.seed, self.questions)
        turns = (Turn("user", question), Turn("assistant", video.text))
        return Dialogue(video.stem, (folder_path(self.base_path) + video.path,), turns)
