"""Where an export comes from, as its manifest states it; local paths stay at home."""

from __future__ import annotations

import json
import os
import re
from typing import Any, TypedDict

from internvid._version import __version__
from internvid.dataset.layout import Layout, Record
from internvid.dataset.removal.copies import Copy
from internvid.dataset.removal.scrubbing import PLACE, Needles, scrubbed
from internvid.dataset.subset_files import subset_facts

_LOCAL = "file://"
# Folders of an absolute path inside a text: `uri like '/videos/set/%'`.
_FOLDERS = re.compile(r"(?:file://|(?<![\w.:/]))/(?:[^/\s'\"]+/)+")


def travelling_uri(uri: str | None) -> str | None:
    """A uri as it stands in an export: of local files the name, of others the whole."""
    if uri is None or ("://" in uri and not uri.startswith(_LOCAL)):
        return uri
    return os.path.basename(uri.removeprefix(_LOCAL))


def travelling_uri_sql(uri: str) -> str:
    """`travelling_uri` as a DuckDB expression over one."""
    is_local = f"not contains({uri}, '://') or starts_with({uri}, '{_LOCAL}')"
    return f"case when {is_local} then regexp_extract({uri}, '[^/]*$') else {uri} end"


def provenance_of(layout: Layout, subset: str | None, *, keep_paths: bool) -> dict[str, Any]:
    """What a manifest states of its origin; no clock, so that equal exports have equal manifests.

    Args:
        layout: of the dataset that is published.
        subset: its name.
        keep_paths: whether folders in the conditions of the recipe stay.

    Returns:
        `internvid`: the version that wrote the clips; `recipe`: of the subset.
    """
    recipe: Any = None if subset is None else subset_facts(layout, subset).get("recipe")
    if not keep_paths:
        recipe = _without_folders(recipe)
    return {"internvid": __version__, "recipe": json.loads(json.dumps(recipe))}


class ColumnOrigin(TypedDict):
    """A column, the component and version that made it, and the model that was used, if any."""

    column: str
    by: str
    model: str | None


class Making(TypedDict):
    """What made clips: the detector, signals, rules of the filters, and each further column."""

    detector: str | None
    signals: list[str]
    filters: list[dict[str, Any]]
    columns: list[ColumnOrigin]


def making_of(record: Record) -> Making:
    """What a manifest states of how clips and columns were made."""
    entry: Any = record.cuts.get(record.cut or "") or {}
    cut = entry.get("fields", {})
    rules = [each.get("fields", {}) for each in cut.get("filters", []) if isinstance(each, dict)]
    columns: list[ColumnOrigin] = []
    for name, key in sorted(record.columns.get(record.cut or "", {}).items()):
        recipe: Any = record.column_recipes.get(key) or {}
        model = recipe.get("fields", {}).get("model")
        # Of a local model the name travels, as of a local video.
        named = os.path.basename(model.rstrip("/")) if _is_path(model) else model
        columns.append(
            {
                "column": name,
                "by": _named(recipe) or name,
                "model": named if isinstance(named, str) and named else None,
            }
        )
    return {
        "detector": _named(cut.get("detector")),
        "signals": [signal for each in cut.get("signals", []) if (signal := _named(each))],
        "filters": [json.loads(json.dumps(rule)) for rule in rules],
        "columns": columns,
    }


def _is_path(model: Any) -> bool:
    return isinstance(model, str) and model.startswith(("/", "~", "."))


def _named(recorded: Any) -> str | None:
    """A component's class and version."""
    if not isinstance(recorded, dict):
        return None if recorded is None else str(recorded)
    name = str(recorded.get("component", "")).rpartition(":")[2]
    return f"{name} {recorded.get('version', '')}".strip() or None


def cleaned_provenance(
    layout: Layout, subset: str | None, known: Any, needles: Needles, *, keep_paths: bool
) -> Any:
    """What a manifest may state of its origin once ids are removed.

    Args:
        layout: of the dataset, whose own recipe of the subset has the ids whole.
        subset: its name.
        known: what the manifest states.
        needles: ids that are being removed; those of earlier removals are gone from the recipe.
        keep_paths: whether folders in the conditions of the recipe stay.
    """
    recipe: Any = None if subset is None else subset_facts(layout, subset).get("recipe")
    recipe = scrubbed(recipe, needles)
    clean = scrubbed(known, needles)
    if isinstance(clean, dict) and PLACE in json.dumps(recipe, ensure_ascii=False):
        clean = {**clean, "recipe": recipe if keep_paths else _without_folders(recipe)}
    return clean


def cleaned_origin(layout: Layout, copy: Copy, known: Any, needles: Needles) -> Any:
    """What the manifest of a noted export may state of its origin, see `cleaned_provenance`."""
    keep_paths = bool(copy.get("keep_paths"))
    return cleaned_provenance(layout, copy.get("subset"), known, needles, keep_paths=keep_paths)


def _without_folders(value: Any) -> Any:
    if isinstance(value, str):
        return _FOLDERS.sub("", value)
    if isinstance(value, dict):
        return {name: _without_folders(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_folders(item) for item in value]
    return value
