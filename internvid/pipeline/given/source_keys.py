"""What a row of a table of fetched files says of its whole source, and not of its clip.

`internvid fetch` puts both into one column `metadata`; a build gives each its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from internvid.collect.fetching.result_table import VIDEO_KEYS

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
    found = {key: value for key, value in known.items() if key in VIDEO_KEYS} | of_export
    if uri is not None:
        found["address"] = uri
    return found
