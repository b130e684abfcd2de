"""Stored frames of a part, read when they are looked at."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import pyarrow.parquet as pq

from internvid.core.contracts import Pick
from internvid.dataset.parts import row_group_owners


@dataclass(frozen=True)
class StoredPicks:
    """The picks table of one part."""

    path: Path

    def of(self, video_id: str, start_frame: int, end_frame: int) -> ClipPicks:
        """The picks of one video between two frames (half-open), in time order, lazily."""
        return ClipPicks(self.path, video_id, start_frame, end_frame)


@dataclass(frozen=True)
class ClipPicks(Sequence[Pick]):
    """A sequence of picks that touches the disk only when it is used."""

    path: Path
    video_id: str
    start_frame: int
    end_frame: int

    def _rows(self) -> list[dict[str, Any]]:
        return [
            row
            for row in _video_rows(self.path, self.video_id)
            if self.start_frame <= row["frame"] < self.end_frame
        ]

    def __len__(self) -> int:
        return len(self._rows())

    @overload
    def __getitem__(self, index: int) -> Pick: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Pick]: ...
    def __getitem__(self, index: int | slice) -> Pick | Sequence[Pick]:
        rows = self._rows()
        if isinstance(index, slice):
            return [_pick(row) for row in rows[index]]
        return _pick(rows[index])


def _pick(row: dict[str, Any]) -> Pick:
    return Pick(row["frame"], row["pts_seconds"], row["jpeg"])


@functools.lru_cache(maxsize=4)
def _video_rows(path: Path, video_id: str) -> list[dict[str, Any]]:
    # Clips come in video order, so a few videos' picks are enough to keep.
    with pq.ParquetFile(path) as file:
        owners = row_group_owners(file)
        groups = [group for group, owner in enumerate(owners) if owner == video_id]
        table = file.read_row_groups(groups, columns=["frame", "pts_seconds", "jpeg"])
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows
