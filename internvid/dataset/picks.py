"""Stored frames of a part, read when they are looked at."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from internvid.core.contracts import Pick
from internvid.core.system.streams import cached_for_threads
from internvid.dataset.parts import reading_part, row_group_owners
from internvid.dataset.stores.remote_tables import parquet_source
from internvid.dataset.tables import SpanPicture

SCAN_PICKS = "scan"
"""What the picks are called that the scan itself kept."""
# A group holds 256 pictures or fewer: some 4 MB each.
_GROUPS_KEPT = 16
_INDEXES_KEPT = 64


@dataclass(frozen=True)
class StoredPicks:
    """The picks table of one part."""

    path: Path

    def of(self, video_id: str, start_frame: int, end_frame: int) -> ClipPicks:
        """The picks of one video between two frames (half-open), in time order, lazily."""
        return ClipPicks(self.path, video_id, start_frame, end_frame)


@dataclass(frozen=True)
class ClipPicks(Sequence[Pick]):
    """A sequence of picks that touches the disk only when it is used.

    Its length costs the frame numbers of its video; pictures are read with the 256 around them.
    """

    path: Path
    video_id: str
    start_frame: int
    end_frame: int

    @property
    def frames(self) -> tuple[int, ...]:
        """Their frames on the timeline, without reading a picture."""
        groups = _video_groups(self.path, self.video_id)
        return tuple(
            int(frame) for each in groups for frame in each.frames[self._inside(each)].tolist()
        )

    def _inside(self, group: _Group) -> slice:
        first, stop = np.searchsorted(group.frames, [self.start_frame, self.end_frame])
        return slice(int(first), int(stop))

    @functools.cached_property
    def _places(self) -> list[tuple[int, int]]:
        return [
            (each.number, row)
            for each in _video_groups(self.path, self.video_id)
            for row in range(*self._inside(each).indices(len(each.frames)))
        ]

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Pick: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Pick]: ...
    def __getitem__(self, index: int | slice) -> Pick | Sequence[Pick]:
        if isinstance(index, slice):
            return [_pick(self.path, *place) for place in self._places[index]]
        return _pick(self.path, *self._places[index])


@dataclass(frozen=True)
class SpanPicks(Sequence[Pick]):
    """The picks of one clip in a further pick set, read when they are used.

    Attributes:
        files: (path, row group) that holds the clip, the oldest generation first.
    """

    files: tuple[tuple[Path, int], ...]
    clip_id: str

    def _rows(self) -> list[SpanPicture]:
        # The latest generation that holds the clip is the one that counts.
        for path, group in reversed(self.files):
            rows = [row for row in _span_group(path, group) if row["clip_id"] == self.clip_id]
            if rows:
                return rows
        return []

    def __len__(self) -> int:
        return len(self._rows())

    @overload
    def __getitem__(self, index: int) -> Pick: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Pick]: ...
    def __getitem__(self, index: int | slice) -> Pick | Sequence[Pick]:
        rows = self._rows()
        if isinstance(index, slice):
            return [_row_pick(row) for row in rows[index]]
        return _row_pick(rows[index])


def span_picks_index(files: Sequence[Path]) -> dict[str, tuple[tuple[Path, int], ...]]:
    """clip_id -> where its picks lie, over the generations of one part of a pick set."""
    index: dict[str, tuple[tuple[Path, int], ...]] = {}
    for path in files:
        with reading_part(path), pq.ParquetFile(parquet_source(path)) as file:
            for group in range(file.metadata.num_row_groups):
                ids = file.read_row_group(group, columns=["clip_id"])["clip_id"].to_pylist()
                for clip_id in dict.fromkeys(ids):
                    index[clip_id] = (*index.get(clip_id, ()), (path, group))
    return index


def _row_pick(row: SpanPicture) -> Pick:
    return Pick(row["frame"], row["pts_seconds"], row["jpeg"])


def _pick(path: Path, group: int, row: int) -> Pick:
    frames, seconds, jpegs = _pictures(path, group)
    return Pick(frames[row], seconds[row], jpegs[row].as_py())


@dataclass(frozen=True)
class _Group:
    number: int
    frames: npt.NDArray[np.int64]


_Stamp = tuple[int, int]


def _stamp(path: Path) -> _Stamp:
    # Parts are never rewritten by us; where somebody else did, the old pictures must not show.
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns


def _video_groups(path: Path, video_id: str) -> tuple[_Group, ...]:
    return _cached_groups(path, video_id, _stamp(path))


def _pictures(path: Path, group: int) -> tuple[list[int], list[float], Any]:
    return _cached_pictures(path, group, _stamp(path))


def _span_group(path: Path, group: int) -> list[SpanPicture]:
    return _cached_span_group(path, group, _stamp(path))


@cached_for_threads(_INDEXES_KEPT)
def _cached_groups(path: Path, video_id: str, stamp: _Stamp) -> tuple[_Group, ...]:
    with (
        reading_part(path),
        pq.ParquetFile(parquet_source(path), metadata=_footer(path, stamp)) as file,
    ):
        return tuple(
            _Group(group, file.read_row_group(group, columns=["frame"])["frame"].to_numpy())
            for group, owner in enumerate(row_group_owners(file))
            if owner == video_id
        )


@cached_for_threads(_GROUPS_KEPT)
def _cached_pictures(path: Path, group: int, stamp: _Stamp) -> tuple[list[int], list[float], Any]:
    with (
        reading_part(path),
        pq.ParquetFile(parquet_source(path), metadata=_footer(path, stamp)) as file,
    ):
        table = file.read_row_group(group, columns=["frame", "pts_seconds", "jpeg"])
    return table["frame"].to_pylist(), table["pts_seconds"].to_pylist(), table["jpeg"]


@cached_for_threads(_GROUPS_KEPT)
def _cached_span_group(path: Path, group: int, stamp: _Stamp) -> list[SpanPicture]:
    with (
        reading_part(path),
        pq.ParquetFile(parquet_source(path), metadata=_footer(path, stamp)) as file,
    ):
        columns = ["clip_id", "frame", "pts_seconds", "jpeg"]
        rows: list[SpanPicture] = file.read_row_group(group, columns=columns).to_pylist()
    return rows


@functools.lru_cache(maxsize=8)
def _footer(path: Path, stamp: _Stamp) -> Any:
    del stamp  # part of the key alone
    return pq.read_metadata(parquet_source(path))
