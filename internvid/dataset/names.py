"""What may stand as a name in a dataset: its files, its record and its ids are data of others.

A folder from elsewhere may say anything: a `clip_id` of `../../x` would become the path of a
published file, a cut of `../../other` another dataset. What is read is checked here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from internvid.dataset.sources.metadata import KINDS

# Of recipes, columns and subsets: all are names of folders or files.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
RESERVED_COLUMNS = frozenset(
    {"rejection", "row_key", "diff_name", "diff_place", "diff_taken", "diff_reason"}
)
"""What rows are given in a selection or a comparison: no column of clips can be called so."""
_KEY = re.compile(rf"{NAME.pattern}@{NAME.pattern}")
_PART = re.compile(r"part-[0-9]{5,9}")
_FILE = re.compile(r"[A-Za-z0-9*][A-Za-z0-9*@._-]{0,220}")
_HEX = "^[0-9a-f]{32}$"
_FORMS = {
    "clip_id": (_HEX, "32 hex digits"),
    "video_id": (_HEX, "32 hex digits"),
    "known_in": (f"^{_PART.pattern}$", "the name of a part"),
    "shard": (r"^[A-Za-z0-9][A-Za-z0-9._-]*$", "the name of a file"),
}


def is_clip_id(text: object) -> bool:
    """Whether a text can be the id of a clip."""
    return isinstance(text, str) and re.fullmatch(_HEX[1:-1], text) is not None


def is_file_name(text: object) -> bool:
    """Whether a text can be one step of a path inside a dataset; `*` may stand in a pattern."""
    return isinstance(text, str) and _FILE.fullmatch(text) is not None


def reserved_name(columns: Iterable[str]) -> str | None:
    """The first of some columns that has a name of `RESERVED_COLUMNS`, whatever its capitals."""
    return next((name for name in columns if name.lower() in RESERVED_COLUMNS), None)


def foreign_value(table: pa.Table) -> str | None:
    """What is wrong with the ids and names in a table, as a sentence; None where nothing is.

    Nulls are none of either.
    """
    for name, (pattern, form) in _FORMS.items():
        for at in table.schema.get_all_field_indices(name):
            column = table.column(at)
            if column.null_count == len(column):
                continue
            if not pa.types.is_string(column.type):
                return f"{name} is {column.type}, not text"
            others = column.filter(pc.invert(pc.match_substring_regex(column, pattern)))
            if len(others):
                first = others[0].as_py()
                return f"{name} {first!r} is not {form}"
    return None


def foreign_entry(record: Mapping[str, Any]) -> str | None:
    """What is wrong with the entries of `dataset.json`, as a sentence; None where nothing is."""
    return next(_foreign_entries(record), None)


def _foreign_entries(record: Mapping[str, Any]) -> Iterator[str]:
    for name in ("sources_per_part", "megabytes_per_part"):
        size = record.get(name, 1)
        is_unset = name == "megabytes_per_part" and size is None
        if not is_unset and (not _is_count(size) or size < 1):
            yield f"{name} is {size!r}"
    yield from _foreign_parts(record.get("parts", []))
    for name, form in (("scan", NAME), ("cut", _KEY)):
        value = record.get(name)
        if value is not None and not _fits(value, form):
            yield f"{name} is {value!r}"
    forms = {"scans": NAME, "cuts": _KEY, "column_recipes": _KEY, "columns": _KEY}
    for name in (*forms, "metadata"):
        value = record.get(name, {})
        if not isinstance(value, dict):
            yield f"{name} is no object"
            continue
        yield from (
            f"{name} has {key!r}" for key in value if name in forms and not _fits(key, forms[name])
        )
        if name == "columns":
            yield from _foreign_columns(value)
        if name == "metadata":
            yield from (
                f"metadata has {kind!r}" for kind in value.values() if str(kind) not in KINDS
            )


def _foreign_parts(parts: Any) -> Iterator[str]:
    if not isinstance(parts, list):
        yield "parts is no list"
        return
    seen: set[str] = set()
    for part in parts:
        name = part.get("name") if isinstance(part, dict) else None
        is_part = isinstance(name, str) and _fits(name, _PART) and _is_count(part.get("sources"))
        if not is_part or name in seen:
            yield f"parts has {part!r}"
        seen.add(str(name))


def _foreign_columns(columns: Mapping[str, Any]) -> Iterator[str]:
    for of_cut in columns.values():
        if not isinstance(of_cut, dict):
            yield f"columns has {of_cut!r}"
            continue
        for name, key in of_cut.items():
            if not _fits(name, NAME) or not _fits(key, _KEY):
                yield f"columns has {name!r}: {key!r}"


def _fits(value: object, form: re.Pattern[str]) -> bool:
    return isinstance(value, str) and form.fullmatch(value) is not None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
