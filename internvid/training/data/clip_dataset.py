"""Clips of a dataset for PyTorch: stored frames and captions, for anyone's training loop."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from internvid.core.errors import ConfigInvalidError
from internvid.core.sequences import middles
from internvid.dataset.store import Dataset, open_dataset
from internvid.training.data.stored_picks import PickSource, pack_picks


class ClipItem(NamedTuple):
    """One clip as `ClipDataset` gives it; a `DataLoader` makes a `ClipItem` of a whole batch.

    Attributes:
        clip_id: which clip.
        frames: uint8 [T, H, W, 3], or what the dataset's `transform` made of it.
        text: its caption; None where it has none.
    """

    clip_id: str
    frames: Any
    text: str | None


class ClipDataset(torch.utils.data.Dataset[ClipItem]):
    """The kept clips of a dataset as a map-style PyTorch dataset.

    Frames are the dataset's picks (small JPEG pictures, about two a second), so no video is
    opened. They are packed once into a folder from which worker processes read at random.

    PyTorch's `DataLoader` makes batches of items that all have a text and frames of one size. For
    clips without a text choose a subset with `where "measured is not null"`; where videos differ in
    size give a `transform` that resizes frames.

    Args:
        dataset: a dataset, or the folder of one.
        text: the column of captions.
        frames: of each clip, from the middles of equal intervals; where a clip has fewer picks,
            some repeat.
        subset: only its clips.
        transform: called with uint8 [T, H, W, 3]; what it returns stands in the item.
        cache: folder of the pack; by default one in the user's cache folder for this dataset,
            column and subset.

    Raises:
        ConfigInvalidError: `frames` is below 1.
        DatasetFormatError: the folder holds no dataset.
        MisuseError: no such column or subset.
        StorageError: the pack cannot be written.
    """

    def __init__(
        self,
        dataset: Dataset | str | os.PathLike[str],
        text: str = "measured",
        *,
        frames: int = 8,
        subset: str | None = None,
        transform: Callable[[Tensor], Any] | None = None,
        cache: str | os.PathLike[str] | None = None,
    ) -> None:
        if frames < 1:
            raise ConfigInvalidError(f"frames must be at least 1, got {frames}")
        opened = dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
        folder = Path(cache) if cache is not None else _cache_of(opened, text, subset)
        self.frames = frames
        self.transform = transform
        self._source: PickSource = pack_picks(opened, text, subset, folder)
        table = self._source.table()
        self._clip_ids, self._texts = table.clip_ids, table.captions

    def __len__(self) -> int:
        return len(self._clip_ids)

    def __getitem__(self, index: int) -> ClipItem:
        """One clip.

        Raises:
            IndexError: there is no such place.
            VideoUnreadableError: the clip has no picks, or damaged ones.
        """
        at = range(len(self))[index]  # refuses places that there are not, and counts from the end
        pictures = list(self._source.read(at, self._places))
        frames_THWC = torch.from_numpy(np.stack(pictures))
        shown = frames_THWC if self.transform is None else self.transform(frames_THWC)
        return ClipItem(self._clip_ids[at], shown, self._texts[at])

    def _places(self, available: int) -> list[int]:
        return middles(available, self.frames)


def _cache_of(dataset: Dataset, text: str, subset: str | None) -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    what = f"{dataset.root.resolve()}\n{dataset.record.cut}\n{text}\n{subset}"
    return home / "internvid" / "picks" / hashlib.blake2b(what.encode(), digest_size=8).hexdigest()
