"""Splits of a file that holds several, whatever they are called there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import MappingProxyType

from internvid.evaluation.annotations.reading import invalid, read_rows

SPLIT_NAMES = ("split", "subset", "set", "partition")
"""Headers of a column that says of which split a row is."""

_OTHER_NAMES = MappingProxyType(
    {
        "train": "train", "training": "train",
        "val": "val", "valid": "val", "validate": "val", "validation": "val", "dev": "val",
        "test": "test", "testing": "test",
    }
)  # fmt: skip


def split_of(name: str) -> str:
    """One name for the usual ways to write a split: `train`, `val`, `test`; others as they are."""
    short = name.strip().lower()
    return _OTHER_NAMES.get(short, short)


def holds_several_splits(path: Path) -> bool:
    """Whether a CSV has a column of splits in which there are training rows and others."""
    rows = read_rows(path)
    _, header = next(rows, (0, []))
    at = next((header.index(name) for name in SPLIT_NAMES if name in header), None)
    if at is None:
        return False
    splits = {split_of(cells[at]) for _, cells in rows if len(cells) == len(header)}
    return "train" in splits and len(splits) > 1


class SplitRows:
    """Which rows of a file are of the wanted split.

    Args:
        path: the file, for messages.
        wanted: a split by any of its usual names; None takes all rows.
    """

    def __init__(self, path: Path, wanted: str | None) -> None:
        self._path, self._wanted = path, wanted
        self._seen: Counter[str] = Counter()
        self._taken = 0

    def takes(self, split: str) -> bool:
        """Whether a row of that split is wanted."""
        self._seen[split] += 1
        taken = self._wanted is None or split_of(split) == split_of(self._wanted)
        self._taken += taken
        return taken

    def refuse_none(self) -> None:
        """Ends a reading that took nothing.

        Raises:
            AnnotationInvalidError: no row was taken; the hint lists the file's own splits.
        """
        if self._taken:
            return
        if self._wanted is None:
            raise invalid(self._path, "whole", "there is no row")
        listed = ", ".join(f"{name!r} ({count})" for name, count in sorted(self._seen.items()))
        raise invalid(
            self._path,
            "whole",
            f"no row is of split {self._wanted!r}",
            f"one of the file's splits: {listed or 'it has none'}",
        )
