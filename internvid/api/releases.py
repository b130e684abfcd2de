"""Releases: published clips are checked, and taken back."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from internvid.api.datasets import DatasetLike, as_dataset

if TYPE_CHECKING:
    from internvid.dataset.releases.take_out import ReleaseChange
    from internvid.publishing.release.verify import Verification


def verify(
    folder: str | os.PathLike[str],
    *,
    dataset: DatasetLike | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Check a published folder against its manifest: every byte of every file.

    Args:
        folder: that `publish` wrote, or a copy of it.
        dataset: that it was published from; its manifest is checked against the one noted there.
        progress: called with how many files are read, and of how many.

    Returns:
        `ok`, and which files are `changed`, `missing` or `foreign`, with `reasons`.

    Raises:
        SourceMissingError: there is no such folder.
        DatasetFormatError: its manifest has no checksums; `reissue` adds them.
    """
    from internvid.publishing.release.verify import verify as check

    opened = None if dataset is None else as_dataset(dataset)
    return check(Path(folder), opened, progress)


def reissue(dataset: DatasetLike, folder: str | os.PathLike[str]) -> ReleaseChange:
    """Take out of a published folder the clips that its dataset, or its subset, has no more.

    Files without such clips keep their bytes; `version` goes up by one; the digests of what was
    taken out stand in `removed.parquet`. A call that was killed is finished by the next one.

    Args:
        dataset: that it was published from.
        folder: that `publish` wrote, or a copy of it.

    Returns:
        `version`, `removed_clips`, `rewritten`, `unchanged` and `deleted` files.

    Raises:
        SourceMissingError: there is no finished export.
        MisuseError: it is not one of this dataset, or its cut or subset is gone.
        DatasetFormatError: a file that has to be changed is damaged, or one is missing.
        DatasetBusyError: another process writes to the dataset.
    """
    from internvid.publishing.release.reissue import reissue as take_back

    return take_back(as_dataset(dataset), Path(folder))
