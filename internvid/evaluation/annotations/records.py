"""What annotation files hold: clips with a label, with several, with texts, or with choices."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from internvid.core.errors import AnnotationInvalidError
from internvid.core.types import TimeSpan


@dataclass(frozen=True)
class LabelledClip:
    """One clip and its class.

    Attributes:
        clip: its id, once in a set.
        label: the class name, as in the file.
        names: file names or stems it may have, best first; see `finding.VideoFolder`.
        span: seconds to read of the file; None is everything.
    """

    clip: str
    label: str
    names: tuple[str, ...]
    span: TimeSpan | None = None


@dataclass(frozen=True)
class LabelledSet:
    """Clips with one class each.

    Attributes:
        clips: in the order of the file.
        classes: every class name, in the order that gives them numbers.
    """

    clips: tuple[LabelledClip, ...]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        _refuse_repeated((clip.clip for clip in self.clips), "clip")
        _refuse_repeated(self.classes, "class")
        _refuse_unlisted(((clip.clip, clip.label) for clip in self.clips), self.classes)

    @property
    def digest(self) -> str:
        """16 hex digits of everything that decides a number, the order included."""
        rows = [[clip.clip, clip.label, _plain(clip.span)] for clip in self.clips]
        return _digest([rows, list(self.classes)])


@dataclass(frozen=True)
class CaptionedClip:
    """One clip and the texts that say what it shows.

    Attributes:
        clip: its id, once in a set.
        texts: at least one.
        names: file names or stems it may have, best first; see `finding.VideoFolder`.
        span: seconds to read of the file; None is everything.
    """

    clip: str
    texts: tuple[str, ...]
    names: tuple[str, ...]
    span: TimeSpan | None = None


@dataclass(frozen=True)
class CaptionedSet:
    """Clips with texts.

    Attributes:
        clips: in the order of the file.
        left_out: (name, reason) of what the file names and no clip can be made of.
    """

    clips: tuple[CaptionedClip, ...]
    left_out: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        _refuse_repeated((clip.clip for clip in self.clips), "clip")
        for clip in self.clips:
            if not clip.texts or not all(text.strip() for text in clip.texts):
                raise AnnotationInvalidError(f"{clip.clip} has an empty text, or none")

    @property
    def digest(self) -> str:
        """16 hex digits of everything that decides a number, the order included."""
        return _digest([[c.clip, list(c.texts), _plain(c.span)] for c in self.clips])

    def as_paragraphs(self) -> CaptionedSet:
        """Every clip with its texts joined into one by spaces."""
        return CaptionedSet(
            tuple(
                CaptionedClip(c.clip, (" ".join(t.strip() for t in c.texts),), c.names, c.span)
                for c in self.clips
            ),
            self.left_out,
        )


@dataclass(frozen=True)
class MultiLabelledClip:
    """One clip and all its classes.

    Attributes:
        clip: its id, once in a set.
        labels: class names; none where nothing of the list happens.
        names: file names or stems it may have, best first; see `finding.VideoFolder`.
        span: seconds to read of the file; None is everything.
    """

    clip: str
    labels: tuple[str, ...]
    names: tuple[str, ...]
    span: TimeSpan | None = None


@dataclass(frozen=True)
class MultiLabelledSet:
    """Clips with any number of classes each.

    Attributes:
        clips: in the order of the file.
        classes: every class name, in the order that gives them numbers.
    """

    clips: tuple[MultiLabelledClip, ...]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        _refuse_repeated((clip.clip for clip in self.clips), "clip")
        _refuse_repeated(self.classes, "class")
        labelled = ((clip.clip, label) for clip in self.clips for label in clip.labels)
        _refuse_unlisted(labelled, self.classes)

    @property
    def digest(self) -> str:
        """16 hex digits of everything that decides a number, the order included."""
        rows = [[clip.clip, list(clip.labels), _plain(clip.span)] for clip in self.clips]
        return _digest([rows, list(self.classes)])


@dataclass(frozen=True)
class ChoiceClip:
    """One clip, texts to choose from, and which is right.

    Attributes:
        clip: id of the question, once in a set.
        options: at least two texts.
        answer: place of the right one.
        names: file names or stems the video may have; see `finding.VideoFolder`.
        span: seconds to read of the file; None is everything.
    """

    clip: str
    options: tuple[str, ...]
    answer: int
    names: tuple[str, ...]
    span: TimeSpan | None = None


@dataclass(frozen=True)
class ChoiceSet:
    """Questions of multiple choice.

    Attributes:
        clips: in the order of the file.
    """

    clips: tuple[ChoiceClip, ...]

    def __post_init__(self) -> None:
        _refuse_repeated((clip.clip for clip in self.clips), "question")

    @property
    def digest(self) -> str:
        """16 hex digits of everything that decides a number, the order included."""
        rows = [[c.clip, list(c.options), c.answer, _plain(c.span)] for c in self.clips]
        return _digest(rows)


def _refuse_repeated(names: Iterable[str], what: str) -> None:
    counts = Counter(names)
    if not counts:
        raise AnnotationInvalidError(f"the annotations list no {what}")
    name, times = counts.most_common(1)[0]
    if times > 1:
        raise AnnotationInvalidError(f"{what} {name!r} is listed {times} times")


def _refuse_unlisted(labelled: Iterable[tuple[str, str]], classes: tuple[str, ...]) -> None:
    known = set(classes)
    for clip, label in labelled:
        if label not in known:
            raise AnnotationInvalidError(
                f"{clip} is of class {label!r}, which is not among the {len(known)} classes",
                hint="name the class list that belongs to the file (--set classes=FILE)",
            )


def _plain(span: TimeSpan | None) -> list[float] | None:
    return None if span is None else [span.start_seconds, span.end_seconds]


def _digest(value: object) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=8).hexdigest()
