"""The subsets that were chosen from a dataset."""

from __future__ import annotations

from dataclasses import dataclass

from internvid.dataset.store import Dataset
from internvid.dataset.subset_files import subset_facts as read_facts

MOST_SUBSETS = 50


@dataclass(frozen=True)
class SubsetFact:
    """One subset: how many clips it takes of how many, by which selector."""

    name: str
    clips: int
    of: int
    hours: float
    selector: str
    fields: tuple[tuple[str, str], ...]
    is_current: bool


def subset_facts(dataset: Dataset) -> tuple[SubsetFact, ...]:
    """Every subset that has its facts beside it, in name order."""
    listed = []
    for name in dataset.subsets()[:MOST_SUBSETS]:
        facts = read_facts(dataset.layout, name)
        if not facts:
            continue
        recipe = facts["recipe"]
        selector = recipe.get("selector", {})
        fields = selector.get("fields", {})
        listed.append(
            SubsetFact(
                name=name,
                clips=int(facts.get("clips", 0)),
                of=int(facts.get("of", 0)),
                hours=float(facts.get("hours", 0.0)),
                selector=str(selector.get("component", "")).rpartition(":")[2],
                fields=tuple((key, str(value)) for key, value in sorted(fields.items())),
                is_current=recipe.get("cut") == dataset.record.cut,
            )
        )
    return tuple(listed)
