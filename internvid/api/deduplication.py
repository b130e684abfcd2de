"""Near-duplicates: find the clips of a dataset that show the same pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from internvid.api.datasets import DatasetLike, as_dataset
from internvid.dataset.removal.purging import writing
from internvid.dataset.store import layout_to_write, open_dataset

if TYPE_CHECKING:
    import pyarrow as pa

    from internvid.curate.duplicates.duplicate_column import DuplicateSummary


def dedup(
    dataset: DatasetLike,
    *,
    name: str = "duplicate",
    distance: int = 10,
    coverage: float = 0.5,
    crops: bool = True,
    neighbours: int = 32,
    vectors: str = "",
    similarity: float = 0.95,
    progress: Callable[[str, int, int], None] | None = None,
) -> DuplicateSummary:
    """Find clips that show the same pictures, and keep their groups as a column of the dataset.

    Exact and re-encoded copies, parts of a clip, copies in a mirror, with bars put on or taken off,
    with the rims cut off. `<name>` says whether another clip stands for a clip, `<name>_group`
    which group it is in, `<name>_of` which clip stands for it, `<name>_kind` how they are the same.

    Args:
        dataset: whose kept clips are compared; an open one shows the column afterwards.
        name: of the column.
        distance: two pictures agree whose hashes differ in so many of 64 bits at most.
        coverage: least share of the shorter clip that both show.
        crops: also compare pictures without their rims; every stored picture is decoded for that.
        neighbours: with how many of those that follow it under a key a picture is compared.
        vectors: a column of vectors; clips are duplicates too whose vectors are near.
        similarity: least cosine of such vectors.
        progress: called with what is done now, how far it is, and of how much.

    Raises:
        MisuseError: a value out of range, a name that is taken, no such column of vectors.
        DatasetFormatError: there is no finished dataset.
        DatasetBusyError: another process writes to it.
    """
    from internvid.curate.duplicates.duplicate_column import record_duplicates
    from internvid.curate.duplicates.duplicates import Duplicates

    rule = Duplicates(
        distance=distance,
        coverage=coverage,
        crops=crops,
        neighbours=neighbours,
        vectors=vectors,
        similarity=similarity,
    )
    with layout_to_write(dataset) as layout, writing(layout):
        return record_duplicates(open_dataset(layout.root), rule, name, progress)


def source_groups(
    dataset: DatasetLike, column: str = "duplicate", least_share: float = 0.0
) -> pa.Table:
    """Group sources that share clips: what must stay on one side of a split.

    Args:
        dataset: with a column of duplicates, see `dedup`.
        column: its name.
        least_share: a group of clips joins its sources where one of them is at least that share of
            its source's kept seconds. Above 0, an intro that many sources share does not make them
            one.

    Returns:
        `source_id`, `group` (the lowest `source_id` of the group) of every source.

    Raises:
        MisuseError: there is no such column.
    """
    from internvid.curate.duplicates.source_groups import source_groups as grouped

    return grouped(as_dataset(dataset), column, least_share)
