"""Rows of a table that `internvid fetch` wrote, as rows of a table of sources."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from internvid.collect.fetching.result_table import VIDEO_KEYS

_KNOWN_BY = frozenset({"uri", "path", "status", "offset_seconds"})


def is_fetched(columns: Collection[str]) -> bool:
    """Whether a table with these columns was written by a fetch."""
    return _KNOWN_BY.issubset(columns)


def fetched_row(row: Mapping[str, Any]) -> dict[str, Any] | str:
    """The file as `uri`, and what is known of the video; or why there is no file.

    What belongs to a span and not to the video (its times, caption and scores) is left out: rows of
    one video are equal then.
    """
    if not row["path"]:
        return f"it was not fetched: {row.get('reason') or row['status'] or 'no path'}"
    found: dict[str, Any] = {"address": row["uri"]}
    try:
        described = json.loads(row.get("metadata") or "{}")
    except (ValueError, TypeError):
        described = {}
    if isinstance(described, dict):
        found |= {key: value for key, value in described.items() if key in VIDEO_KEYS}
    return {"uri": row["path"], "source_id": row.get("source_id"), **found}
