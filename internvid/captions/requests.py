"""One question about one clip, its answer, and how the two stay together.

A `Request` is made from the very picks that the model will be shown, with its origin, before
anything is requested. It travels with the question through threads, batches and retries, and comes
back beside the answer; nothing is ever matched by position in a list of clips.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from internvid.captions.checks.check import is_too_long
from internvid.captions.checks.cleaning import Cleaning
from internvid.core.binding import origin_of
from internvid.core.contracts import Annotation, ClipView, Origin, Pick

# Every reason of a failed caption; docs/captions.md says what each means and what to do.
FAILURES = (
    "no_picks",
    "picture_unreadable",
    "no_lines",
    "empty_answer",
    "too_long",
    "truncated",
    "model_failed",
    "refused",
    "rejected",
    "bad_answer",
    "context_exceeded",
    "rate_limited",
    "server_error",
    "timed_out",
    "connection_lost",
)
# Reasons that lie with the moment and not with the question: the next run may well get an answer.
TRANSIENT = ("bad_answer", "rate_limited", "server_error", "timed_out", "connection_lost")
# Reasons that the same question gets again; the second row only from a model that does not sample.
LASTING = ("refused", "rejected", "context_exceeded")
LASTING_IF_GREEDY = ("empty_answer", "too_long", "truncated")


def lasting_reasons(*, is_greedy: bool) -> frozenset[str]:
    """Reasons of failures that a rerun would only pay for again.

    Args:
        is_greedy: whether all models that are requested would say the same again; those on this
            machine would.
    """
    return frozenset({*LASTING, *(LASTING_IF_GREEDY if is_greedy else ())})


@dataclass(frozen=True)
class Request:
    """A question about a clip.

    Attributes:
        clip_id: the clip.
        picks: the pictures that the model is shown, in that order.
        prompt: the whole of the words that go with them.
        origin: digest of all that.
        part: which of several questions about the clip.
        notes: what the answer will be put together with; the model does not see it.
    """

    clip_id: str
    picks: tuple[Pick, ...]
    prompt: str
    origin: Origin
    part: int = 0
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What a model answered, or the reason there is no answer.

    Attributes:
        text: in one line; empty where there is a failure.
        failure: one of `FAILURES`, or empty.
    """

    text: str = ""
    failure: str = ""


def ask_about(
    clip_id: str, picks: Sequence[Pick] = (), prompt: str = "", part: int = 0, **notes: Any
) -> Request:
    """A request with its origin."""
    origin = origin_of(clip_id, picks, prompt)
    return Request(clip_id, tuple(picks), prompt, origin, part, notes)


def checked_answer(answer: Answer, maximum_words: int, cleaning: Cleaning | None = None) -> Answer:
    """The answer, cleaned, or the failure that its text amounts to."""
    if answer.failure:
        return answer
    if cleaning is not None:
        answer = Answer(cleaning.clean(answer.text))
    if not any(character.isalnum() for character in answer.text):
        return Answer(failure="empty_answer")
    if is_too_long(answer.text, maximum_words):
        return Answer(failure="too_long")
    return answer


def annotation(
    request: Request, answer: Answer, extras: Mapping[str, Any] | None = None
) -> Annotation:
    """The row of an answered request."""
    if answer.failure:
        return Annotation(
            request.clip_id, None, "failed", answer.failure, extras or {}, request.origin
        )
    return Annotation(request.clip_id, answer.text, extras=extras or {}, origin=request.origin)


def middle_pick(view: ClipView) -> Pick | None:
    """The pick nearest to the middle of the clip, the earlier of two; None without picks."""
    middle = (view.span.start_seconds + view.span.end_seconds) / 2
    picks = list(view.picks)
    return min(picks, key=lambda pick: (abs(pick.pts_seconds - middle), pick.frame), default=None)


def picks_per_second(view: ClipView, per_second: float) -> list[Pick]:
    """For each 1 / per_second seconds of the clip the first pick in them, in time order."""
    by_second: dict[int, Pick] = {}
    for pick in view.picks:
        # 1e-6: a pick a rounding error before its slot belongs to it.
        slot = int((pick.pts_seconds - view.span.start_seconds + 1e-6) * per_second)
        by_second.setdefault(slot, pick)
    return list(by_second.values())


class PendingRequests:
    """Requests on their way to a model, and clips that are answered without it.

    A captioner makes requests from views while the model's stream asks for more; views that need
    no model (no picks, say) are set aside here and come out between the answers.
    """

    def __init__(self) -> None:
        self._aside: list[Annotation] = []

    def requests(
        self, views: Any, make: Callable[[ClipView], Request | Annotation]
    ) -> Iterator[Request]:
        """Requests for the views, as they are requested."""
        for view in views:
            made = make(view)
            if isinstance(made, Annotation):
                self.set_aside(made)
            else:
                yield made

    def set_aside(self, made: Annotation) -> None:
        """Keep an annotation until it can be given out."""
        self._aside.append(made)

    def settled(self) -> Iterator[Annotation]:
        """What was set aside since the last call."""
        while self._aside:
            yield self._aside.pop(0)
