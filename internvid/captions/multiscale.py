"""The paper's method whole (§3.1): a coarse and a fine caption, fused into one sentence.

Coarse: the middle frame, by an image-to-text model. Fine: a line about one frame a second. Both go
into a language model; the authors put the coarse caption among the lines, because those repeat
themselves (their answer in the project's issues). Every text on the way is kept as a column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from internvid.captions.checks.check import unsupported_words
from internvid.captions.frame import FrameCaptioner
from internvid.captions.gathering import Pictures, by_clip, failure_of, lines_of
from internvid.captions.requests import (
    TRANSIENT,
    Answer,
    PendingRequests,
    Request,
    annotation,
    ask_about,
    lasting_reasons,
    middle_pick,
)
from internvid.captions.summarise import Fuser
from internvid.captions.tags import TagsCaptioner
from internvid.core.annotators import bare_paths
from internvid.core.contracts import Annotation, ClipView, Pick


@dataclass(frozen=True)
class MultiscaleCaptioner:
    """A fused sentence a clip, with the texts that it was made of.

    Extras: `coarse` (the middle frame's caption), `lines` (one per described frame, in time order,
    empty where that failed) and `unsupported` (content words of the sentence that stand in none of
    them: claims that no frame text supports). Where one scale fails, the other stands alone, unless
    it failed for want of a server: then the clip fails, and the next run asks again.

    Attributes:
        coarse: describes the middle frame.
        fine: describes one frame a second.
        fuser: makes the sentence.
    """

    version: ClassVar[int] = 2
    other_paths: ClassVar[Mapping[str, tuple[str, ...]]] = bare_paths(
        "coarse.local", "fine.local", "fuser.local"
    )
    extras: ClassVar[dict[str, str]] = {
        "coarse": "string",
        "lines": "list<string>",
        "unsupported": "list<string>",
    }
    coarse: FrameCaptioner = field(default_factory=FrameCaptioner)
    fine: TagsCaptioner = field(default_factory=TagsCaptioner)
    fuser: Fuser = field(default_factory=Fuser)

    @property
    def lasting(self) -> frozenset[str]:
        """Reasons of failures that a rerun would only pay for again."""
        served = (self.coarse.served, self.fine.served, self.fuser.served)
        return lasting_reasons(is_greedy=all(each.is_greedy for each in served))

    def setup(self) -> None:
        """Load all models; those that are the same only once."""
        self.coarse.setup()
        self.fine.setup()
        self.fuser.setup()

    def caption(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        """One sentence a clip, with extras."""
        pending, form = PendingRequests(), self.fuser.form()
        for request, answer in self.fuser.fuse(self._fusions(clips, pending, form), by_few=True):
            yield from pending.settled()
            yield annotation(request, answer, _extras(request, answer))
        yield from pending.settled()

    def _fusions(
        self, clips: Iterable[ClipView], pending: PendingRequests, form: str
    ) -> Iterator[Request]:
        """Prompts of the language model, for each clip that has a line or a coarse caption."""
        words = self.fine.words()
        for pictures, answers in by_clip(self._seen(clips, pending), words, self.fine.describe):
            coarse: Answer = pictures.notes["coarse"]
            middle: Pick = pictures.notes["middle"]
            failure = _failure(coarse, failure_of(answers))
            shown = _in_order([*pictures.picks, middle])
            if failure:
                request = ask_about(pictures.clip_id, shown, words)
                pending.set_aside(annotation(request, Answer(failure=failure)))
                continue
            lines = lines_of(answers)
            prompt = self.fuser.words([*lines, coarse.text], form)
            yield ask_about(pictures.clip_id, shown, prompt, coarse=coarse.text, lines=lines)

    def _seen(self, clips: Iterable[ClipView], pending: PendingRequests) -> Iterator[Pictures]:
        """Clips with their coarse caption, and the pictures that are yet to be described."""
        words = self.coarse.words()

        def question(view: ClipView) -> Request | Annotation:
            middle = middle_pick(view)
            if middle is None:
                return Annotation(view.clip.clip_id, None, "failed", "no_picks")
            return ask_about(view.clip.clip_id, [middle], words, fine=self.fine.choose(view))

        for request, answer in self.coarse.by_few().describe(pending.requests(clips, question)):
            notes = {"coarse": answer, "middle": request.picks[0]}
            yield Pictures(request.clip_id, request.notes["fine"], notes)


def _failure(coarse: Answer, fine: str) -> str:
    """Why a clip cannot be fused: one scale failed for want of a server, or both failed."""
    for failure in (coarse.failure, fine):
        if failure in TRANSIENT:
            return failure
    return coarse.failure if fine else ""


def _in_order(picks: Iterable[Pick]) -> list[Pick]:
    """The picks in time order, each once."""
    return [pick for _, pick in sorted({pick.frame: pick for pick in picks}.items())]


def _extras(request: Request, answer: Answer) -> dict[str, Any]:
    coarse, lines = request.notes["coarse"], request.notes["lines"]
    return {
        "coarse": coarse or None,
        "lines": lines,
        "unsupported": unsupported_words(answer.text, [coarse, *lines]),
    }
