"""What a row of a table of fetched files says of its whole source, and not of its clip.

`internvid fetch` puts both into one column `metadata`; a build gives each its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

SOURCE_KEYS = frozenset({
    "title", "description", "licence", "license", "uploader", "uploader_id", "channel",
    "channel_id", "upload_date", "language", "page", "source_seconds", "view_count", "like_count",
    "age_limit", "tags", "categories", "subtitles",
})  # fmt: skip
"""Keys of such metadata that are kept with videos; the others are about clips."""
MEASURED_KEYS = frozenset({"width", "height", "fps", "has_audio"})
"""Keys that a scan finds out again."""
FETCHED = ("fetched", "ok")
"""Values of `status` of rows that have a file."""


def object_in(text: Any) -> dict[str, Any]:
    """The JSON object in a text; nothing where there is none."""
    if isinstance(text, Mapping):
        return dict(text)
    if not isinstance(text, str):
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def about_source(metadata: Any, uri: str | None) -> dict[str, Any]:
    """What the metadata of a row says of its source, with the address that it was fetched from.

    Args:
        metadata: a JSON object, or the text of one.
        uri: the address; None where there is none.
    """
    known = object_in(metadata)
    # An export says the whole metadata of a source under one key.
    of_export = object_in(known.get("metadata"))
    found = {key: value for key, value in known.items() if key in SOURCE_KEYS} | of_export
    if uri is not None:
        found["uri"] = uri
    return found


def not_fetched(status: Any, reason: Any) -> str | None:
    """Why a row of such a table has no file; None where it should have one."""
    if isinstance(status, str) and status.strip().lower() in FETCHED:
        return None
    words = [str(each) for each in (status or "no status", reason) if each]
    return f"it was not fetched: {', '.join(words)}"
