"""Sentences around class names, and what is done to names and captions before they are read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from types import MappingProxyType

from internvid.core.errors import ConfigInvalidError
from internvid.models.templates import ACTION_TEMPLATES, clean_text

_MEDIA = ("photo", "video", "example", "demonstration")
_VERBS = ("", "using ", "doing ", "during ", "performing ", "practicing ")

CLIP_KINETICS_TEMPLATES = tuple(
    f"a {medium} of {person}{{}}."
    for medium in _MEDIA
    for person in ("", *(f"a person {verb}" for verb in _VERBS))
)
"""CLIP's 28 for Kinetics: 4 media x 7 patterns, "a example" as published (openai/CLIP,
data/prompts.md)."""

CLIP_ACTION_TEMPLATES = tuple(
    f"a {medium} of {who} person {verb}{{}}."
    for verb in _VERBS
    for who in ("a", "the")
    for medium in _MEDIA
)
"""CLIP's 48 for UCF101, used for HMDB51 too: 4 media x 12 patterns (the same file)."""

TEMPLATES = MappingProxyType(
    {
        "reference": ACTION_TEMPLATES,
        "clip-kinetics": CLIP_KINETICS_TEMPLATES,
        "clip-action": CLIP_ACTION_TEMPLATES,
        "plain": ("{}",),
    }
)
"""Sets of templates by name."""

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def clean_label(name: str) -> str:
    """Plain words of a class name: `ApplyEyeMakeup`, `brush_hair`, `Pushing [something]`.

    Camel case and underscores become spaces, brackets and parentheses go, lower case.
    """
    spaced = _CAMEL.sub(" ", name).replace("_", " ")
    return " ".join(re.sub(r"[()\[\]]", "", spaced).lower().split())


def _as_it_is(text: str) -> str:
    return text


CLEANINGS: MappingProxyType[str, Callable[[str], str]] = MappingProxyType(
    {"reference": clean_text, "words": clean_label, "none": _as_it_is}
)
"""Ways to clean a text by name: `reference`, `words` (class names), `none`."""


def find_cleaning(name: str) -> Callable[[str], str]:
    """The cleaning of that name.

    Raises:
        ConfigInvalidError: there is none.
    """
    if name not in CLEANINGS:
        raise ConfigInvalidError(
            f"no text cleaning is called {name!r}; there are: {', '.join(CLEANINGS)}"
        )
    return CLEANINGS[name]


def find_templates(name: str) -> tuple[str, ...]:
    """The templates of that name, or one template that is written out (it holds `{}`).

    Raises:
        ConfigInvalidError: there are none.
    """
    if "{}" in name:
        return (name,)
    if name not in TEMPLATES:
        raise ConfigInvalidError(
            f"no templates are called {name!r}; there are: {', '.join(TEMPLATES)}",
            hint="or write one out, with {} where the class name goes",
        )
    return TEMPLATES[name]


def fill_templates(
    templates: Sequence[str], names: Sequence[str], *, labels: str, cleaning: str
) -> list[str]:
    """Every sentence of every class, class by class.

    Args:
        templates: sentences with `{}`.
        names: class names as the annotation file has them.
        labels: cleaning of the names (see `CLEANINGS`).
        cleaning: cleaning of the whole sentences.

    Returns:
        len(names) x len(templates) texts.
    """
    clean_name, clean_whole = find_cleaning(labels), find_cleaning(cleaning)
    return [
        clean_whole(template.replace("{}", clean_name(name)))
        for name in names
        for template in templates
    ]


def digest_texts(texts: Sequence[str]) -> str:
    """16 hex digits that change with any of the texts or their order."""
    return hashlib.blake2b(json.dumps(list(texts)).encode(), digest_size=8).hexdigest()
