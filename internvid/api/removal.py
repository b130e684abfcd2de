"""Videos taken out of a dataset, for good."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from internvid.core.errors import MisuseError
from internvid.core.several import several
from internvid.dataset.store import Dataset
from internvid.dataset.stores.store_path import located

if TYPE_CHECKING:
    from internvid.pipeline.removal.id_tables import RemovalRequest
    from internvid.pipeline.removal.removing import Removal, RemovalPlan


def remove(
    dataset: Dataset | str | os.PathLike[str],
    videos: str | Sequence[str] = (),
    *,
    sources: str | Sequence[str] = (),
    uris: str | Sequence[str] = (),
    tables: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    ignore_missing: bool = False,
    forget: str | Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Removal:
    """Take videos out of a dataset: rows, pictures, clips, answers, subsets, index, exports.

    From the moment that the request is on disk no reader shows them, and later builds refuse
    them; what is purged after that is gone from every file of the folder. Without ids, what an
    interrupted removal left is finished.

    Args:
        dataset: to remove from; an open one shows the result after this.
        videos: video ids: each with every source of its bytes.
        sources: source ids: each with its videos, and every source of their bytes.
        uris: uris, as in the table of videos, or paths. The video stays if another source has it.
        tables: files of ids (csv, tsv, jsonl or parquet with `video_id`, `source_id` or `uri`; txt
            with one id a line), which may name what the dataset never had.
        ignore_missing: ids that the dataset does not have are no error; later builds refuse them.
        forget: ids that were removed, and may be built again; with no other ids.
        progress: called with how many files are done, and of how many.

    Raises:
        MisuseError: an unknown id; nothing is changed.
        DatasetBusyError: another process is writing; readers obey all the same from now on.
        StorageError: the disk is full or refuses; once the request is written, readers obey.
        DatasetFormatError: there is no dataset, or a part of it is damaged.
    """
    from internvid.pipeline.removal.removing import remove as remove_videos

    request = _request(videos, sources, uris, tables, ignore_missing=ignore_missing)
    forgets = several(forget)
    if forgets and request:
        raise MisuseError(
            "ids are to be removed and others forgotten in one call",
            hint="remove first, then forget, in two calls",
        )
    folder = dataset.root if isinstance(dataset, Dataset) else located(dataset)
    try:
        return remove_videos(folder, request, forgets=forgets, progress=progress)
    finally:
        if isinstance(dataset, Dataset):
            dataset.refresh()


def plan_removal(
    dataset: Dataset | str | os.PathLike[str],
    videos: str | Sequence[str] = (),
    *,
    sources: str | Sequence[str] = (),
    uris: str | Sequence[str] = (),
    tables: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    ignore_missing: bool = False,
) -> RemovalPlan:
    """What `remove` would take away, with the files concerned; nothing is changed.

    Args:
        dataset, videos, sources, uris, tables, ignore_missing: as of `remove`.

    Raises:
        MisuseError, DatasetFormatError: as of `remove`.
    """
    from internvid.pipeline.removal.removing import plan_removal as plan

    folder = dataset.root if isinstance(dataset, Dataset) else located(dataset)
    return plan(folder, _request(videos, sources, uris, tables, ignore_missing=ignore_missing))


def _request(
    videos: str | Sequence[str],
    sources: str | Sequence[str],
    uris: str | Sequence[str],
    tables: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    ignore_missing: bool,
) -> RemovalRequest:
    from internvid.pipeline.removal.id_tables import RemovalRequest

    return RemovalRequest(
        several(videos), several(sources), several(uris),
        [Path(path) for path in several(tables)],
        ignore_missing,
    )  # fmt: skip
