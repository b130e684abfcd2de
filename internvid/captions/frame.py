"""The coarse scale: what the middle frame shows, by an image-to-text model.

The paper takes BLIP-2 on the middle frame only (§3.1); neither variant nor prompt is stated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from internvid.captions.checks.cleaning import Cleaning
from internvid.captions.local import LocalModel, clips_at_once, show, without_weights
from internvid.captions.requests import (
    Answer,
    PendingRequests,
    Request,
    annotation,
    ask_about,
    checked_answer,
    lasting_reasons,
    middle_pick,
)
from internvid.captions.server.chat import check_served, converse
from internvid.captions.server.config import ServedModel
from internvid.core.annotators import bare_paths
from internvid.core.contracts import Annotation, ClipView

if TYPE_CHECKING:
    from internvid.models.generated_texts import Generated
    from internvid.models.image_to_text import ImageToText

PAPER_MODEL = "Salesforce/blip2-opt-2.7b"
SERVED_PROMPT = "Describe this picture in one short sentence."


@dataclass(frozen=True)
class FrameCaptioner:
    """Describes the middle pick of each clip.

    Any Hugging Face image-to-text model: BLIP-2 (the default), smaller ones such as
    `Salesforce/blip-image-captioning-base`, `microsoft/git-base-coco` and
    `nlpconnect/vit-gpt2-image-captioning`, or a chat model; or a served one.

    Attributes:
        prompt: words before the answer (BLIP, BLIP-2, GIT) or the question (chat models; where it
            is empty, they are prompted for one sentence).
        maximum_tokens: most tokens of an answer; one that is not finished then is `truncated`.
        maximum_words: an answer of more words is `too_long`.
        beams: beams of the search, without sampling; 1 is greedy.
        cleaning: what is taken away around the caption.
        local: the model on this machine.
        served: a served one, which is used instead where it is named.
    """

    version: ClassVar[int] = 2
    other_paths: ClassVar[Mapping[str, tuple[str, ...]]] = bare_paths("local")
    prompt: str = ""
    maximum_tokens: int = 40
    maximum_words: int = 100
    beams: int = 1
    cleaning: Cleaning = field(default_factory=Cleaning)
    local: LocalModel = field(default_factory=lambda: LocalModel(PAPER_MODEL))
    served: ServedModel = field(default_factory=ServedModel)

    def __post_init__(self) -> None:
        if self.served.model:
            object.__setattr__(self, "local", without_weights(self.local))

    @property
    def lasting(self) -> frozenset[str]:
        """Reasons of failures that a rerun would only pay for again."""
        return lasting_reasons(is_greedy=self.served.is_greedy)

    def setup(self) -> None:
        """Load the model, or ask the server whether it is there."""
        if self.served.model:
            check_served(self.served)
        else:
            self._model().open(self.prompt)

    def caption(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        """One text a clip; "failed" with a reason of `internvid.captions.requests.FAILURES`."""
        pending, words = PendingRequests(), self.words()

        def question(view: ClipView) -> Request | Annotation:
            pick = middle_pick(view)
            if pick is None:
                return Annotation(view.clip.clip_id, None, "failed", "no_picks")
            return ask_about(view.clip.clip_id, [pick], words)

        for request, answer in self.describe(pending.requests(clips, question)):
            yield from pending.settled()
            yield annotation(request, answer)
        yield from pending.settled()

    def describe(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Answer]]:
        """Answers about single pictures, each beside its request, in any order.

        Args:
            requests: of one pick each, with `words()` as their prompt.
        """
        if self.served.model:
            responses = converse(self.served, requests, self.maximum_tokens)
        else:
            model = self._model()

            def through(batch: Sequence[tuple[Request, list[Any]]]) -> list[Generated]:
                return model.describe([pictures[0] for _, pictures in batch], self.prompt)

            responses = show(requests, through, self.local)
        for request, answer in responses:
            yield request, checked_answer(answer, self.maximum_words, self.cleaning)

    def by_few(self) -> FrameCaptioner:
        """The captioner for clips that other models wait for: smaller batches on a processor."""
        if self.served.model:
            return self
        batch = clips_at_once(self.local, self._model().open(self.prompt).device)
        return replace(self, local=replace(self.local, batch=batch))

    def words(self) -> str:
        """The words that are sent with each picture."""
        if self.served.model:
            return self.prompt or SERVED_PROMPT
        return self._model().words(self.prompt)

    def _model(self) -> ImageToText:
        from internvid.models.image_to_text import ImageToText

        return ImageToText(self.local.checkpoint(), self.maximum_tokens, self.beams)
