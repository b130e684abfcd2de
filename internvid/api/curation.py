"""Splits of a dataset or table, and what two of them share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from internvid.api.datasets import DatasetLike, as_dataset, is_dataset
from internvid.api.subsets import select
from internvid.core.errors import MisuseError, NothingSelectedError
from internvid.dataset.given import given_path, refuse_no_text
from internvid.dataset.store import Dataset, open_dataset

if TYPE_CHECKING:
    import pyarrow as pa

    from internvid.curate.difference import Difference, Side
    from internvid.curate.exclusions.exclude import Exclude
    from internvid.curate.select import SubsetSummary


def split(
    dataset: DatasetLike,
    name: str | None = None,
    *,
    val: float = 0.05,
    test: float = 0.05,
    seed: int = 0,
    groups: str = "duplicate_group",
    subset: str | None = None,
    where: str | None = None,
    out: str | os.PathLike[str] | None = None,
) -> Mapping[str, SubsetSummary]:
    """Split clips into train, val and test by source video, near-duplicates on one side.

    Args:
        dataset: a dataset, or a table as `select` takes it.
        name: records the subsets `NAME-train`, `NAME-val` and `NAME-test`.
        val: a share of the sources below 1, or a number of clips to reach. A share is an expected
            one: each source is drawn by itself, so it stays on its side when others are added, and
            a few sources may be divided unevenly.
        test: likewise.
        seed: another one gives another split.
        groups: column of groups of near-duplicates, see `internvid dedup`; one of the name
            `duplicate_group` is not looked at where there is none. Empty for none.
        subset: only clips of this subset of the dataset.
        where: only rows for which this SQL condition is true.
        out: writes `OUT` with `.train`, `.val` and `.test` before its ending.

    Returns:
        Part -> what it took. A part without a single clip is not there.

    Raises:
        NothingSelectedError: there is not one clip.
        MisuseError: neither a name nor a file, or names taken by another recipe.
        ConfigInvalidError: shares that leave nothing to train on, or no such column of groups.
        OutputExistsError: one of the files is there; none is written then.
    """
    from internvid.curate.selectors.source_splits import TEST, TRAIN, VALIDATION, Split
    from internvid.curate.tables.writing import refuse_output

    refuse_no_text(name, "name")
    files: dict[str, Path] = {}
    if out is not None:
        whole = Path(given_path(out, "out"))
        for part in (TRAIN, VALIDATION, TEST):
            files[part] = whole.with_name(f"{whole.stem}.{part}{whole.suffix}")
            # Before the first is written: a split is whole or not there.
            refuse_output(files[part])
    parts: dict[str, SubsetSummary] = {}
    nothing: NothingSelectedError | None = None
    for part in (TRAIN, VALIDATION, TEST):
        if part != TRAIN and not (val if part == VALIDATION else test):
            continue
        selector = Split(part, val, test, groups, seed)
        named = None if name is None else f"{name}-{part}"
        try:
            file = files.get(part)
            parts[part] = select(dataset, selector, named, subset=subset, where=where, out=file)
        except NothingSelectedError as error:
            nothing = error
    if not parts and nothing is not None:
        raise nothing
    return parts


def contamination(dataset: DatasetLike, exclude: Exclude) -> pa.Table:
    """List what speaks against the kept clips of a dataset: ids, captions, pictures, licences.

    Args:
        dataset: to look through.
        exclude: what to look for; the selector that leaves these clips out.

    Returns:
        `clip_id`, `reason`, `matched` (what the clip was found by). A clip with several reasons is
        there several times.

    Raises:
        ConfigInvalidError: there is nothing to look for, or the clips lack a column that is needed.
        SourceMissingError: a list is not there.
    """
    from internvid.curate.exclusions.exclude import contamination as found

    return found(as_dataset(dataset), exclude)


def diff(a: DatasetLike, b: DatasetLike) -> Difference:
    """What two subsets, datasets or tables share and differ in, by reason and by column.

    Args:
        a: a dataset, `"DATASET:SUBSET"`, or a table as `select` takes it.
        b: likewise.

    Returns:
        `a` and `b` (clips, hours), `shared`, `only_a`, `only_b`, the latter by the reason why the
        other side does not take them, and for each shared column in how many shared clips it
        differs and by how much.

    Raises:
        MisuseError: no such subset.
        SourceMissingError: nothing is there.
    """
    from internvid.curate.difference import compare_sides

    return compare_sides(_side(a), _side(b))


def _side(given: DatasetLike) -> Side:
    from internvid.curate.difference import Side

    if isinstance(given, Dataset):
        return Side(given)
    text = given_path(given, "what is compared")
    if is_dataset(text):
        return Side(open_dataset(text))
    folder, colon, subset = text.rpartition(":")
    if colon and is_dataset(folder):
        dataset = open_dataset(folder)
        dataset.subset_path(subset)
        return Side(dataset, subset)
    if not text:
        raise MisuseError("there is nothing to compare: a path is empty")
    return Side(table=text)
