"""A conversation about one video: its turns so far, and answers in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from internvid.core.errors import ConfigInvalidError
from internvid.models.chat.prompt_forms import Turn
from internvid.models.chat.video_chat import SeenVideo, VideoChat


@dataclass
class Conversation:
    """Questions about a video, each answered with those before it in mind.

    Attributes:
        chat: the model.
        seen: the video, looked at once.
        max_tokens: most tokens of an answer.
        turns: so far.
    """

    chat: VideoChat
    seen: SeenVideo
    max_tokens: int = 128
    turns: list[Turn] = field(default_factory=list)

    def ask(self, question: str) -> Iterator[str]:
        """The answer in pieces; it is part of the conversation once all were taken.

        Raises:
            ConfigInvalidError: the question is empty, or the conversation too long.
        """
        if not question.strip():
            raise ConfigInvalidError("the question is empty")
        turns = [*self.turns, Turn("user", question)]
        pieces: list[str] = []
        for piece in self.chat.stream(self.seen, turns, max_tokens=self.max_tokens):
            pieces.append(piece)
            yield piece
        # An empty answer is none that a template could hold.
        answer = "".join(pieces).strip()
        if answer:
            self.turns = [*turns, Turn("assistant", answer)]
