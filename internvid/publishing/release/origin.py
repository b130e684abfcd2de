"""Where an export comes from, as its manifest states it; local paths stay at home."""

from __future__ import annotations

import json
import os
import re
from typing import Any

from internvid._version import __version__
from internvid.dataset.store import Dataset
from internvid.dataset.subset_files import subset_facts

_LOCAL = "file://"
# Folders of an absolute path inside a text: `uri like '/home/me/%'`.
_FOLDERS = re.compile(r"(?:file://|(?<![\w.:/]))/(?:[^/\s'\"]+/)+")


def travelling_uri(uri: str | None) -> str | None:
    """A uri as it stands in an export: of local files the name, of others the whole."""
    if uri is None or ("://" in uri and not uri.startswith(_LOCAL)):
        return uri
    return os.path.basename(uri.removeprefix(_LOCAL))


def provenance_of(dataset: Dataset, subset: str | None, *, keep_paths: bool) -> dict[str, Any]:
    """What a manifest states of its origin; no clock, so that equal exports have equal manifests.

    Args:
        dataset: that is published.
        subset: its name.
        keep_paths: whether folders in the conditions of the recipe stay.

    Returns:
        `internvid`: the version that wrote the clips; `recipe`: of the subset.
    """
    recipe: Any = None if subset is None else subset_facts(dataset.layout, subset).get("recipe")
    if not keep_paths:
        recipe = _without_folders(recipe)
    return {"internvid": __version__, "recipe": json.loads(json.dumps(recipe))}


def _without_folders(value: Any) -> Any:
    if isinstance(value, str):
        return _FOLDERS.sub("", value)
    if isinstance(value, dict):
        return {name: _without_folders(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_folders(item) for item in value]
    return value
