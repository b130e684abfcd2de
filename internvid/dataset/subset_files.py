"""What stands beside a subset's ids: which cut it was chosen from, by which selector."""

from __future__ import annotations

import json
from typing import Any

from internvid.dataset.layout import Layout, Record


def subset_names(layout: Layout) -> list[str]:
    """Names of the subsets, sorted."""
    return sorted(path.stem for path in (layout.root / "subsets").glob("*.parquet"))


def subset_facts(layout: Layout, name: str) -> dict[str, Any]:
    """`clips`, `of`, `hours` and `recipe` of a subset; nothing where they were lost."""
    try:
        facts = json.loads(layout.subset(name).with_suffix(".json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) and isinstance(facts.get("recipe"), dict) else {}


def list_subsets(layout: Layout, record: Record) -> list[dict[str, Any]]:
    """One entry a subset: `subset`, `clips`, `cut` it was chosen from, `is_current`: of this cut.

    Ids of an earlier cut hold under the current one where both have the same span.
    """
    listed = []
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
