"""What stands beside a subset's ids: which cut it was chosen from, by which selector."""

from __future__ import annotations

import json
from typing import Any, TypedDict, cast

from internvid.core.config import Identity
from internvid.dataset.layout import Layout, Record


def subset_names(layout: Layout) -> list[str]:
    """Names of the subsets, sorted."""
    return sorted(path.stem for path in (layout.root / "subsets").glob("*.parquet"))


class SubsetRecipe(TypedDict, total=False):
    """What a subset was chosen from, and by what.

    Attributes:
        cut: whose clips.
        selector: that chose.
        subset: of whose clips alone; absent where it was chosen from all kept clips.
    """

    cut: str | None
    selector: Identity
    subset: str


class SubsetFacts(TypedDict, total=False):
    """What a subset took: clips, of how many, how long they are, why not the rest, its recipe."""

    clips: int
    of: int
    hours: float
    reasons: dict[str, int]
    recipe: SubsetRecipe


class SubsetEntry(TypedDict):
    """A subset as a status lists it; `clips` and `cut` are null where its facts were lost."""

    subset: str
    clips: int | None
    cut: str | None
    is_current: bool


def subset_facts(layout: Layout, name: str) -> SubsetFacts:
    """`clips`, `of`, `hours` and `recipe` of a subset; nothing where they were lost."""
    try:
        facts: Any = json.loads(layout.subset(name).with_suffix(".json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    whole = isinstance(facts, dict) and isinstance(facts.get("recipe"), dict)
    return cast("SubsetFacts", facts) if whole else {}


def list_subsets(layout: Layout, record: Record) -> list[SubsetEntry]:
    """One entry a subset: `subset`, `clips`, `cut` it was chosen from, `is_current`: of this cut.

    Ids of an earlier cut hold under the current one where both have the same span.
    """
    listed: list[SubsetEntry] = []
    for name in subset_names(layout):
        facts = subset_facts(layout, name)
        cut = facts["recipe"].get("cut") if facts else None
        listed.append(
            {
                "subset": name,
                "clips": facts.get("clips"),
                "cut": cut,
                "is_current": cut == record.cut,
            }
        )
    return listed
