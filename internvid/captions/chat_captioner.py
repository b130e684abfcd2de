"""The whole clip to a video chat of ours: frames with their times, one description."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from internvid.captions.checks.cleaning import Cleaning
from internvid.captions.local import LocalModel, show
from internvid.captions.requests import (
    PendingRequests,
    Request,
    annotation,
    ask_about,
    checked_answer,
    lasting_reasons,
)
from internvid.captions.vlm import nearest_to_middles
from internvid.core.annotators import bare_paths
from internvid.core.contracts import Annotation, ClipView, Needs
from internvid.core.errors import ConfigInvalidError
from internvid.core.types import FrameBatch

if TYPE_CHECKING:
    from internvid.models.chat.video_chat import VideoChat
    from internvid.models.generated_texts import Generated

PROMPT = "Describe the video."


@dataclass(frozen=True)
class ChatCaptioner:
    """Describes a clip by a video chat that `internvid train --recipe videochat_...` made.

    Attributes:
        frames: so many frames; clips with fewer picks give what they have.
        prompt: the question.
        maximum_tokens: most tokens of an answer.
        maximum_words: an answer of more words is `too_long`.
        cleaning: what is taken away around the description.
        local: the folder or run of the video chat.
    """

    version: ClassVar[int] = 1
    other_paths: ClassVar[Mapping[str, tuple[str, ...]]] = bare_paths("local")
    frames: int = 8
    prompt: str = PROMPT
    maximum_tokens: int = 128
    maximum_words: int = 200
    cleaning: Cleaning = field(default_factory=Cleaning)
    local: LocalModel = field(default_factory=lambda: LocalModel(batch=4))
    _loaded: list[Any] = field(default_factory=list, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.frames < 1 or not self.prompt.strip():
            raise ConfigInvalidError("frames must be at least 1, and prompt must say something")

    @property
    def needs(self) -> Needs:
        """Frames that the picks may not hold."""
        return Needs(self.frames, 0)

    @property
    def lasting(self) -> frozenset[str]:
        """Reasons of failures that a rerun would get again: decoding is greedy."""
        return lasting_reasons(is_greedy=True)

    def setup(self) -> None:
        """Load the model.

        Raises:
            InternvidError: see `VideoChat.from_pretrained`.
        """
        self._model()

    def caption(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        """One description a clip; "failed" with a reason of `requests.FAILURES`."""
        pending = PendingRequests()

        def question(view: ClipView) -> Request | Annotation:
            picks = nearest_to_middles(view, self.frames)
            if not picks:
                return Annotation(view.clip.clip_id, None, "failed", "no_picks")
            start = view.span.start_seconds
            return ask_about(view.clip.clip_id, picks, self.prompt, start_seconds=start)

        responses = show(pending.requests(clips, question), self._through, self.local)
        for request, answer in responses:
            yield from pending.settled()
            yield annotation(request, checked_answer(answer, self.maximum_words, self.cleaning))
        yield from pending.settled()

    def _through(self, batch: Sequence[tuple[Request, list[Any]]]) -> list[Generated]:
        from internvid.models.chat.prompt_forms import Turn
        from internvid.models.generated_texts import Generated

        model = self._model()
        seen = []
        for request, pictures in batch:
            first = pictures[0].size
            frames = np.stack([np.asarray(each.resize(first).convert("RGB")) for each in pictures])
            start = float(request.notes["start_seconds"])
            times = np.array([pick.pts_seconds - start for pick in request.picks])
            seen.append(model.see(FrameBatch(frames, times), frames=self.frames))
        dialogues = [[Turn("user", request.prompt)] for request, _ in batch]
        answers = model.answers(seen, dialogues, max_tokens=self.maximum_tokens)
        return [Generated(text) for text in answers]

    def _model(self) -> VideoChat:
        if not self._loaded:
            from internvid.models.chat.video_chat import VideoChat

            place = self.local.checkpoint()
            self._loaded.append(
                VideoChat.from_pretrained(place.name, device=place.device, dtype=place.dtype)
            )
        loaded: VideoChat = self._loaded[0]
        return loaded
