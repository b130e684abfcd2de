"""Reads lists that others publish: text, csv, tsv, jsonl or JSON, of ids, owners or captions."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from internvid.core.errors import ConfigInvalidError, SourceMissingError

ID_FIELDS = (
    "youtube_id", "youtubeid", "source_id", "video_id", "videoid", "vid", "vid_key", "video",
    "video_name", "videoname", "filename", "file_name", "file", "path", "url", "uri", "name", "id",
)  # fmt: skip
"""Fields that name a video, small letters. `name` and `id` count where there is no other."""
CAPTION_FIELDS = (
    "caption", "captions", "sentence", "sentences", "text", "texts", "description",
    "descriptions", "query", "desc", "encap", "chcap", "encaps",
)  # fmt: skip
OWNER_FIELDS = (
    "channel_id", "channelid", "channel", "uploader_id", "uploader", "owner", "author", "name",
)  # fmt: skip
_VAGUE = ("name", "id")


def listed_values(path: str | Path, fields: Sequence[str], column: str = "") -> list[str]:
    """The values that a file lists, each once, in the order of the file.

    A text has one a line. A table has columns, of which those count that `fields` knows. In JSON
    the same fields count at any depth; where there is none, the texts of a plain list do, or the
    keys of an object (as in files that are keyed by the name of a video).

    Args:
        path: the file.
        fields: names of fields, small letters, the surest first.
        column: the one field to take instead.

    Raises:
        SourceMissingError: there is no such file.
        ConfigInvalidError: it cannot be read, or lists nothing of that kind.
    """
    file = Path(path)
    if not file.is_file():
        raise SourceMissingError(f"there is no list {str(path)!r}")
    wanted = (column.lower(),) if column else tuple(fields)
    try:
        found = list(dict.fromkeys(_values(file, wanted)))
    except (OSError, UnicodeDecodeError, ValueError, csv.Error) as error:
        raise ConfigInvalidError(
            f"{file} cannot be read as a list: {error}",
            hint="a text with one a line, csv, tsv, jsonl or JSON, in UTF-8",
        ) from error
    if not found:
        raise ConfigInvalidError(
            f"{file} lists nothing under {', '.join(wanted)}",
            hint="name the field that holds them",
        )
    return found


def _values(file: Path, fields: Sequence[str]) -> Iterator[str]:
    kind = file.suffix.lower()
    text = file.read_text("utf-8-sig")
    if kind in (".csv", ".tsv"):
        rows = csv.DictReader(text.splitlines(), delimiter="\t" if kind == ".tsv" else ",")
        yield from _of_rows(rows, fields)
    elif kind in (".jsonl", ".ndjson"):
        values = [json.loads(line) for line in text.splitlines() if line.strip()]
        yield from _of_json(values, fields)
    elif kind == ".json":
        yield from _of_json(json.loads(text), fields)
    else:
        yield from filter(None, (line.strip() for line in text.splitlines()))


def _of_rows(rows: csv.DictReader[str], fields: Sequence[str]) -> Iterator[str]:
    names = {name.strip().lower(): name for name in rows.fieldnames or () if name}
    known = _sure(fields, names)
    if not known and len(names) == 1:  # a list without a head: its first line is one of it
        (name,) = names.values()
        yield name.strip()
        known = list(names)
    for row in rows:
        for field in known:
            yield from _texts(row.get(names[field]))


def _of_json(value: Any, fields: Sequence[str]) -> Iterator[str]:
    found = list(_of_fields(value, fields))
    if found:
        yield from found
    elif isinstance(value, Mapping):
        inner = value.get("database") or value.get("annotations") or value
        yield from (inner if isinstance(inner, Mapping) else value)
    elif isinstance(value, list):
        yield from _texts(value)


def _of_fields(value: Any, fields: Sequence[str]) -> Iterator[str]:
    if isinstance(value, Mapping):
        names = {str(name).lower(): name for name in value}
        known = _sure(fields, names)
        for field in known:
            yield from _texts(value[names[field]])
        taken = {names[field] for field in known}
        for name, inner in value.items():
            if name not in taken:
                yield from _of_fields(inner, fields)
    elif isinstance(value, list):
        for inner in value:
            yield from _of_fields(inner, fields)


def _sure(fields: Sequence[str], names: Iterable[str]) -> list[str]:
    """Fields that are there, without vague ones where there are others."""
    there = set(names)
    known = [field for field in fields if field in there]
    return [field for field in known if field not in _VAGUE] or known[:1]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if value.strip():
            yield value.strip()
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
