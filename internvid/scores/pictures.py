"""Clips with some of their pictures decoded ahead, in batches, for models that look at them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from internvid.core.binding import origin_of
from internvid.core.contracts import Annotation, ClipView, Origin, Pick
from internvid.core.system.streams import batched, prepared, run_batch
from internvid.video.pictures import decode_pictures

if TYPE_CHECKING:
    from PIL import Image

T = TypeVar("T")


@dataclass(frozen=True)
class Shown:
    """A clip as a model sees it.

    Attributes:
        pictures: decoded, in the order of time.
        origin: of the picks they were decoded from, and the text.
    """

    view: ClipView
    pictures: Sequence[Image.Image]
    origin: Origin
    failure: str = ""


def drawn(clip_id: str, picks: Sequence[Pick], seed: int) -> list[Pick]:
    """One pick, drawn by a hash of the clip's id: the same anywhere."""
    if not len(picks):
        return []
    digest = hashlib.blake2b(f"{seed}:{clip_id}".encode(), digest_size=8).digest()
    return [picks[int.from_bytes(digest, "big") % len(picks)]]


class PictureScorer(Protocol):
    """What the scorers that look at pictures have in common."""

    @property
    def batch(self) -> int:
        """Clips that go through the model at once."""
        ...

    @property
    def threads(self) -> int:
        """Threads that decode ahead."""
        ...


def answers(
    scorer: PictureScorer,
    clips: Iterable[ClipView],
    choose: Callable[[ClipView], Sequence[Pick]],
    through: Callable[[Sequence[Shown]], Sequence[object]],
) -> Iterator[Annotation]:
    """For each clip what a model makes of its chosen pictures, or the reason why there is nothing.

    Args:
        scorer: says how many clips at once, and how many threads decode ahead.
        clips: any number, longer than memory.
        choose: the picks of a clip that the model sees.
        through: one value a clip, in order.

    Raises:
        InternvidError: the model fails for every clip of a batch.
    """
    ahead = 2 * max(scorer.batch, scorer.threads)
    shown = _show(clips, choose, threads=scorer.threads, ahead=ahead)
    for one, value in _score_batches(shown, scorer.batch, through):
        yield _answer(one, value)


def _show(
    clips: Iterable[ClipView],
    choose: Callable[[ClipView], Sequence[Pick]],
    *,
    threads: int,
    ahead: int,
) -> Iterator[Shown]:
    """Clips with their chosen pictures, in order, read and decoded ahead by threads."""

    def prepare(view: ClipView) -> Shown:
        picks = choose(view)
        origin = origin_of(view.clip.clip_id, picks, view.text or "")
        if not picks:
            return Shown(view, (), origin, "no_picks")
        pictures = decode_pictures(pick.jpeg for pick in picks)
        whole = [picture for picture in pictures if picture is not None]
        failure = "" if len(whole) == len(pictures) else "picture_unreadable"
        return Shown(view, whole, origin, failure)

    for _, shown in prepared(clips, prepare, threads=threads, ahead=ahead):
        yield shown


def _score_batches(
    shown: Iterable[Shown], batch: int, through: Callable[[Sequence[Shown]], Sequence[T]]
) -> Iterator[tuple[Shown, T | None]]:
    """Each clip with what a model makes of it; None where it fails on that clip alone.

    Args:
        shown: clips.
        batch: so many go through the model at once.
        through: one value a clip, in order.

    Raises:
        InternvidError: the model fails for every clip of a batch.
    """
    for some in batched(shown, batch):
        good = [one for one in some if not one.failure]
        values = dict(zip(map(id, good), run_batch(good, through), strict=True))
        for one in some:
            yield one, values.get(id(one))


def _answer(one: Shown, value: object) -> Annotation:
    """The value as an answer, or the reason why there is none."""
    clip_id = one.view.clip.clip_id
    if one.failure:
        return Annotation(clip_id, None, "failed", one.failure)
    if value is None:
        return Annotation(clip_id, None, "failed", "model_failed")
    return Annotation(clip_id, value, origin=one.origin)
