"""What chat models write around a caption, found by name and taken away.

Each step is one kind of such text. A captioner's `cleaning` says which are applied, and its
version is part of the column's fingerprint; the audit reports what no step took away, by the same
names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from internvid.core.errors import ConfigInvalidError

_THOUGHTS = re.compile(r"<(think|thinking|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_UNOPENED = re.compile(r"\A.*</(?:think|thinking|reasoning)>", re.DOTALL | re.IGNORECASE)
# Behind these another turn begins, before these the question is repeated.
_ENDS = re.compile(
    r"<\|(?:im_end|endoftext|end|end_of_text|eot_id|eom_id|user|end_of_turn|return)\|>"
    r"|</s>|<eos>|<end_of_turn>|<\|im_start\|>\s*user\b|<\|start_header_id\|>\s*user\b",
    re.IGNORECASE,
)
_STARTS = re.compile(
    r"\A.*(?:<\|im_start\|>\s*assistant\b|<\|start_header_id\|>\s*assistant\s*<\|end_header_id\|>"
    r"|<\|assistant\|>|<start_of_turn>\s*model\b|\[/INST\])\s*:?",
    re.IGNORECASE | re.DOTALL,
)
_TOKENS = re.compile(
    r"<\|[^|<>\s]{1,40}\|>|<｜[^｜<>]{1,40}｜>|</?s>|\[/?INST\]|<</?SYS>>"
    r"|</?(?:bos|eos|pad|unk|image|video|img|start_of_turn|end_of_turn|think|thinking)>"
    r"|<extra_id_\d+>|<0x[0-9A-F]{2}>|\[(?:CLS|SEP|PAD|UNK|EOS|BOS)\]"
)
_ASSISTANT = r"(?:ASSISTANT|Assistant|assistant|GPT|AI|Bot|BOT)\s*:\s*"
_ROLE_START = re.compile(
    rf"\A\s*(?:(?:USER|User|user|HUMAN|Human|human|Question|Q)\s*:.*?(?<!\w){_ASSISTANT}"
    rf"|(?:\#{{2,}}\s*)?{_ASSISTANT}|\#{{2,}}\s*(?:Response|Answer|Output)\s*:\s*)",
    re.DOTALL,
)
_ROLE_NEXT = re.compile(
    r"(?:(?<=[.!?\"'”])\s+|\s*\n\s*)(?:\#{2,}\s*)?"
    r"(?:USER|User|HUMAN|Human|ASSISTANT|Assistant|Instruction)\s*:.*\Z",
    re.DOTALL,
)
_FENCE = re.compile(r"\A\s*```[a-z]*\s*(.*?)\s*(?:```\s*)?\Z", re.DOTALL)
_LOOSE_JSON = re.compile(
    r"""\A\{\s*["']?(?:caption|description|text|answer|summary|sentence|response)["']?\s*:\s*"""
    r"""["'](.*?)["']?\s*\}?\s*\Z""",
    re.DOTALL | re.IGNORECASE,
)
_TEXT_KEYS = ("caption", "description", "text", "answer", "summary", "sentence", "response")
_MOST_LAYERS = 4
_NAMED = r"(?:caption|description|summary|sentence|answer|response|output|video|clip|image|picture)"
_PREAMBLES = re.compile(
    rf"""\A\s*(?:
      (?:sure|certainly|of\s+course|absolutely|okay|ok|yes|great)\s*(?:thing)?\s*[!,.:]\s*
        (?=here\b|the\s+(?:video|clip|image|picture|frames?)\b|i\b|this\b|an?\b)
        (?:i(?:['’](?:d|ll)|\s+(?:can|will|would))\b[^.!?\n]{{0,80}}[.!]\s*)?
        (?:here(?:['’]s|\s+is|\s+are)\b[^.!?:\n]{{0,120}}:\s*)?
    | here(?:['’]s|\s+is|\s+are)\b[^.!?:\n]{{0,80}}\b{_NAMED}s?\b[^.!?:\n]{{0,80}}:\s*
    | (?:the\s+|a\s+|my\s+|final\s+|one[-\s]sentence\s+|short\s+)*
        (?:caption|description|summary|sentence|answer|response|output)
        (?:\s+(?:of|for)\s+the\s+(?:video|clip|image|picture|frames?)(?:\s+clip)?)?
        \s*(?:is\s*)?:\s*
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_QUOTED = re.compile(r"\A\s*([\"“«])([^\"“”«»]+)([\"”»])\s*\Z")
_MARKS = (
    (re.compile(r"```[a-z]*\s*|\s*```"), " "),
    (re.compile(r"(?:\A|(?<=\n))\s*(?:\#{1,6}|[-*•+]|\d{1,2}[.)])\s+(?=\S)"), ""),
    (re.compile(r"\*\*\s*([^*\n]+?)\s*\*\*"), r"\1"),
    (re.compile(r"(?<!\w)__([^_\n]+)__(?!\w)"), r"\1"),
    (re.compile(r"(?<![\w*])\*([^\s*](?:[^*\n]*[^\s*])?)\*(?![\w*])"), r"\1"),
    (re.compile(r"!?\[([^\[\]\n]{1,300})\]\([^()\s]{0,500}\)"), r"\1"),
    (re.compile(r"`([^`\n]+)`"), r"\1"),
)
_CLOSINGS = re.compile(
    r"""(?:(?:(?:(?<=[.!?…])|(?<=[.!?…]["'”’]))\s*|\A\s*|\n\s*)(?:
      (?:please\s+|just\s+|and\s+)*let\s+me\s+know\b
    | i\s+hope\s+(?:this|that|it)\b | hope\s+(?:this|that)\s+helps
    | (?:please\s+)?(?:do\s+not\s+hesitate|don['’]t\s+hesitate|feel\s+free)\s+to\b
    | is\s+there\s+anything\s+else\b | how\s+else\s+can\s+i\b
    | if\s+you(?:['’]d|\s+(?:have|need|want|would|require))\b[^.!?\n]{0,90}
        \b(?:let\s+me\s+know|ask|feel\s+free|help|assist|tell\s+me|happy\s+to)\b
    | happy\s+to\s+help\b
    | would\s+you\s+like\s+(?:me|to\s+know|more|a)\b | do\s+you\s+want\s+me\s+to\b
    | i(?:['’]d|\s+would|['’]m|\s+am)\s+(?:be\s+)?happy\s+to\b
    )[^.!?\n]*[.!?]*)+\s*\Z""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True)
class Cleaning:
    """Takes away what chat models write around a caption.

    Attributes:
        steps: names of the steps, which run in the order of `STEPS`; empty for none.
    """

    version: ClassVar[int] = 1
    steps: tuple[str, ...] = (
        "chat_tokens", "role_prefix", "json_wrapper", "preamble", "markdown", "closing_phrase",
    )  # fmt: skip

    def __post_init__(self) -> None:
        wrong = [name for name in self.steps if name not in STEPS]
        if wrong:
            raise ConfigInvalidError(
                f"there is no cleaning step {wrong[0]!r}; there are: {', '.join(STEPS)}"
            )

    def clean(self, text: str) -> str:
        """The caption alone; empty where nothing of it is left."""
        # A preamble may stand before a JSON object, and a label within it.
        for _ in range(_MOST_LAYERS):
            before = text
            for name, step in STEPS.items():
                if name in self.steps:
                    text = step(text)
            if text == before:
                break
        return text.strip()


def strip_thoughts(text: str) -> str:
    """A text without what a reasoning model thought aloud; nothing where it never stopped."""
    text = _THOUGHTS.sub(" ", text)
    # Some templates open the mark in the prompt, so that only its end is in the answer.
    return _UNOPENED.sub("", text)


def leftovers(text: str) -> list[str]:
    """Names of the steps that would take something away from a text."""
    return [name for name, step in STEPS.items() if _squeezed(step(text)) != _squeezed(text)]


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _without_tokens(text: str) -> str:
    text = strip_thoughts(text)
    text = _STARTS.sub("", text)
    for end in _ENDS.finditer(text):
        if any(c.isalnum() for c in _TOKENS.sub("", text[: end.start()])):
            text = text[: end.start()]
            break
    return _TOKENS.sub(" ", text)


def _without_roles(text: str) -> str:
    return _ROLE_NEXT.sub("", _ROLE_START.sub("", text))


def _without_json(text: str) -> str:
    """The text of a JSON object that holds just one, or holds a caption beside others."""
    fence = _FENCE.match(text)
    inner = (fence.group(1) if fence else text).strip()
    if not inner.startswith(("{", "[")):
        return text
    try:
        found, _ = json.JSONDecoder().raw_decode(inner)
    except (ValueError, RecursionError):
        # Cut off, or with marks inside that JSON does not allow.
        loose = _LOOSE_JSON.match(inner)
        return loose.group(1) if loose else text
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if isinstance(found, str):
        return found
    if not isinstance(found, dict):
        return text
    lowered = {str(key).lower(): value for key, value in found.items()}
    for key in _TEXT_KEYS:
        if isinstance(lowered.get(key), str):
            return str(lowered[key])
    values = [value for value in lowered.values() if isinstance(value, str)]
    return values[0] if len(lowered) == len(values) == 1 else text


def _without_preamble(text: str) -> str:
    text = _PREAMBLES.sub("", text, count=1)
    quoted = _QUOTED.match(text)
    return quoted.group(2) if quoted else text


def _without_markdown(text: str) -> str:
    for pattern, instead in _MARKS:
        text = pattern.sub(instead, text)
    return text


def _without_closing(text: str) -> str:
    return _CLOSINGS.sub("", text)


STEPS: dict[str, Callable[[str], str]] = {
    "chat_tokens": _without_tokens,
    "role_prefix": _without_roles,
    "json_wrapper": _without_json,
    "preamble": _without_preamble,
    "markdown": _without_markdown,
    "closing_phrase": _without_closing,
}
"""Name of each step -> what it does, in the order in which they run."""
