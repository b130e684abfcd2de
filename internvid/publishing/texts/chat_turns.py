"""Dialogues about videos, in the forms that trainers of video-language models read.

Pure functions from a `Dialogue` to a row. Media tokens are written here and nowhere else: in the
first question, as often as there are videos. Texts that hold one themselves are written with square
brackets, because trainers count the tokens of all turns and refuse a row with one too many.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from internvid.core.errors import ConfigInvalidError

Role = Literal["system", "user", "assistant"]
MEDIA_TOKENS = ("<video>", "<image>")

QUESTIONS = (
    "Describe the video.",
    "What happens in this video?",
    "What can be seen in the video?",
    "Give a short description of this clip.",
    "What is shown here?",
    "Write a caption for this video.",
    "What is going on in the clip?",
    "Describe in words what the video shows.",
)
"""What a caption is the answer to, where nobody gives other questions."""

# Placeholders of media, and marks that end or begin turns, of the trainers in docs/publishing.md.
_TOKENS = re.compile(
    r"<(/?(?:image|video|audio|img|speech|img_context|image_soft_token|ref-object|bbox|ref|box|s)"
    r"|\|[^<>|\s]+\|)>",
    re.IGNORECASE,
)
_SPEAKERS = {"user": "human", "assistant": "gpt"}


@dataclass(frozen=True)
class Turn:
    """What one side says.

    Attributes:
        role: `user` has questions, `assistant` answers; `system` may stand before all.
        text: without media tokens.
    """

    role: Role
    text: str


@dataclass(frozen=True)
class Dialogue:
    """Questions and answers about one or more videos.

    Attributes:
        dialogue_id: names it among the others.
        videos: paths, as the trainer is to open them.
        turns: user and assistant by turns, from a user's to an assistant's; a system turn may come
            first.
        start_seconds, end_seconds: of the part of the video that is spoken of; None for all of it.

    Raises:
        ConfigInvalidError: turns do not alternate, one is empty, there is no video, or the part
            has one end or is empty.
    """

    dialogue_id: str
    videos: Sequence[str]
    turns: Sequence[Turn]
    start_seconds: float | None = None
    end_seconds: float | None = None

    def __post_init__(self) -> None:
        if not self.videos:
            raise self._refusal("it has no video")
        roles = [turn.role for turn in self.spoken]
        expected = ["user", "assistant"] * (len(roles) // 2)
        if not roles or roles != expected:
            raise self._refusal(
                f"its turns are {', '.join(turn.role for turn in self.turns) or 'none'}",
                "user and assistant take turns, from a user's to an assistant's, behind at most "
                "one of system",
            )
        for number, turn in enumerate(self.turns):
            if not turn.text.strip():
                raise self._refusal(f"turn {number} ({turn.role}) is empty")
        start, end = self.start_seconds, self.end_seconds
        if (start is None) != (end is None):
            raise self._refusal("its part of the video has one end", "give both ends, or none")
        if start is not None and end is not None and not 0 <= start < end:
            raise self._refusal(f"its part of the video is {start} to {end} seconds")

    @property
    def system(self) -> str:
        """The text of the system turn; empty where there is none."""
        first = self.turns[0] if self.turns else None
        return without_tokens(first.text) if first and first.role == "system" else ""

    @property
    def spoken(self) -> Sequence[Turn]:
        """The turns of user and assistant."""
        has_system = bool(self.turns) and self.turns[0].role == "system"
        return self.turns[1:] if has_system else self.turns

    def _refusal(self, what: str, hint: str | None = None) -> ConfigInvalidError:
        return ConfigInvalidError(f"dialogue {self.dialogue_id!r}: {what}", hint=hint)


def question_for(clip_id: str, seed: int, questions: Sequence[str] = ()) -> str:
    """The question of a clip: the same for the same id and seed, whichever clips there are.

    Args:
        clip_id: of the clip.
        seed: of the draw.
        questions: to draw from; `QUESTIONS` where empty.
    """
    listed = questions or QUESTIONS
    digest = hashlib.blake2b(f"{seed}:{clip_id}".encode(), digest_size=8).digest()
    return listed[int.from_bytes(digest, "big") % len(listed)]


def without_tokens(text: str) -> str:
    """A text in which what trainers take for a token stands in square brackets."""
    return _TOKENS.sub(r"[\1]", text)


def messages_row(dialogue: Dialogue) -> dict[str, Any]:
    """`messages` with `role` and `content`, and `videos`: ms-swift, LLaMA-Factory.

    The token is `<video>`, which these count against `videos`.
    """
    messages = [{"role": "system", "content": dialogue.system}] if dialogue.system else []
    for number, turn in enumerate(dialogue.spoken):
        marks = "<video>" * len(dialogue.videos) if number == 0 else ""
        messages.append({"role": turn.role, "content": marks + without_tokens(turn.text)})
    return {
        "messages": messages,
        "videos": list(dialogue.videos),
        **_part(dialogue),
        "id": dialogue.dialogue_id,
    }


def conversations_row(dialogue: Dialogue, token: str = "<video>") -> dict[str, Any]:
    """`id`, `video` and `conversations` with `from` and `value`: LLaVA, Qwen-VL, InternVL.

    These know no system turn: its text begins the first question.

    Args:
        dialogue: what is written.
        token: `<video>`; `<image>` for LLaVA-NeXT and VideoChat-Flash.
    """
    turns = []
    for number, turn in enumerate(dialogue.spoken):
        parts = [without_tokens(turn.text)]
        if number == 0:
            system = [dialogue.system] if dialogue.system else []
            parts = [*[token] * len(dialogue.videos), *system, *parts]
        turns.append({"from": _SPEAKERS[turn.role], "value": "\n".join(parts)})
    return {
        "id": dialogue.dialogue_id,
        "video": _one_or_several(dialogue.videos),
        "conversations": turns,
        **_part(dialogue),
    }


def qa_row(dialogue: Dialogue) -> dict[str, Any]:
    """`video` and `QA` with `i`, `q` and `a`: VideoChat2, which puts its own marks of a video.

    The system turn is the instruction `i`, which it reads of the first question.
    """
    spoken = dialogue.spoken
    pairs = zip(spoken[::2], spoken[1::2], strict=True)
    return {
        "video": _one_or_several(dialogue.videos),
        "QA": [
            {
                "i": dialogue.system,
                "q": without_tokens(question.text),
                "a": without_tokens(answer.text),
            }
            for question, answer in pairs
        ],
        **_part(dialogue),
        "id": dialogue.dialogue_id,
    }


def dataset_info(file: str, name: str = "internvid") -> dict[str, Any]:
    """What LLaMA-Factory wants to know of a file of `messages_row`: its `dataset_info.json`."""
    return {
        name: {
            "file_name": file,
            "formatting": "sharegpt",
            "columns": {"messages": "messages", "videos": "videos"},
            "tags": {
                "role_tag": "role",
                "content_tag": "content",
                "user_tag": "user",
                "assistant_tag": "assistant",
                "system_tag": "system",
            },
        }
    }


def _part(dialogue: Dialogue) -> dict[str, float]:
    if dialogue.start_seconds is None or dialogue.end_seconds is None:
        return {}
    return {"start": dialogue.start_seconds, "end": dialogue.end_seconds}


def _one_or_several(videos: Sequence[str]) -> str | list[str]:
    return videos[0] if len(videos) == 1 else list(videos)
