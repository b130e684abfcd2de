"""Blind audits: clips of several groups, drawn by a seed, shown shuffled without their groups."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from internvid.browse.server.conditions import AddressUnreadableError, Facet, Query, read_query
from internvid.browse.server.desk import Desk
from internvid.browse.server.review.planned_reviews import (
    MOST_CLIPS,
    MOST_EACH,
    drawn_cards,
    whole_number,
)

_MOST_GROUPS = 40
_MOST_ADDRESS = 4000
# What says where a page stands, and not which clips are shown.
_PLACES = frozenset({"page", "sort", "seed", "view"})


@dataclass(frozen=True)
class Group:
    """What is audited.

    Attributes:
        name: as people read it.
        query: its clips.
        family: two groups of one family share no clip; empty where that is not known.
    """

    name: str
    query: Query
    family: str


def read_group(text: str, facets: Mapping[str, Facet]) -> Group:
    """A group as addresses write it.

    Args:
        text: `kept`, `reason:WORD`, `value:COLUMN:WORD` with an empty WORD for none, or
            `query:ADDRESS` with what the address of the grid has after its `?`.
        facets: name -> column that can be filtered by.

    Raises:
        AddressUnreadableError: it is none of these, or there is no such column.
    """
    kind, _, rest = text.partition(":")
    if text == "kept":
        return Group("kept", read_query([], facets), "kept")
    if kind == "reason" and rest:
        fields = [("kept", "rejected"), ("reason", _quoted(rest))]
        return Group(f"rejected: {rest}", read_query(fields, facets), "kept")
    if kind == "value":
        column, _, word = rest.partition(":")
        known = facets.get(column)
        if known is None or known.kind not in ("word", "flag"):
            raise AddressUnreadableError(f"{column[:60]!r} is no column of words or flags")
        fields = [("kept", "all"), (column, _quoted(word))]
        return Group(f"{column}: {word or 'none'}", read_query(fields, facets), f"value:{column}")
    if kind == "query":
        pairs = parse_qsl(rest[:_MOST_ADDRESS], keep_blank_values=True)
        fields = [pair for pair in pairs if pair[0] not in _PLACES]
        name = "&".join(f"{name}={value}" for name, value in fields) or "kept=kept"
        return Group(name, read_query(fields, facets), "")
    raise AddressUnreadableError(f"no group is called {text[:60]!r}")


def begin_audit(desk: Desk, body: Mapping[str, Any]) -> str:
    """Draw the clips of an audit and record it; returns its id.

    Args:
        desk: of the dataset.
        body: `groups`, texts of `read_group`; `count` of each; `seed`.

    Raises:
        AddressUnreadableError: nothing can be drawn so.
        StorageError: the log cannot be written.
    """
    texts = body.get("groups")
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise AddressUnreadableError("groups is a list of texts")
    texts = list(dict.fromkeys(texts))
    if not 0 < len(texts) <= _MOST_GROUPS:
        raise AddressUnreadableError(f"an audit has 1 to {_MOST_GROUPS} groups, not {len(texts)}")
    count = whole_number(body.get("count"), "count", MOST_EACH, 1)
    seed = whole_number(body.get("seed"), "seed")
    if count * len(texts) > MOST_CLIPS:
        raise AddressUnreadableError(f"an audit has at most {MOST_CLIPS} clips")
    groups = [read_group(text, desk.table.facets) for text in texts]
    desk.table.cursor()  # waits until all clips can be counted
    planned: list[dict[str, Any]] = []
    drawn: dict[str, dict[str, Any]] = {}
    for at, (text, group) in enumerate(zip(texts, groups, strict=True)):
        size = desk.table.totals(group.query).clips
        if not size:
            raise AddressUnreadableError(f"no clip is of the group {group.name!r}")
        for card in drawn_cards(desk, group.query, count, seed):
            facts = drawn.setdefault(card["clip_id"], {"groups": [], "kept": card["kept"]})
            facts["groups"].append(at)
        planned.append({"group": group.name, "written": text, "size": size})
    order = sorted(drawn.items())
    random.Random(seed).shuffle(order)
    families = {group.family for group in groups}
    plan = {
        "cut": desk.dataset.record.cut,
        "groups": planned,
        "count": count,
        "seed": seed,
        "are_disjoint": len(groups) == 1 or (len(families) == 1 and "" not in families),
    }
    return desk.review_log.begin("audit", plan, order, desk.author)


def _quoted(word: str) -> str:
    return word.replace(",", "%2C")
