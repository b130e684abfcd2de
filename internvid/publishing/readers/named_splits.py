"""Splits of an export: which subset of the dataset is train, which validation, which test."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from internvid.core.errors import ConfigInvalidError

WHOLE = "train"
"""The one split of an export without splits: readers look for it."""
_OF_SUBSETS = {"train": "train", "validation": "val", "test": "test"}
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def named_splits(splits: str, known: Collection[str]) -> Mapping[str, str]:
    """Split -> subset.

    Args:
        splits: `train:NAME,test:NAME`, or the NAME that `internvid split --as NAME` was given: its
            subsets are NAME-train, NAME-val and NAME-test. Empty for none.
        known: names of the dataset's subsets.

    Raises:
        ConfigInvalidError: it is neither, or such subsets are not there.
    """
    parts = [part.strip() for part in splits.split(",") if part.strip()]
    if not parts:
        return {}
    if len(parts) == 1 and ":" not in parts[0]:
        made = {split: f"{parts[0]}-{ending}" for split, ending in _OF_SUBSETS.items()}
        found = {split: subset for split, subset in made.items() if subset in known}
        if not found:
            raise ConfigInvalidError(
                f"splits={splits!r}: the dataset has none of the subsets {', '.join(made.values())}"
                f"; it has: {', '.join(sorted(known)) or 'none'}",
                hint="make them with: internvid split DATASET --as NAME, or name subsets: "
                "splits=train:NAME,test:NAME",
            )
        return found
    named: dict[str, str] = {}
    for part in parts:
        split, _, subset = (word.strip() for word in part.partition(":"))
        split = "validation" if split == "val" else split
        if not _NAME.fullmatch(split) or not subset or split in named:
            raise ConfigInvalidError(
                f"splits={splits!r}: {part!r} is no split and subset",
                hint="splits=train:NAME,validation:NAME,test:NAME, each split once",
            )
        if subset not in known:
            raise ConfigInvalidError(
                f"splits={splits!r}: the dataset has no subset {subset!r}; it has: "
                f"{', '.join(sorted(known)) or 'none'}",
                hint="make it with: internvid split DATASET --as NAME",
            )
        named[split] = subset
    return named
