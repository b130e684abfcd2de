"""Saves what a page shows as a subset of the dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from internvid.browse.server.conditions import Query

if TYPE_CHECKING:
    from internvid.browse.server.desk import Desk


def save_subset(desk: Desk, query: Query, name: str) -> dict[str, Any]:
    """Record the clips of a query.

    Raises:
        InternvidError: the name is taken by others.
    """
    from internvid.curate.select import select_clips
    from internvid.curate.selectors.where import Where

    condition = desk.finder.condition(query) if query.needs_finder else literal_condition(query)
    summary = select_clips(desk.dataset, Where(condition), name, None, subset=query.subset)
    return {"name": name, "clips": summary.clips, "hours": summary.hours, "condition": condition}


def literal_condition(query: Query) -> str:
    """The conditions of a query as one SQL expression without parameters."""
    where, parameters = query.where()
    text, values = "", iter(parameters)
    is_name = False
    for character in where:
        if character == '"':
            is_name = not is_name
        if character == "?" and not is_name:
            value = next(values)
            text += repr(float(value)) if isinstance(value, (int, float)) else _quoted(str(value))
        else:
            text += character
    return text


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
