"""Clips with some of their pictures decoded ahead, in batches, for models that look at them."""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from internvid.core.binding import origin_of
from internvid.core.contracts import Annotation, ClipView, Origin, Pick
from internvid.core.errors import InternvidError
from internvid.core.system.streams import batched, prepared
from internvid.core.timings import count, stage

if TYPE_CHECKING:
    from PIL import Image

T = TypeVar("T")
# What torch and transformers raise for inputs that a model cannot take.
_MODEL_ERRORS = (RuntimeError, ValueError, IndexError, TypeError, AttributeError, KeyError)


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


def spread(picks: Sequence[Pick], wanted: int) -> list[Pick]:
    """So many picks, from the middles of equal parts of them; all where there are fewer."""
    total = len(picks)
    if total <= wanted:
        return list(picks)
    return [picks[(2 * at + 1) * total // (2 * wanted)] for at in range(wanted)]


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
        pictures = [_decoded(pick.jpeg) for pick in picks]
        count("decoded", len(pictures))
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
        values = dict(zip(map(id, good), _attempt(good, through), strict=True))
        for one in some:
            yield one, values.get(id(one))


def _attempt(
    some: Sequence[Shown], through: Callable[[Sequence[Shown]], Sequence[T]]
) -> list[T | None]:
    if not some:
        return []
    try:
        return list(through(some))
    except _MODEL_ERRORS as error:
        values: list[T | None] = []
        for one in some:
            try:
                values.append(through([one])[0])
            except _MODEL_ERRORS:
                values.append(None)
        if all(value is None for value in values):
            raise InternvidError(
                f"the model fails for every clip it is given: {type(error).__name__}: {error}",
                hint="is it meant for this? try it on one picture in Python",
            ) from error
        return values


def _answer(one: Shown, value: object) -> Annotation:
    """The value as an answer, or the reason why there is none."""
    clip_id = one.view.clip.clip_id
    if one.failure:
        return Annotation(clip_id, None, "failed", one.failure)
    if value is None:
        return Annotation(clip_id, None, "failed", "model_failed")
    return Annotation(clip_id, value, origin=one.origin)


def _decoded(jpeg: bytes) -> Image.Image | None:
    from PIL import Image

    try:
        with (
            stage("decode"),
            Image.open(io.BytesIO(jpeg), formats=("JPEG", "PNG", "WEBP")) as picture,
        ):
            return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError):
        # Everything that Pillow's parsers raise for damaged files.
        return None
