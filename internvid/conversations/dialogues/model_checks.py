"""What a dialogue of a chat model must be before it counts; every refusal has a word.

| reason | the answer |
|---|---|
| `not_json` | has no JSON object |
| `wrong_structure` | is another object than a list of turns with a role and a text |
| `unknown_role` | has a role that is neither user nor assistant |
| `not_alternating` | does not go from a user's turn to an assistant's, by turns |
| `empty_turn` | has a turn without words |
| `too_long` | has a turn of very many words |
| `refusing` | declines, in English |
| `looping` | says one thing over and over |
| `leaked_prompt` | speaks of the notes, or repeats words of the prompt |
| `times_outside` | names a time that the video does not have |
| `not_in_text` | has words or numbers that the notes do not have |
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from internvid.captions.checks.check import (
    is_looping,
    is_refusing,
    is_too_long,
    unsupported_words,
)

REASONS = (
    *("not_json", "wrong_structure", "unknown_role", "not_alternating", "empty_turn", "too_long"),
    *("refusing", "looping", "leaked_prompt", "times_outside", "not_in_text"),
)
_MOST_WORDS = 150
_RUN = 6
# Times are written with one decimal.
_TOLERANCE_SECONDS = 0.5
_FENCE = re.compile(r"^\s*```\w*\s*(.*?)\s*```\s*$", re.DOTALL)
_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_CLOCK = re.compile(r"\b(?:(\d{1,2}):)?(\d{1,2}):(\d{2}(?:\.\d+)?)\b")
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)\s*(?:-\s*)?(?:s|sec|secs|seconds?)\b", re.IGNORECASE)
_MINUTES = re.compile(r"(\d+(?:\.\d+)?)\s*(?:-\s*)?(?:min|mins|minutes?)\b", re.IGNORECASE)
_BETWEEN = re.compile(
    r"(\d+(?:\.\d+)?)\s*(?:to|and|until|-|–)\s*(?=\d+(?:\.\d+)?\s*(?:s|sec|secs|seconds?)\b)",
    re.IGNORECASE,
)
_LEAKS = re.compile(
    r"\b(?:the|these|those|your|given|above)\s+(?:notes?|prompts?|captions?|transcripts?|"
    r"annotations?|json|metadata)\b|\baccording\s+to\s+the\s+(?:text|lines?|descriptions?)\b",
    re.IGNORECASE,
)
# What people say in a conversation, and what the notes say of every clip by their form.
_SPEECH = """
    yes no not happen happens happening video second seconds minute minutes time times spoken say
    says saying said speak speaks speaking spoke word words hear heard hears visible
    describe described order earlier last long beginning whole
"""


@dataclass(frozen=True)
class ModelFacts:
    """What a model was given.

    Attributes:
        text: the notes.
        seconds: length of what is spoken of; no time lies behind it.
    """

    text: str
    seconds: float


def checked_pairs(
    text: str, facts: ModelFacts, prompt: str, most_unsupported: int = 0
) -> tuple[list[tuple[str, str]], str]:
    """Questions and answers of a model's text, or none and the reason.

    Args:
        text: what the model wrote.
        facts: what it was given.
        prompt: the words around these.
        most_unsupported: so many words may be in no note.
    """
    turns, reason = _turns(text)
    if reason:
        return [], reason
    texts = [turn for _, turn in turns]
    reason = _form_trouble(texts) or _leak(texts, prompt)
    if not reason and any(_is_outside(turn, facts.seconds) for turn in texts):
        reason = "times_outside"
    if not reason and _unsupported(texts, facts.text) > most_unsupported:
        reason = "not_in_text"
    if reason:
        return [], reason
    return list(zip(texts[::2], texts[1::2], strict=True)), ""


def _turns(text: str) -> tuple[list[tuple[str, str]], str]:
    value = _object_in(text)
    if value is None:
        return [], "not_json"
    turns = value.get("turns")
    if not isinstance(turns, list) or not turns:
        return [], "wrong_structure"
    found: list[tuple[str, str]] = []
    for turn in turns:
        if not isinstance(turn, dict) or not isinstance(turn.get("text"), str):
            return [], "wrong_structure"
        if turn.get("role") not in ("user", "assistant"):
            return [], "unknown_role"
        found.append((turn["role"], " ".join(turn["text"].split())))
    expected = ["user", "assistant"] * (len(found) // 2)
    if [role for role, _ in found] != expected:
        return [], "not_alternating"
    return found, ""


def _object_in(text: str) -> dict[str, Any] | None:
    fenced = _FENCE.match(text)
    try:
        value = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _form_trouble(texts: Sequence[str]) -> str:
    if not all(_WORD.search(text) for text in texts):
        return "empty_turn"
    for reason, is_so in (
        ("too_long", lambda text: is_too_long(text, _MOST_WORDS)),
        ("refusing", is_refusing),
        ("looping", is_looping),
    ):
        if any(is_so(text) for text in texts):
            return reason
    return ""


def _leak(texts: Sequence[str], prompt: str) -> str:
    own = _runs(prompt.replace("{facts}", " ").replace("{pairs}", " "))
    if any(_LEAKS.search(text) or not own.isdisjoint(_runs(text)) for text in texts):
        return "leaked_prompt"
    return ""


def _runs(text: str) -> set[tuple[str, ...]]:
    """Every run of six words."""
    words = [word.lower() for word in _WORD.findall(text)]
    return {tuple(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1)}


def named_seconds(text: str) -> list[float]:
    """Times that a text names, in seconds: `12.5 seconds`, `3 to 5 s`, `2 min`, `1:05`."""
    found = [float(match[1]) for match in (*_SECONDS.finditer(text), *_BETWEEN.finditer(text))]
    found += [60 * float(match[1]) for match in _MINUTES.finditer(text)]
    for match in _CLOCK.finditer(text):
        found.append(3600 * int(match[1] or 0) + 60 * int(match[2]) + float(match[3]))
    return found


def _is_outside(text: str, seconds: float) -> bool:
    return any(each > seconds + _TOLERANCE_SECONDS for each in named_seconds(text))


def _unsupported(texts: Sequence[str], notes: str) -> int:
    """Words and numbers of the turns that no note has; times were checked by their bounds."""
    words = unsupported_words(" ".join(texts), [notes, _SPEECH])
    rest = " ".join(_without_times(text) for text in texts)
    known = set(_NUMBER.findall(notes))
    numbers = {each for each in _NUMBER.findall(rest) if each not in known}
    return len(words) + len(numbers)


def _without_times(text: str) -> str:
    for pattern in (_BETWEEN, _SECONDS, _MINUTES, _CLOCK):
        text = pattern.sub(" ", text)
    return text
