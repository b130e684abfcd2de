"""Lists of action labels as they are published: a label a line, csv, JSON; made into phrases.

Read as they are: Kinetics, ActivityNet, UCF101 (`ApplyEyeMakeup`), Something-Something (whose
labels have `something` for any object), the activities of the American Time Use Survey.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from internvid.collect.queries.text_files import read_text
from internvid.core.errors import MisuseError, SourceMissingError

COLUMNS = ("label", "labels", "name", "class", "action", "activity", "template", "query")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# Any object of Something-Something; it stays where what is before it waits for one.
_OBJECT = r"\[?\b(?:some|any)(?:thing|where|one)\b(?:'s)?\]?"
_AND_ANY = re.compile(rf"\s+(?:and|or)\s+{_OBJECT}", re.IGNORECASE)
_ANY = re.compile(
    rf"(?<!that )(?<!of )(?<!so )(?<!with )(?<!without ){_OBJECT}(?:\s+(?:else|similar))?"
    rf"|{_OBJECT}$",
    re.IGNORECASE,
)
_BRACKETS = re.compile(r"\[([^\]]*)\]")
_LOOSE_END = re.compile(
    r"\s+(?:of|a|an|the|and|or|into|onto|on|in|to|with|from|by|so|that|it|next|using)$"
)
# The survey's “not elsewhere classified”, and labels that name no activity.
_REST = re.compile(r",?\s*\bn\.?\s?e\.?\s?c\.?\*?$", re.IGNORECASE)
_NO_ACTIVITY = re.compile(
    r"^(?:not categorized|unable to code|data codes?|other|none|background|missing)\b",
    re.IGNORECASE,
)


def read_labels(path: Path) -> Iterator[str]:
    """Labels of a file, as they stand in it.

    Args:
        path: a text with a label a line (a number before it is passed over), csv or tsv with a
            column of `COLUMNS` (or one column alone), JSON or JSON lines: strings, objects with
            such a field, or label -> number.

    Raises:
        SourceMissingError: there is no such file.
        MisuseError: no label can be found in it.
    """
    if not path.is_file():
        raise SourceMissingError(f"{path} is not there", hint="name a list of labels")
    text = read_text(path)
    found = False
    for label in _labels(path, text):
        if label.strip():
            found = True
            yield label.strip()
    if not found:
        raise MisuseError(f"{path} has no labels", hint="one a line, or a column `label`")


def phrase_of(label: str) -> str:
    """A label as a search phrase, in lower case; empty where it names no activity.

    `ApplyEyeMakeup` -> `apply eye makeup`; `Pushing [something] off of [something]` -> `pushing
    off`; `Travel, n.e.c.*` -> `travel`.
    """
    text = re.sub(r"_+", " ", label)
    if " " not in text.strip():
        text = _CAMEL.sub(" ", text)
    text = _REST.sub("", text.strip())
    if _NO_ACTIVITY.match(text):
        return ""
    text = re.sub(r"\([^)]*\)", " ", text)
    if re.search(_OBJECT, text, re.IGNORECASE):
        text = _ANY.sub(" ", _AND_ANY.sub("", text))
        text = _BRACKETS.sub(r"\1", text)
        text = _shortened(re.sub(r"\s+", " ", text).strip(" ,.'\""))
    text = re.sub(r"\s+", " ", text).replace(" ,", "").strip(" ,.;:'\"*")
    return text.lower()


def _shortened(text: str) -> str:
    """Without words at the end that wait for an object; a single word keeps its particle."""
    while len(text.split()) > 2 and _LOOSE_END.search(text):
        text = _LOOSE_END.sub("", text)
    return text


def _labels(path: Path, text: str) -> Iterator[str]:
    suffix = path.suffix.lower()
    if suffix in (".json", ".jsonl"):
        yield from _of_json(path, text, by_line=suffix == ".jsonl")
    elif suffix in (".csv", ".tsv"):
        yield from _of_table(text, "\t" if suffix == ".tsv" else ",")
    else:
        for line in text.splitlines():
            # `1 ApplyEyeMakeup`, as UCF101 numbers its classes.
            yield re.sub(r"^\s*\d+[\s,.:]+(?=\D)", "", line)


def _of_table(text: str, delimiter: str) -> Iterator[str]:
    rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    if not rows:
        return
    head = [name.strip().lower() for name in rows[0]]
    named = [head.index(name) for name in COLUMNS if name in head]
    if named:
        yield from (row[named[0]] for row in rows[1:] if len(row) > named[0])
        return
    # Without a head: the column of words.
    widths = range(max(len(row) for row in rows))
    letters = [
        sum(char.isalpha() for row in rows for char in row[column : column + 1])
        for column in widths
    ]
    words = [
        sum(char.isalpha() for row in rows[:200] if len(row) > column for char in row[column])
        for column in widths
    ]
    best = max(widths, key=lambda column: (words[column], letters[column]))
    yield from (row[best] for row in rows if len(row) > best)


def _of_json(path: Path, text: str, *, by_line: bool) -> Iterator[str]:
    try:
        if by_line:
            for line in text.splitlines():
                if line.strip():
                    yield from _of_value(json.loads(line))
        else:
            yield from _of_value(json.loads(text))
    except ValueError as error:
        raise MisuseError(
            f"{path} is no JSON: {error}", hint="a list of labels is a list of strings"
        ) from error


def _of_value(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _of_value(item)
    elif isinstance(value, Mapping):
        known = next((name for name in COLUMNS if isinstance(value.get(name), str)), None)
        if known is not None:
            yield str(value[known])
        elif all(isinstance(number, (int, str)) for number in value.values()):
            # label -> number, or number -> label, as class indexes are published.
            numbers = all(str(name).isdigit() for name in value)
            yield from (map(str, value.values()) if numbers else map(str, value))
        else:
            for item in value.values():
                if isinstance(item, (list, Mapping)):
                    yield from _of_value(item)
