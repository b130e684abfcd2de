"""The whole clip to a video-language model: several frames at once, one description."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from internvid.captions.checks.cleaning import Cleaning
from internvid.captions.local import LocalModel, show, without_weights
from internvid.captions.requests import (
    Answer,
    PendingRequests,
    Request,
    annotation,
    ask_about,
    checked_answer,
    lasting_reasons,
)
from internvid.captions.server.chat import check_served, converse
from internvid.captions.server.config import ServedModel
from internvid.core.annotators import bare_paths
from internvid.core.contracts import Annotation, ClipView, Needs, Pick
from internvid.core.errors import ConfigInvalidError

if TYPE_CHECKING:
    from internvid.models.generated_texts import Generated
    from internvid.models.vision_chat import VisionChat

DEFAULT_MODEL = "Qwen/Qwen2.5-VL-3B-Instruct"
PROMPT = (
    "These are frames of one video clip, in order of time. Describe in one or two sentences what "
    "is seen and what happens. Answer with the description alone."
)


@dataclass(frozen=True)
class VlmCaptioner:
    """Describes a clip from frames that are spread evenly over it.

    The paper's ablation asks VideoChat "Please describe the content in the given video." (App.
    F.1); set `prompt` for that.

    Attributes:
        frames: so many frames; clips with fewer picks give what they have.
        short_side: pixels of the shorter side that the frames should have; 0 for what the scan
            kept. Larger ones are decoded again.
        prompt: the question.
        maximum_tokens: most tokens of an answer.
        maximum_words: an answer of more words is `too_long`.
        cleaning: what is taken away around the description.
        local: the model on this machine, with a chat template (Qwen2-VL, Qwen2.5-VL, SmolVLM ...).
        served: a served one, which is used instead where it is named.
    """

    version: ClassVar[int] = 2
    other_paths: ClassVar[Mapping[str, tuple[str, ...]]] = bare_paths("local")
    frames: int = 8
    short_side: int = 0
    prompt: str = PROMPT
    maximum_tokens: int = 256
    maximum_words: int = 300
    cleaning: Cleaning = field(default_factory=Cleaning)
    local: LocalModel = field(default_factory=lambda: LocalModel(DEFAULT_MODEL, batch=4))
    served: ServedModel = field(default_factory=ServedModel)

    def __post_init__(self) -> None:
        if self.frames < 1 or not self.prompt.strip():
            raise ConfigInvalidError("frames must be at least 1, and prompt must say something")
        if self.served.model:
            object.__setattr__(self, "local", without_weights(self.local))

    @property
    def needs(self) -> Needs:
        """Frames that the picks may not hold."""
        return Needs(self.frames, self.short_side)

    @property
    def lasting(self) -> frozenset[str]:
        """Reasons of failures that a rerun would only pay for again."""
        return lasting_reasons(is_greedy=self.served.is_greedy)

    def setup(self) -> None:
        """Load the model, or ask the server whether it is there."""
        if self.served.model:
            check_served(self.served)
        else:
            self._model().open()

    def caption(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        """One description a clip; "failed" with a reason of `asking.FAILURES`."""
        pending = PendingRequests()

        def question(view: ClipView) -> Request | Annotation:
            picks = nearest_to_middles(view, self.frames)
            if not picks:
                return Annotation(view.clip.clip_id, None, "failed", "no_picks")
            return ask_about(view.clip.clip_id, picks, self.prompt)

        for request, answer in self._responses(pending.requests(clips, question)):
            yield from pending.settled()
            yield annotation(request, checked_answer(answer, self.maximum_words, self.cleaning))
        yield from pending.settled()

    def _responses(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Answer]]:
        if self.served.model:
            return converse(self.served, requests, self.maximum_tokens)
        model = self._model()

        def through(batch: Sequence[tuple[Request, list[Any]]]) -> list[Generated]:
            return model.answer([(pictures, request.prompt) for request, pictures in batch])

        return show(requests, through, self.local)

    def _model(self) -> VisionChat:
        from internvid.models.vision_chat import VisionChat

        return VisionChat(self.local.checkpoint(), self.maximum_tokens, is_video=True)


def nearest_to_middles(view: ClipView, frames: int) -> list[Pick]:
    """For each of so many equal stretches of the clip the pick nearest to its middle, each once."""
    picks = list(view.picks)
    if len(picks) <= frames:
        return picks
    start, length = view.span.start_seconds, view.span.end_seconds - view.span.start_seconds
    chosen: dict[int, Pick] = {}
    for at in range(frames):
        middle = start + (at + 0.5) * length / frames
        near = min(picks, key=lambda pick: (abs(pick.pts_seconds - middle), pick.frame))
        chosen[near.frame] = near
    return [chosen[frame] for frame in sorted(chosen)]
