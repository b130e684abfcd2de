"""Several questions about one clip, sent singly and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from internvid.captions.checks.repeats import bare
from internvid.captions.requests import TRANSIENT, Answer, Request, ask_about
from internvid.core.contracts import Pick

Describe = Callable[[Iterable[Request]], Iterator[tuple[Request, Answer]]]


@dataclass(frozen=True)
class Pictures:
    """The pictures of one clip that are to be described one by one.

    Attributes:
        clip_id: the clip.
        picks: in time order.
        notes: carried along.
    """

    clip_id: str
    picks: tuple[Pick, ...]
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class _Open:
    """A clip whose answers are still coming."""

    pictures: Pictures
    answers: dict[int, Answer] = field(default_factory=dict)


def by_clip(
    clips: Iterable[Pictures], words: str, describe: Describe
) -> Iterator[tuple[Pictures, list[Answer]]]:
    """Every picture of every clip through a describer, gathered by clip.

    Clips come out when their last picture is answered. Each answer is put in its place by the clip
    and the number of the picture that its request carries.

    Args:
        clips: read as far ahead as the describer reads; each with a picture or more, each once.
        words: sent with every picture.
        describe: a stream of single pictures to answers, in any order.
    """
    waiting: dict[str, _Open] = {}

    def singly() -> Iterator[Request]:
        for pictures in clips:
            waiting[pictures.clip_id] = _Open(pictures)
            for at, pick in enumerate(pictures.picks):
                yield ask_about(pictures.clip_id, [pick], words, part=at)

    for request, answer in describe(singly()):
        gathered = waiting[request.clip_id]
        gathered.answers[request.part] = answer
        if len(gathered.answers) == len(gathered.pictures.picks):
            del waiting[request.clip_id]
            yield gathered.pictures, [gathered.answers[at] for at in sorted(gathered.answers)]


def lines_of(answers: Sequence[Answer]) -> list[str]:
    """Texts of the answers, in order; empty ones where there was a failure."""
    return [answer.text for answer in answers]


def failure_of(answers: Sequence[Answer]) -> str:
    """Why the lines of a clip cannot be used; empty where they can.

    A picture without a line for a reason that lies with the picture leaves the others standing. One
    that failed for want of a server does not: the clip is given again, whole.
    """
    for answer in answers:
        if answer.failure in TRANSIENT:
            return answer.failure
    if any(answer.text for answer in answers):
        return ""
    return next((answer.failure for answer in answers if answer.failure), "no_lines")


def folded(lines: Iterable[str]) -> list[str]:
    """Lines without repetitions, in order of first appearance; case and end marks do not count."""
    first: dict[str, str] = {}
    for line in lines:
        plain = bare(line)
        if plain:
            first.setdefault(plain, line.strip())
    return list(first.values())
