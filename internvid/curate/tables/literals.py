"""Reads Python literals, which some published csv files hold, without running Python's parser.

The lists of such files are translated to JSON: strings are told apart from what is between them by
one regular expression, so that quotes, brackets and commas in captions stay what they are. What
cannot be translated goes to `ast.literal_eval`, which takes forty times as long and reads all
literals.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

_STRING = re.compile(r"""('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")""", re.DOTALL)
_WORDS = re.compile(r"\b(None|True|False)\b")
_JSON_WORDS = {"None": "null", "True": "true", "False": "false"}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_PLAIN_ESCAPES = {"'": "'", '"': '\\"', "\\": "\\\\", "n": "\\n", "t": "\\t", "r": "\\r"}
_ODD_ESCAPE = re.compile(r"\\[^'\"\\ntr]", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f]")
# JSON knows these as numbers or words; in Python they are names, and so no literals.
_NO_LITERALS = re.compile(r"\b(null|true|false|NaN|Infinity)\b")
_decode = json.JSONDecoder(strict=False).decode


def read_literal(text: str) -> Any:
    """The value of a Python literal: lists, strings, numbers, None, True and False, and others.

    Raises:
        ValueError: it is none.
    """
    translated = _as_json(text)
    if translated is not None:
        try:
            return _decode(translated)
        except (ValueError, RecursionError):
            pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(f"no Python literal: {text[:80]!r}") from error


def _as_json(text: str) -> str | None:
    """A literal as JSON; null where it is too odd to be translated."""
    if "\n" in text or "\x00" in text:
        return None
    if '"' not in text and "\\" not in text:
        if "'" not in text:
            return None if _NO_LITERALS.search(text) else _outside(text)
        if "None" not in text and "True" not in text and "False" not in text:
            return text.replace("'", '"') if not _NO_LITERALS.search(text) else _by_parts(text)
    return _by_parts(text)


def _by_parts(text: str) -> str | None:
    parts = _STRING.split(text)
    for index in range(0, len(parts), 2):
        between = parts[index]
        if between in (", ", ","):
            continue
        if "'" in between or '"' in between or _NO_LITERALS.search(between):
            return None
        parts[index] = _outside(between)
    for index in range(1, len(parts), 2):
        string = parts[index]
        if "\\" in string:
            if _ODD_ESCAPE.search(_ESCAPE.sub(_without_known, string)):
                return None
            string = _ESCAPE.sub(_plain_escape, string)
            body = string[1:-1]
            if parts[index][0] == "'":
                # Quotes that were escaped are so by now; the others follow here.
                body = _quotes_escaped(body)
            parts[index] = f'"{body}"'
        elif string[0] == "'":
            parts[index] = '"' + string[1:-1].replace('"', '\\"') + '"'
    return "".join(parts)


def _outside(text: str) -> str:
    return _WORDS.sub(lambda match: _JSON_WORDS[match[1]], text)


def _without_known(match: re.Match[str]) -> str:
    return "" if match[1] in _PLAIN_ESCAPES else match[0]


def _plain_escape(match: re.Match[str]) -> str:
    return _PLAIN_ESCAPES[match[1]]


_BARE_QUOTE = re.compile(r'(\\.)|(")', re.DOTALL)


def _quotes_escaped(body: str) -> str:
    return _BARE_QUOTE.sub(lambda match: match[1] or '\\"', body)
