"""Several lists of classes merged into one, and a head over the merged list taken apart again.

Kinetics-400, 600 and 700 share most classes under slightly different names: their union by
cleaned name is the K710 of UniFormerV2 (arXiv 2211.09552), on which it trains first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch

from internvid.core.errors import ConfigInvalidError
from internvid.evaluation.annotations.records import LabelledClip, LabelledSet
from internvid.models.viclip.heads.classifier_head import ActionHead

KINETICS_RENAMED: Mapping[str, str] = MappingProxyType(
    {
        "balloon blowing": "inflating balloons",
        "changing wheel": "changing wheel (not on bike)",
        "cooking sausages": "cooking sausages (not on barbeque)",
        "drinking": "sipping cup",
        "dying hair": "dyeing hair",
        "garbage collecting": "person collecting garbage",
        "hugging": "hugging (not baby)",
        "making bed": "making the bed",
        "opening bottle": "opening bottle (not wine)",
        "picking fruit": "picking apples",
        "skiing (not slalom or crosscountry)": "skiing mono",
        "sniffing": "smelling feet",
        "throwing ball": "throwing ball (not baseball or American football)",
        "tying tie": "tying necktie",
    }
)
"""Classes of Kinetics-400 under the names that Kinetics-600 and 700 gave them."""

_APART = re.compile(r"[^\w]+|_")
_SPAN = re.compile(r"_\d{6}_\d{6}$")


def clean_label(name: str) -> str:
    """A class name's words: lower case, without brackets, quotes, underscores and hyphens."""
    return " ".join(_APART.sub(" ", name.lower().replace("'", "")).split())


@dataclass(frozen=True)
class MergedLabels:
    """The union of several lists.

    Attributes:
        names: of the merged classes, as the first list that has one writes it.
        places: set -> number in `names` of each of its classes, in its own order.
    """

    names: tuple[str, ...]
    places: Mapping[str, tuple[int, ...]]


def current_label(name: str, renamed: Mapping[str, str] = KINETICS_RENAMED) -> str:
    """The cleaned form of a class's newest name."""
    newer = {clean_label(old): new for old, new in renamed.items()}
    short = clean_label(name)
    return clean_label(newer.get(short, short))


def merge_labels(
    sets: Mapping[str, Sequence[str]], renamed: Mapping[str, str] = KINETICS_RENAMED
) -> MergedLabels:
    """The union of lists by cleaned name, in the order of first appearance.

    Args:
        sets: name of a set -> its class names.
        renamed: old name -> new one of the same class.

    Raises:
        ConfigInvalidError: no list, an empty one, or one with two classes of one cleaned name.
    """
    names: dict[str, str] = {}
    numbers: dict[str, int] = {}
    places: dict[str, tuple[int, ...]] = {}
    for title, labels in sets.items():
        cleaned = [current_label(label, renamed) for label in labels]
        if len(set(cleaned)) != len(cleaned) or not cleaned:
            twice = sorted({label for label in cleaned if cleaned.count(label) > 1})
            raise ConfigInvalidError(
                f"the classes of {title!r} are {'not apart: ' + twice[0] if twice else 'none'}",
                hint="class names must differ in more than case and punctuation",
            )
        for short, label in zip(cleaned, labels, strict=True):
            numbers.setdefault(short, len(numbers))
            names.setdefault(short, label)
        places[title] = tuple(numbers[short] for short in cleaned)
    if not places:
        raise ConfigInvalidError("there are no lists of classes to merge")
    return MergedLabels(tuple(names.values()), places)


@torch.no_grad()
def inherit_rows(known: ActionHead, head: ActionHead) -> int:
    """Takes a head's norm, and its rows for classes of the same cleaned name.

    Args:
        known: the head over the merged classes.
        head: the one over the target's; changed in place.

    Returns:
        How many of its classes got a row; the others keep theirs.
    """
    places = {current_label(name): at for at, name in enumerate(known.classes)}
    head.norm.load_state_dict(known.norm.state_dict())
    inherited = 0
    for at, name in enumerate(head.classes):
        place = places.get(current_label(name))
        if place is not None:
            head.out.weight[at] = known.out.weight[place]
            head.out.bias[at] = known.out.bias[place]
            inherited += 1
    return inherited


def merge_training_lists(
    lists: Mapping[str, LabelledSet], held_out: Iterable[LabelledSet] = ()
) -> LabelledSet:
    """One training list of several: merged names, each video once, none of a test list's.

    A video that several lists label is taken from the first; videos are distinguished by the id in
    front of `_STARTSECOND_ENDSECOND`, as Kinetics writes it.

    Args:
        lists: name of a set -> its training list.
        held_out: test lists of any of them.
    """
    merged = merge_labels({name: listed.classes for name, listed in lists.items()})
    by_label = {current_label(name): name for name in merged.names}
    seen = {video_of(clip.clip) for listed in held_out for clip in listed.clips}
    clips: list[LabelledClip] = []
    for listed in lists.values():
        fresh = [clip for clip in listed.clips if video_of(clip.clip) not in seen]
        seen |= {video_of(clip.clip) for clip in fresh}
        clips += [
            LabelledClip(clip.clip, by_label[current_label(clip.label)], clip.names, clip.span)
            for clip in fresh
        ]
    return LabelledSet(tuple(clips), merged.names)


def video_of(clip: str) -> str:
    """The video that a clip's id names: without folders, suffix and span."""
    stem = clip.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return _SPAN.sub("", stem)
