"""Texts and scores of one clip, each with what made it and whether it is bound to the clip."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from internvid.browse.provenance import authors
from internvid.browse.wording import label, unit
from internvid.captions.checks.check import check_text
from internvid.dataset.answers.column_inputs import IS_STALE
from internvid.dataset.answers.column_views import quoted_name
from internvid.dataset.tables import ANNOTATION_KEYS, AnswerRow, ClipRow
from internvid.pipeline.annotate.audit import PartPicks, broken_reason

if TYPE_CHECKING:
    from internvid.browse.server.desk import Desk

_MOST_PROMPT = 4000
_MOST_VALUE = 64


def answers_of_clip(desk: Desk, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The answer of each column for a clip, vectors left out.

    Args:
        desk: of the dataset.
        row: of the clip, with its part.

    Returns:
        Of each: `column`, `verb`, `value`, `status`, `reason`, `extras`, `prompt` (with
        `prompt_hash`), `pick_set`, `frames`, `made` (component, model, settings from the record),
        `bound` (`yes`, or why the row is not proved to be of this clip), `health` (of captions:
        reasons to distrust the text), `is_stale`.
    """
    dataset = desk.dataset
    record = dataset.record
    in_part = desk.rows.of_part(row["part"])
    picks = PartPicks(dataset.layout, record.scan or "", row["part"])
    clips = {row["clip_id"]: cast("ClipRow", dict(row))}
    names = authors(record)
    found = []
    for column, key in record.columns.get(record.cut or "", {}).items():
        recipe = record.column_recipes.get(key, {})
        if recipe.get("value_type") == "vector":
            continue
        answer = _answer(in_part, column, row["clip_id"])
        if answer is None:
            continue
        is_stale = bool(answer.pop(IS_STALE))
        verb = recipe.get("verb", "caption")
        value = answer["value"]
        prompt = answer.get("prompt") or ""
        has_text = verb == "caption" and isinstance(value, str)
        author = names.get(column)
        found.append(
            {
                "column": column,
                "label": label(column),
                "unit": unit(column),
                "verb": verb,
                "value": value,
                "status": answer["status"],
                "reason": answer["reason"] or "",
                "extras": _extras(answer),
                "prompt": prompt[:_MOST_PROMPT],
                "prompt_hash": hashlib.sha256(prompt.encode()).hexdigest()[:12] if prompt else "",
                "pick_set": answer.get("pick_set"),
                "frames": list(answer.get("frames") or ()),
                "made": _made(key, recipe, author.says if author else ""),
                "bound": broken_reason(cast("AnswerRow", answer), clips, picks) or "yes",
                "health": check_text(value, language="") if has_text else [],
                "is_stale": is_stale,
            }
        )
    return found


def _answer(in_part: Any, column: str, clip_id: str) -> dict[str, Any] | None:
    cursor = in_part.connection.cursor().execute(
        f"select * from {quoted_name(f'column_{column}')} where clip_id = ?", [clip_id]
    )
    names = [each[0] for each in cursor.description or ()]
    row = cursor.fetchone()
    return None if row is None else dict(zip(names, row, strict=True))


def _extras(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value[:_MOST_VALUE] if isinstance(value, list) else value
        for name, value in answer.items()
        if name not in ANNOTATION_KEYS and value not in (None, [])
    }


def _made(key: str, recipe: Mapping[str, Any], says: str) -> dict[str, Any]:
    weights = recipe.get("weights") or {}
    return {
        "key": key,
        "says": says,
        "component": str(recipe.get("component", "")).rpartition(":")[2],
        "version": recipe.get("version"),
        "models": {str(name): str(value) for name, value in weights.items()},
        "text": recipe.get("text"),
        "reads": list(recipe.get("reads") or ()),
        "settings": dict(_settings(recipe.get("fields") or {})),
    }


def _settings(fields: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Dotted path -> value of every field, as `--set` would write them."""
    listed: list[tuple[str, str]] = []
    for name, value in fields.items():
        if isinstance(value, Mapping) and "component" in value:
            listed += _settings(value.get("fields") or {}, f"{before}{name}.")
        elif isinstance(value, str):
            listed.append((before + name, value))
        elif value is not None:
            listed.append((before + name, json.dumps(value, ensure_ascii=False)))
    return listed
