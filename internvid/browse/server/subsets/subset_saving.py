"""Saves what a page shows, or what was marked in it, as a subset of the dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from internvid.browse.server.conditions import AddressUnreadableError, Query
from internvid.core.errors import MisuseError
from internvid.dataset.names import is_clip_id

if TYPE_CHECKING:
    from internvid.browse.server.desk import Desk
    from internvid.core.contracts import Selector

MOST_MARKED = 10_000


def save_subset(desk: Desk, query: Query, name: str) -> dict[str, Any]:
    """Record the clips of a query.

    Raises:
        InternvidError: the name is taken by others.
    """
    from internvid.curate.exclusions.other_subset import Outside
    from internvid.curate.select import select_clips
    from internvid.curate.selectors.chain import Chain
    from internvid.curate.selectors.where import Where

    condition = desk.finder.condition(query) if query.needs_finder else literal_condition(query)
    selector: Selector = Where(condition)
    if query.outside is not None:
        # By its name: a recipe says nothing of where the dataset lies.
        selector = Chain((Outside(query.outside), selector))
    summary = select_clips(desk.dataset_now(), selector, name, None, subset=query.subset)
    return {"name": name, "clips": summary.clips, "hours": summary.hours, "condition": condition}


def read_marked(value: Any) -> list[str]:
    """The ids of marked clips that a page sent, each once.

    Raises:
        AddressUnreadableError: no list of ids, or too many.
    """
    if not isinstance(value, list) or not value:
        raise AddressUnreadableError("clips are a list of ids")
    if len(value) > MOST_MARKED:
        raise AddressUnreadableError(
            f"at most {MOST_MARKED:,} clips are saved one by one, these are {len(value):,}; "
            "save the filters of the page"
        )
    for each in value:
        if not is_clip_id(each):
            raise AddressUnreadableError(f"{str(each)[:60]!r} is not a clip id (32 hex digits)")
    return list(dict.fromkeys(value))


def save_marked(desk: Desk, ids: Sequence[str], name: str) -> dict[str, Any]:
    """Record exactly these clips.

    Raises:
        MisuseError: the dataset has not all of them as kept clips, or the name is taken by others.
    """
    from internvid.curate.select import select_clips
    from internvid.curate.selectors.listed import Listed

    found = dict(
        desk.dataset.connection.cursor()
        .execute(
            "select clip_id, kept from all_clips where clip_id in (select unnest(?))", [list(ids)]
        )
        .fetchall()
    )
    if foreign := len(ids) - len(found):
        raise MisuseError(
            f"the dataset has no such clips: {foreign:,} of {len(ids):,}",
            hint="clear the marks, open the page again and mark anew",
        )
    if rejected := sum(not kept for kept in found.values()):
        raise MisuseError(
            f"{rejected:,} of {len(ids):,} marked clips are rejected; subsets have kept clips",
            hint="take their marks away: they stand among rejected clips",
        )
    summary = select_clips(desk.dataset_now(), Listed.of(ids), name, None)
    return {"name": name, "clips": summary.clips, "hours": summary.hours}


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
