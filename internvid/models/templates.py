"""Sentences around a label, and the reference's cleaning of texts (paper §6.3, §7.1). No torch."""

from __future__ import annotations

import re
from collections.abc import Sequence

from internvid.core.errors import ConfigInvalidError

ACTION_TEMPLATES = (
    "a photo of action {}",
    "a picture of action {}",
    "Human action of {}",
    "{}, an action",
    "{} this is an action",
    "{}, a video of action",
    "Playing action of {}",
    "{}",
    "Playing a kind of action, {}",
    "Doing a kind of action, {}",
    "Look, the human is {}",
    "Can you recognize the action of {}?",
    "Video classification of {}",
    "A video of {}",
    "The man is {}",
    "The woman is {}",
)
"""The sixteen of the reference's zero-shot action recognition."""

_DROPPED = re.compile(r"[,.'!?\"()*#:;~]")
_PARTING = re.compile(r"[-/]")
_BLANKS = re.compile(r"\s{2,}")


def clean_text(text: str) -> str:
    """The reference's `pre_text`: lower case, without punctuation, blanks squeezed.

    The reference applies it to training captions, retrieval texts and prompts; encoding leaves
    texts as they are unless this is requested.
    """
    bare = _PARTING.sub(" ", _DROPPED.sub("", text.lower())).replace("<person>", "person")
    return _BLANKS.sub(" ", bare).rstrip("\n").strip(" ")


def fill_templates(labels: Sequence[str], templates: Sequence[str] = ACTION_TEMPLATES) -> list[str]:
    """Every template with every label: all templates of the first label, then of the next.

    Raises:
        ConfigInvalidError: no label, no template, a label twice, or a template without `{}`.
    """
    if isinstance(labels, str) or not labels:
        raise ConfigInvalidError(f"labels must be a list of at least one text, got {labels!r}")
    if isinstance(templates, str) or not templates:
        raise ConfigInvalidError(f"templates must be a list of at least one, got {templates!r}")
    if len(set(labels)) != len(labels):
        twice = next(label for label in labels if list(labels).count(label) > 1)
        raise ConfigInvalidError(f"the label {twice!r} is given twice")
    for template in templates:
        if "{}" not in template:
            raise ConfigInvalidError(f"the template {template!r} has no {{}} for the label")
    return [template.replace("{}", label) for label in labels for template in templates]
