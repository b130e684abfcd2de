"""Which limit is looked at: that of a filter of the recorded recipe, or a new one of any number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from internvid.browse.provenance import Rule, rules
from internvid.browse.server.conditions import AddressUnreadableError, Facet
from internvid.dataset.layout import Record


@dataclass(frozen=True)
class NamedRule:
    """A filter of the recorded recipe.

    Attributes:
        name: as `--set cut.filters.NAME` calls it.
        column, reason: of the rule.
        minimum, maximum: limits; None where there is none.
    """

    name: str
    column: str
    reason: str
    minimum: float | None
    maximum: float | None


@dataclass(frozen=True)
class Limits:
    """Limits of one column.

    Attributes:
        facet: the column.
        minimum: smaller values are rejected.
        maximum: larger values are rejected.
        rule: the filter whose limits they are; None for a new one.
    """

    facet: Facet
    minimum: float | None
    maximum: float | None
    rule: NamedRule | None = None

    @property
    def is_tighter(self) -> bool:
        """Whether no clip passes that the recorded filter rejects."""
        if self.rule is None:
            return True
        low, high = self.rule.minimum, self.rule.maximum
        is_low = low is None or (self.minimum is not None and self.minimum >= low)
        is_high = high is None or (self.maximum is not None and self.maximum <= high)
        return is_low and is_high


def named_rules(record: Record) -> tuple[NamedRule, ...]:
    """The filters of the current cut in their order; of one reason the second is `reason-2`."""
    found: list[NamedRule] = []
    for rule in rules(record):
        same = 1 + sum(each.reason == rule.reason for each in found)
        name = rule.reason if same == 1 else f"{rule.reason}-{same}"
        low, high = _limit(rule, "minimum"), _limit(rule, "maximum")
        found.append(NamedRule(name, rule.column, rule.reason, low, high))
    return tuple(found)


def _limit(rule: Rule, name: str) -> float | None:
    value = getattr(rule, name)
    is_number = isinstance(value, (int, float)) and math.isfinite(value)
    return float(value) if is_number else None


def read_limits(
    fields: Mapping[str, str], known: Sequence[NamedRule], facets: Mapping[str, Facet]
) -> Limits:
    """The limits that an address states.

    Args:
        fields: `filter`, a name, or `column`; `minimum` and `maximum`, empty for none. Where a
            filter is named and a limit is not there, it is that of the filter.
        known: filters of the recipe.
        facets: name -> column.

    Raises:
        AddressUnreadableError: there is no such filter or column, or it is no number.
    """
    rule = None
    if "filter" in fields:
        rule = next((each for each in known if each.name == fields["filter"]), None)
        if rule is None:
            raise AddressUnreadableError(f"the recipe has no filter {fields['filter'][:60]!r}")
    name = fields.get("column", "") if rule is None else rule.column
    facet = facets.get(name)
    if facet is None or facet.kind != "number":
        raise AddressUnreadableError(f"{name[:60]!r} is no column of numbers")
    limits = [
        _number(fields[side], side) if side in fields else getattr(rule, side, None)
        for side in ("minimum", "maximum")
    ]
    low, high = limits
    if low is not None and high is not None and low > high:
        raise AddressUnreadableError(f"the minimum {low:g} is larger than the maximum {high:g}")
    return Limits(facet, low, high, rule)


def _number(text: str, name: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    # What is copied is a float32: a larger one would be infinite.
    if not abs(value) < 3e38:
        raise AddressUnreadableError(f"{name} is a number, not {text[:40]!r}")
    return value
