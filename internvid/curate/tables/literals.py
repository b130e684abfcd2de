"""Reads Python literals, which some published csv files hold, without running Python's parser.

Strings are separated from what is between them by one regular expression, so that quotes, brackets
and commas in captions stay what they are; what is between is read as JSON. Literals that this does
not cover go to `ast.literal_eval`, which is slower by up to ten times and reads all of them.
"""

from __future__ import annotations

import ast
import json
import re
from json.encoder import encode_basestring
from typing import Any

_STRING = re.compile(r"""('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")""", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"'": "'", '"': '"', "\\": "\\", "n": "\n", "t": "\t", "r": "\r"}
_WORDS = re.compile(r"\b(None|True|False)\b")
_JSON_WORDS = {"None": "null", "True": "true", "False": "false"}
# JSON knows these as numbers or words; in Python they are names, and so no literals.
_NO_LITERALS = ("null", "true", "false", "NaN", "Infinity")
_COMMA = frozenset({", "})
_ODD = object()
_NUMBERS = re.compile(r"\[[-+0-9.eE, ]*\]")
# Lists of times: no letters, so that a bracket is no part of a caption.
_TIMES = re.compile(r"\[[][0-9:.,' -]*\]")
_LIST = re.compile(r"\[(?:[^][]|\[[^][]*\])*\]")
_decode = json.JSONDecoder(strict=False).decode


def read_literal(text: str) -> Any:
    """The value of a Python literal: lists, strings, numbers, None, True and False, and others.

    Raises:
        ValueError: it is none.
    """
    if not ("\n" in text or "\r" in text or "\x00" in text):
        value = _read_fast(text)
        if value is not _ODD:
            return value
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(f"no Python literal: {text[:80]!r}") from error


def list_entries(text: str) -> list[str]:
    """The entries of a list, each as the text of a literal: mostly as it stands there.

    Raises:
        ValueError: it is no list.
    """
    if _NUMBERS.fullmatch(text):
        numbers = text[1:-1].split(", ") if len(text) > 2 else []
        if not any("," in each for each in numbers):
            return numbers
        return [each.strip() for each in text[1:-1].split(",")]
    if _TIMES.fullmatch(text):
        entries = _LIST.findall(text, 1, len(text) - 1)
        if len(", ".join(entries)) == len(text) - 2:
            return entries
    if not ("\n" in text or "\r" in text or "\x00" in text):
        parts = _STRING.split(text)
        if parts[0] == "[" and parts[-1] == "]" and set(parts[2:-1:2]) <= _COMMA:
            return parts[1::2]
    value = read_literal(text)
    if isinstance(value, list):
        return [repr(each) for each in value]
    raise ValueError(f"no list: {text[:80]!r}")


def string_of(token: str) -> str | None:
    """The text that a literal stands for: of a string its characters, of others what is written.

    Null for `None`.

    Args:
        token: a literal that can be read.
    """
    if token[:1] not in ("'", '"'):
        return None if token == "None" else token
    value = _string_value(token)
    return str(read_literal(token)) if value is None else value


def _read_fast(text: str) -> Any:
    """A literal's value; `_ODD` where it is not covered."""
    is_plain = '"' not in text and "\\" not in text
    if is_plain and not any(word in text for word in (*_JSON_WORDS, *_NO_LITERALS)):
        translated: str | None = text.replace("'", '"')
    else:
        parts = _STRING.split(text)
        if parts[0] == "[" and parts[-1] == "]" and set(parts[2:-1:2]) <= _COMMA:
            values = [_string_value(each) for each in parts[1::2]]
            return _ODD if None in values else values
        translated = _as_json(parts)
    if translated is None:
        return _ODD
    try:
        return _decode(translated)
    except (ValueError, RecursionError):
        return _ODD


def _as_json(parts: list[str]) -> str | None:
    """Strings, at the odd places, and what is between them, as JSON; null where it is too odd."""
    for index in range(0, len(parts), 2):
        between = parts[index]
        if between in _COMMA:
            continue
        if "'" in between or '"' in between or any(word in between for word in _NO_LITERALS):
            return None
        parts[index] = _WORDS.sub(_json_word, between)
    for index in range(1, len(parts), 2):
        value = _string_value(parts[index])
        if value is None:
            return None
        parts[index] = encode_basestring(value)
    return "".join(parts)


def _string_value(token: str) -> str | None:
    """The text of a string with its quotes; null where it has an escape that is not covered."""
    if "\\" not in token:
        return token[1:-1]
    if token.count("\\") == token.count("\\'"):
        return token[1:-1].replace("\\'", "'")
    try:
        return _ESCAPE.sub(_character, token[1:-1])
    except KeyError:
        return None


def _character(escape: re.Match[str]) -> str:
    return _ESCAPES[escape[1]]


def _json_word(word: re.Match[str]) -> str:
    return _JSON_WORDS[word[1]]
