"""The subsets of a dataset, as pages list them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from internvid.browse.wording import shorten
from internvid.dataset.parts import read_part
from internvid.dataset.subset_files import subset_facts

if TYPE_CHECKING:
    from internvid.browse.server.desk import Desk

_MOST_SHOWN = 600


def listed_subsets(desk: Desk) -> dict[str, Any]:
    """Name, clips, hours and recipe of each subset; clips and hours of all kept clips."""
    dataset = desk.dataset
    clips, hours = _kept(desk)
    return {
        "clips": clips,
        "hours": hours,
        "subsets": [_entry(desk, name) for name in dataset.subsets()],
    }


def _kept(desk: Desk) -> tuple[int, float]:
    from internvid.browse.server.conditions import Query

    found = desk.table.totals(Query())
    return found.clips, round(found.seconds / 3600, 6)


def _entry(desk: Desk, name: str) -> dict[str, Any]:
    layout, cut = desk.dataset.layout, desk.dataset.record.cut
    facts = subset_facts(layout, name)
    recipe = facts.get("recipe", {})
    clips = facts.get("clips")
    if clips is None:
        # Its facts were lost; its ids say how many there are.
        clips = read_part(desk.dataset.subset_path(name), ["clip_id"]).num_rows
    made = recipe.get("selector", {})
    return {
        "name": name,
        "clips": clips,
        "of": facts.get("of"),
        "hours": facts.get("hours"),
        "reasons": facts.get("reasons", {}),
        "cut": recipe.get("cut"),
        "is_current": recipe.get("cut") == cut,
        "from": recipe.get("subset"),
        "selector": selector_name(made.get("component")),
        "fields": selector_fields(made.get("fields")),
        "is_known": bool(facts),
    }


def selector_name(component: object) -> str:
    """What people call a selector: the name of its class, as recorded."""
    return str(component or "").rpartition(":")[2] or "unknown"


def selector_fields(fields: object) -> list[dict[str, str]]:
    """Fields of a selector in one line each; what they hold of further selectors as well."""
    if not isinstance(fields, Mapping):
        return []
    return [{"name": str(name), "value": _text(value)} for name, value in fields.items()]


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        if "component" in value:
            inner = ", ".join(
                f"{one['name']} {one['value']}" for one in selector_fields(value.get("fields"))
            )
            name = selector_name(value["component"])
            return shorten(f"{name} ({inner})" if inner else name, _MOST_SHOWN)
        return shorten(", ".join(f"{key} {_text(one)}" for key, one in value.items()), _MOST_SHOWN)
    if isinstance(value, (list, tuple)):
        return shorten("; ".join(map(_text, value)), _MOST_SHOWN) or "none"
    if value is None or value == "":
        return "none"
    return shorten(str(value), _MOST_SHOWN)
