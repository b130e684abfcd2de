"""A video that may be fetched, and the table of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

_MOST_TEXT = 5000
_SURROGATES = re.compile("[\ud800-\udfff\0]")


@dataclass(frozen=True)
class Candidate:
    """A video that a search or a listing named.

    Attributes:
        source_id: names the video wherever it is found again: `youtube:ID`, `commons:NAME`,
            `archive:ITEM/FILE`; else its uri.
        uri: what is to be fetched.
        place: where it was found: `youtube`, `commons`, `archive`, `feed`, `listing`, ...
        query: the phrase, or the address of the listing.
        rank: its place among the answers, from 1.
        title, description, owner, owner_id, category, language, licence: as the place states them;
            None where it does not.
        duration_seconds, width, height, bytes: likewise.
        published: date, `YYYY-MM-DD`.
        page: address for people.
        metadata: what else the place states, plain JSON.
    """

    source_id: str
    uri: str
    place: str
    query: str = ""
    rank: int = 0
    title: str | None = None
    description: str | None = None
    owner: str | None = None
    owner_id: str | None = None
    category: str | None = None
    language: str | None = None
    licence: str | None = None
    duration_seconds: float | None = None
    width: int | None = None
    height: int | None = None
    bytes: int | None = None
    published: str | None = None
    page: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


SCHEMA = pa.schema(
    [
        ("source_id", pa.string()),
        ("uri", pa.string()),
        ("place", pa.string()),
        ("query", pa.string()),
        ("rank", pa.int64()),
        ("title", pa.string()),
        ("description", pa.string()),
        ("owner", pa.string()),
        ("owner_id", pa.string()),
        ("category", pa.string()),
        ("language", pa.string()),
        ("licence", pa.string()),
        ("duration_seconds", pa.float64()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("bytes", pa.int64()),
        ("published", pa.string()),
        ("page", pa.string()),
        ("queries", pa.list_(pa.string())),
        ("metadata", pa.string()),
    ]
)
"""Columns of the table; `queries` has all phrases and listings that named the video."""


def row_of(candidate: Candidate) -> dict[str, Any]:
    """A candidate as a row of the table, without `queries`; texts are bounded and valid UTF-8."""
    row = {name: getattr(candidate, name) for name in SCHEMA.names if name != "queries"}
    row = {
        name: _SURROGATES.sub("\ufffd", value)[:_MOST_TEXT] if isinstance(value, str) else value
        for name, value in row.items()
    }
    known = {name: value for name, value in candidate.metadata.items() if value not in (None, "")}
    text = json.dumps(known, sort_keys=True, ensure_ascii=False, default=str)
    return {**row, "metadata": _SURROGATES.sub("\ufffd", text)}


def number(value: Any) -> float | None:
    """A positive number that a place states as number or text; None where it is none."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if 0 < found < 1e15 else None


def whole(value: Any) -> int | None:
    """A positive whole number; None where it is none."""
    found = number(value)
    return None if found is None else int(found)


def clock_seconds(value: Any) -> float | None:
    """A duration written as seconds or as `h:m:s`; None where it is neither."""
    text = str(value or "").strip()
    if ":" not in text:
        return number(text)
    total = 0.0
    for part in text.split(":"):
        try:
            total = 60 * total + float(part)
        except ValueError:
            return None
    return total if total > 0 else None


def day(value: Any) -> str | None:
    """The date of a time in ISO 8601 or `YYYYMMDD`; None where there is none."""
    found = re.match(r"(\d{4})-?(\d{2})-?(\d{2})", str(value or "").strip())
    return "-".join(found.groups()) if found else None


def first_text(value: Any) -> str | None:
    """A text, or the first of a list of texts; None where there is none."""
    if isinstance(value, list):
        value = next((item for item in value if item), None)
    text = str(value).strip() if isinstance(value, (str, int, float)) else ""
    return text or None
