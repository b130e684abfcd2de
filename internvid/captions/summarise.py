"""Many lines about single frames into one sentence, by a language model.

The authors take "T5-summary" as it is, without a prompt, over the lines joined by ". " (their
answers in the project's issues, and their code for the fine branch). Instruct models need one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from internvid.captions.checks.check import unsupported_words
from internvid.captions.checks.cleaning import Cleaning
from internvid.captions.gathering import Pictures, by_clip, failure_of, folded, lines_of
from internvid.captions.local import LocalModel, clips_at_once, rewrite, without_weights
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
from internvid.captions.tags import TagsCaptioner
from internvid.core.annotators import bare_paths
from internvid.core.contracts import Annotation, ClipView, Pick
from internvid.core.errors import ConfigInvalidError

PAPER_SUMMARY = "mrm8488/flan-t5-large-finetuned-openai-summarize_from_feedback"
TEMPLATE = (
    "These lines describe frames of one video clip, in order of time:\n{lines}\n"
    "Say in one sentence what the clip shows. Use only what the lines say. "
    "Answer with the sentence alone."
)


@dataclass(frozen=True)
class Fuser:
    """Lines into one sentence.

    Attributes:
        template: words around the lines, with {lines} where they go; "none" gives the model the
            lines alone; empty for what suits it: none for T5-type models, `TEMPLATE` for others.
        joint: between lines, where there is no template; with one, each has a line of its own.
        most_lines: at most so many lines, spread evenly; the first and the last stay.
        maximum_tokens: most tokens of the sentence.
        maximum_input_tokens: a longer text loses its end (models on this machine).
        maximum_words: a sentence of more words is `too_long`.
        cleaning: what is taken away around the sentence.
        local: the model on this machine.
        served: a served one, which is used instead where it is named.
    """

    other_paths: ClassVar[Mapping[str, tuple[str, ...]]] = bare_paths("local")
    template: str = ""
    joint: str = ". "
    most_lines: int = 48
    maximum_tokens: int = 80
    maximum_input_tokens: int = 1024
    maximum_words: int = 100
    cleaning: Cleaning = field(default_factory=Cleaning)
    local: LocalModel = field(default_factory=lambda: LocalModel(PAPER_SUMMARY))
    served: ServedModel = field(default_factory=ServedModel)

    def __post_init__(self) -> None:
        if self.template not in ("", "none") and "{lines}" not in self.template:
            raise ConfigInvalidError(
                "template must say where the lines go: {lines}", hint=f"for example: {TEMPLATE!r}"
            )
        if self.most_lines < 2:
            raise ConfigInvalidError(f"most_lines must be at least 2, got {self.most_lines}")
        if self.served.model:
            object.__setattr__(self, "local", without_weights(self.local))

    def setup(self) -> None:
        """Load the model, or ask the server whether it is there."""
        if self.served.model:
            check_served(self.served)
        else:
            self._model().open()

    def form(self) -> str:
        """The template that is used; empty for the lines alone."""
        if self.template:
            return "" if self.template == "none" else self.template
        if self.served.model:
            return TEMPLATE
        return "" if self._model().open().model.config.is_encoder_decoder else TEMPLATE

    def words(self, lines: Iterable[str], form: str) -> str:
        """What the model is given for these lines: each once, not too many, joined."""
        kept = _thinned(folded(lines), self.most_lines)
        if form:
            return form.replace("{lines}", "\n".join(kept))
        return self.joint.join(line.rstrip(". ") for line in kept)

    def fuse(
        self, requests: Iterable[Request], *, by_few: bool = False
    ) -> Iterator[tuple[Request, Answer]]:
        """A sentence for each request's prompt, beside the request, in any order.

        Args:
            requests: what the model is given.
            by_few: answer few at a time, since each request has cost other models' work.
        """
        if self.served.model:
            # The lines stand for the pictures, which the language model is not shown.
            responses = converse(self.served, requests, self.maximum_tokens, with_pictures=False)
        else:
            model = self._model()
            step = clips_at_once(self.local, model.open().device) if by_few else None
            responses = rewrite(requests, model.rewrite, self.local, step)
        for request, answer in responses:
            yield request, checked_answer(answer, self.maximum_words, self.cleaning)

    def _model(self) -> Any:
        from internvid.models.text_to_text import TextToText

        return TextToText(self.local.checkpoint(), self.maximum_tokens, self.maximum_input_tokens)


@dataclass(frozen=True)
class SummariseCaptioner:
    """One sentence of many lines.

    Attributes:
        source: where the lines come from: "pictures" (described by `pictures`) or "text" (a text
            column; each of its lines is one).
        pictures: the describer of single frames.
        fuser: the language model.
    """

    version: ClassVar[int] = 2
    other_paths: ClassVar[Mapping[str, tuple[str, ...]]] = bare_paths(
        "pictures.local", "fuser.local"
    )
    extras: ClassVar[dict[str, str]] = {"lines": "list<string>", "unsupported": "list<string>"}
    source: Literal["pictures", "text"] = "pictures"
    pictures: TagsCaptioner = field(default_factory=TagsCaptioner)
    fuser: Fuser = field(default_factory=Fuser)

    def __post_init__(self) -> None:
        if self.source == "text":
            # No picture is described, so the weights that would do it do not count.
            local = without_weights(self.pictures.local)
            object.__setattr__(self, "pictures", replace(self.pictures, local=local))

    @property
    def reads(self) -> tuple[str, ...]:
        """What answers depend on."""
        return ("text",) if self.source == "text" else ("picks",)

    @property
    def lasting(self) -> frozenset[str]:
        """Reasons of failures that a rerun would only pay for again."""
        described = (self.pictures.served,) if self.source == "pictures" else ()
        served = (*described, self.fuser.served)
        return lasting_reasons(is_greedy=all(each.is_greedy for each in served))

    def setup(self) -> None:
        """Load both models."""
        if self.source == "pictures":
            self.pictures.setup()
        self.fuser.setup()

    def caption(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        """One sentence a clip; the lines, and words they do not support, as extras."""
        pending, form = PendingRequests(), self.fuser.form()
        lines = (
            self._written(clips, pending) if self.source == "text" else self._seen(clips, pending)
        )
        requests = (
            ask_about(clip_id, picks, self.fuser.words(texts, form), lines=texts)
            for clip_id, picks, texts in lines
        )
        for request, answer in self.fuser.fuse(requests, by_few=self.source == "pictures"):
            yield from pending.settled()
            yield annotation(request, answer, line_extras(request, answer))
        yield from pending.settled()

    def _written(
        self, clips: Iterable[ClipView], pending: PendingRequests
    ) -> Iterator[tuple[str, tuple[Pick, ...], list[str]]]:
        for view in clips:
            lines = [line.strip() for line in (view.text or "").splitlines() if line.strip()]
            if lines:
                yield view.clip.clip_id, (), lines
            else:
                pending.set_aside(Annotation(view.clip.clip_id, None, "failed", "no_lines"))

    def _seen(
        self, clips: Iterable[ClipView], pending: PendingRequests
    ) -> Iterator[tuple[str, tuple[Pick, ...], list[str]]]:
        words = self.pictures.words()

        def pictures() -> Iterator[Pictures]:
            for view in clips:
                picks = self.pictures.choose(view)
                if picks:
                    yield Pictures(view.clip.clip_id, picks)
                else:
                    pending.set_aside(Annotation(view.clip.clip_id, None, "failed", "no_picks"))

        for gathered, answers in by_clip(pictures(), words, self.pictures.describe):
            failure = failure_of(answers)
            if failure:
                request = ask_about(gathered.clip_id, gathered.picks, words)
                pending.set_aside(annotation(request, Answer(failure=failure)))
            else:
                yield gathered.clip_id, gathered.picks, lines_of(answers)


def line_extras(request: Request, answer: Answer) -> dict[str, Any]:
    """Extras of a sentence that was made of lines."""
    lines = request.notes["lines"]
    return {"lines": lines, "unsupported": unsupported_words(answer.text, lines)}


def _thinned(lines: list[str], most: int) -> list[str]:
    """At most so many lines, evenly spread, the first and the last among them."""
    if len(lines) <= most:
        return lines
    return [lines[round(at * (len(lines) - 1) / (most - 1))] for at in range(most)]
