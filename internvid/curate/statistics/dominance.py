"""Warnings where one value dominates: what a model would learn to expect everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from internvid.curate.statistics.groupings import ValueShares

MOST_OF_ONE_VALUE = 0.5
MOST_OF_ONE_MAKER = 0.1
# With ten of them or fewer, one has a tenth whatever they are.
_FEW_MAKERS = 10
_MAKERS = frozenset({"source", "owner"})
_NO = frozenset({"false", "no", "0", "none"})


class Warned(TypedDict):
    """One value that dominates.

    Attributes:
        column, role: where. value: which. share: how much of the rows that have a value, 0 to 1.
        by: whether of their hours or of their clips.
        rule: what was broken.
        clips, hours: that have the value.
        uri: of a source of a dataset, as it may travel; None for others.
    """

    column: str
    role: str
    value: str
    share: float
    by: str
    rule: str
    clips: int
    hours: float
    uri: str | None


def dominating_values(all_shares: Sequence[ValueShares]) -> list[Warned]:
    """The values that break a rule.

    One source or owner may have 10 % where there are more than ten of them; one value of any other
    column may have 50 %. That a flag is mostly false is no warning.
    """
    return [found for shares in all_shares if (found := _warned(shares)) is not None]


def shown_value(warned: Warned) -> str:
    """A value as people know it: a source of a dataset by its uri beside its id."""
    value = warned["value"]
    return value if warned["uri"] is None else f"{warned['uri']} ({value})"


def _warned(shares: ValueShares) -> Warned | None:
    if not shares["values"]:
        return None
    first, by = shares["values"][0], shares["by"]
    if shares["role"] in _MAKERS:
        limit = MOST_OF_ONE_MAKER
        rule = f"one {shares['role']} has more than {100 * limit:.0f} % of the {by}"
        if shares["different"] <= _FEW_MAKERS:
            return None
    else:
        limit = MOST_OF_ONE_VALUE
        rule = f"one value has more than {100 * limit:.0f} % of the {by}"
        if first["value"].lower() in _NO:
            return None
    if first["share"] <= limit:
        return None
    return {
        "column": shares["column"], "role": shares["role"], "value": first["value"],
        "share": first["share"], "by": by, "rule": rule,
        "clips": first["clips"], "hours": first["hours"], "uri": None,
    }  # fmt: skip
