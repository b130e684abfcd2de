"""What a dataset knows of its pictures: hashes of every stored frame, and where the clips lie."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from internvid.curate.duplicates.alignment import Track
from internvid.curate.duplicates.candidates import Pictures
from internvid.curate.duplicates.difference_hashes import are_informative
from internvid.curate.duplicates.picture_views import (
    CROPS,
    INNER,
    WHOLE,
    Box,
    Grey,
    hash_inside,
    picture_box,
    pictures_of,
    view_box,
)
from internvid.dataset.parts import read_part
from internvid.dataset.store import Dataset

_CLIPS = (
    "clip_id, video_id, source_id, start_seconds, end_seconds, duration_seconds, "
    "start_frame, end_frame"
)
_BARS = ("has_borders", "letterbox_share", "pillarbox_share")


Span = tuple[int, int]


@dataclass
class FurtherViews:
    """What further views show of the pictures of one video.

    Attributes:
        hashes: view -> frame -> hash.
        boxes: (first frame, end, rows and columns inside the bars) of each clip with bars.
    """

    hashes: dict[int, dict[int, int]] = field(default_factory=dict)
    boxes: list[tuple[int, int, Box]] = field(default_factory=list)


@dataclass(frozen=True)
class Gathered:
    """The kept clips of a dataset with the pictures of their videos.

    Attributes:
        clips: a row each, by video and start: ids, span, `pixels` of the picture inside the bars,
            `damage` (frames and packets of its video that were damaged).
        first_clip: int64 [v + 1], where the clips of each video begin in `clips`.
        pictures: of all tracks. Each video is a track; one with bars is two.
        first_picture: int64 [t + 1], where the pictures of each track begin.
        video_of: int32 [t], the video of each track.
        view: int8 [t], what a track shows of the pictures: `WHOLE`, `INNER` (inside the bars) or
            `MIDDLE` (without their rims).
        frames: int64 [n], frame of each picture.
        files: the parts of picks. file_of: int32 [v], which of them holds each video.
        boxes: video -> (first frame, end, rows and columns inside the bars) of each clip with bars.
    """

    clips: pa.Table
    first_clip: npt.NDArray[np.int64]
    pictures: Pictures
    first_picture: npt.NDArray[np.int64]
    video_of: npt.NDArray[np.int32]
    view: npt.NDArray[np.int8]
    frames: npt.NDArray[np.int64]
    files: tuple[Path, ...]
    file_of: npt.NDArray[np.int32]
    boxes: Mapping[int, Sequence[tuple[int, int, Box]]]

    @property
    def videos(self) -> int:
        """How many videos have kept clips."""
        return len(self.first_clip) - 1

    def with_other(self, other: Gathered) -> Gathered:
        """These clips and pictures, followed by those of another dataset."""
        names = ["clip_id", "video_id", "start_seconds", "end_seconds", "uri"]
        mine, theirs = self.pictures, other.pictures
        return Gathered(
            pa.concat_tables([self.clips.select(names), other.clips.select(names)]),
            _continued(self.first_clip, other.first_clip),
            Pictures(
                np.concatenate([mine.track, theirs.track + np.int32(mine.tracks)]),
                np.concatenate([mine.seconds, theirs.seconds]),
                np.concatenate([mine.hashes, theirs.hashes]),
                np.concatenate([mine.is_informative, theirs.is_informative]),
                mine.tracks + theirs.tracks,
            ),
            _continued(self.first_picture, other.first_picture),
            np.concatenate([self.video_of, other.video_of + np.int32(self.videos)]),
            np.concatenate([self.view, other.view]),
            np.concatenate([self.frames, other.frames]),
            (*self.files, *other.files),
            np.concatenate([self.file_of, other.file_of + np.int32(len(self.files))]),
            {**self.boxes, **{self.videos + at: boxes for at, boxes in other.boxes.items()}},
        )

    def seconds_of(self, clip: int) -> float:
        """How long a clip is."""
        return float(self._ends[clip] - self._starts[clip])

    def video_id(self, video: int) -> str:
        """The id of a video."""
        return str(self.clips["video_id"][int(self.first_clip[video])].as_py())

    def track(self, number: int) -> Track:
        """One track with the clips of its video."""
        part = slice(self.first_picture[number], self.first_picture[number + 1])
        video = self.video_of[number]
        clips = slice(self.first_clip[video], self.first_clip[video + 1])
        return Track(
            self.pictures.seconds[part],
            self.pictures.hashes[part],
            self.pictures.is_informative[part],
            self._starts[clips],
            self._ends[clips],
        )

    @functools.cached_property
    def _starts(self) -> npt.NDArray[np.float64]:
        return np.asarray(self.clips["start_seconds"])

    @functools.cached_property
    def _ends(self) -> npt.NDArray[np.float64]:
        return np.asarray(self.clips["end_seconds"])


def gather(
    dataset: Dataset,
    *,
    with_crops: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Gathered:
    """Read the hashes of all pictures of the videos that have kept clips.

    Pictures of clips with bars are decoded and hashed again inside them.

    Args:
        dataset: to look at.
        with_crops: whether all pictures are decoded and hashed again without their rims too.
        progress: called with how many parts are read, and of how many.

    Raises:
        DatasetFormatError: a part is missing or damaged.
    """
    scan = dataset.record.scan or ""
    files = [dataset.layout.scanned(scan, "picks", part) for part in dataset.parts]
    return gather_picks(kept_clips(dataset), files, with_crops=with_crops, progress=progress)


def gather_picks(
    clips: pa.Table,
    files: Sequence[Path],
    *,
    with_crops: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Gathered:
    """Read the hashes of the pictures of some clips' videos.

    Args:
        clips: a row each by video and start, see `Gathered`; `has_bars` with the rest.
        files: the parts of picks.
        with_crops, progress: as of `gather`.

    Raises:
        DatasetFormatError: a part is missing or damaged.
    """
    videos, first_clip = _begins(clips["video_id"])
    columns = _Columns({video_id: at for at, video_id in enumerate(videos)})
    wanted = pa.array(videos, pa.string())
    with_bars: dict[str, list[Span]] = {}
    names = ["video_id", "start_frame", "end_frame"]
    for row in clips.filter(clips["has_bars"]).select(names).to_pylist():
        spans = with_bars.setdefault(row["video_id"], [])
        spans.append((row["start_frame"], row["end_frame"]))
    for at, path in enumerate(files):
        table = read_part(path, ["video_id", "frame", "pts_seconds", "picture_hash", "sharpness"])
        table = table.filter(pc.is_in(table["video_id"], wanted))
        here = table["video_id"].unique().to_pylist()
        again: dict[str, frozenset[int] | None] = {
            video_id: None for video_id in here if with_crops or video_id in with_bars
        }
        further = {
            video_id: further_views(pictures, with_bars.get(video_id, ()), with_crops=with_crops)
            for video_id, pictures in pictures_of(path, again)
        }
        columns.add(path, table, further)
        if progress is not None:
            progress(at + 1, len(files))
    return columns.gathered(clips, first_clip)


def further_views(
    pictures: Mapping[int, Grey], with_bars: Sequence[Span], *, with_crops: bool
) -> FurtherViews:
    """Hashes of the pictures of a video inside their bars, and without their rims.

    Args:
        pictures: by frame.
        with_bars: first frame and end of each clip with bars.
        with_crops: whether to look without the rims.
    """
    further = FurtherViews()
    for start, end in with_bars:
        inside = {frame: grey for frame, grey in pictures.items() if start <= frame < end}
        box = picture_box(list(inside.values()))
        further.boxes.append((start, end, box))
        hashes = further.hashes.setdefault(INNER, {})
        hashes.update({frame: hash_inside(grey, box) for frame, grey in inside.items()})
    for view in CROPS if with_crops else ():
        further.hashes[view] = {
            frame: hash_inside(grey, view_box((grey.shape[0], grey.shape[1]), view))
            for frame, grey in pictures.items()
        }
    return further


def kept_clips(dataset: Dataset) -> pa.Table:
    """The kept clips by video and start, with `pixels`, `damage` and `has_bars`."""
    there = dataset.sql("select * from clips limit 0").columns
    has_bars, tall, wide = (name if name in there else None for name in _BARS)
    shown = " * ".join(
        ["coalesce(v.width * v.height, 0)"]
        + [f"(1 - coalesce(c.{name}, 0))" for name in (tall, wide) if name]
    )
    with dataset.reading():
        return dataset.sql(
            f"select {', '.join('c.' + name for name in _CLIPS.split(', '))}, "
            f"round({shown})::bigint as pixels, "
            "v.uri, coalesce(v.damaged_frames, 0) + coalesce(v.damaged_packets, 0) as damage, "
            f"{f'coalesce(c.{has_bars}, false)' if has_bars else 'false'} as has_bars "
            "from clips c left join (select video_id, uri, width, height, damaged_frames, "
            "damaged_packets from videos where status = 'ok' qualify row_number() over "
            "(partition by video_id order by uri) = 1) v using (video_id) "
            "order by video_id, start_pts"
        ).to_arrow_table()


def _continued(
    first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Where things begin, and those of a second list behind them."""
    return np.concatenate([first, second[1:] + first[-1]])


def _begins(column: pa.ChunkedArray) -> tuple[list[str], npt.NDArray[np.int64]]:
    """The values of a sorted column, and where each begins; the end too."""
    encoded = pc.run_end_encode(column.combine_chunks()) if len(column) else None
    if encoded is None:
        return [], np.zeros(1, np.int64)
    ends = np.asarray(encoded.run_ends).astype(np.int64)
    return encoded.values.to_pylist(), np.concatenate([[0], ends])


class _Columns:
    """Pictures of tracks as they are read.

    Args:
        number: video_id -> number of the video.
    """

    def __init__(self, number: Mapping[str, int]) -> None:
        self.number = number
        self.columns: list[tuple[npt.NDArray[Any], ...]] = []
        self.tracks: list[tuple[int, int, int]] = []
        self.files: list[Path] = []
        self.file_of = np.zeros(len(number), np.int32)
        self.boxes: dict[int, list[tuple[int, int, Box]]] = {}

    def add(self, path: Path, table: pa.Table, further: Mapping[str, FurtherViews]) -> None:
        """Take the pictures of a part.

        Args:
            path: where it lies.
            table: its rows, those of a video one behind the other.
            further: video_id -> its pictures seen in other ways.
        """
        ids, begins = _begins(table["video_id"])
        seconds = np.asarray(table["pts_seconds"]).astype(np.float32)
        hashes = np.asarray(table["picture_hash"]).astype(np.uint64)
        sharpness = np.asarray(table["sharpness"]).astype(np.float32)
        frames = np.asarray(table["frame"]).astype(np.int64)
        for video_id, low, high in zip(ids, begins[:-1], begins[1:], strict=True):
            video, here = self.number[video_id], slice(low, high)
            self.file_of[video] = len(self.files)
            seen = further.get(video_id, FurtherViews())
            self.boxes[video] = seen.boxes
            for view in (WHOLE, *sorted(seen.hashes)):
                shown = hashes[here].copy()
                for at, frame in enumerate(frames[here].tolist() if view != WHOLE else ()):
                    shown[at] = seen.hashes[view].get(frame, shown[at])
                good = are_informative(shown, sharpness[here])
                self.columns.append((seconds[here], shown, good, frames[here]))
                self.tracks.append((video, view, high - low))
        self.files.append(path)

    def gathered(self, clips: pa.Table, first_clip: npt.NDArray[np.int64]) -> Gathered:
        """All of it."""
        video_of, view, lengths = (
            np.array([track[at] for track in self.tracks], np.int64) for at in range(3)
        )
        count = len(self.tracks)
        empty = (np.float32, np.uint64, np.bool_, np.int64)
        seconds, hashes, good, frames = (
            np.concatenate([*(each[at] for each in self.columns), np.empty(0, kind)])
            for at, kind in enumerate(empty)
        )
        track = np.repeat(np.arange(count, dtype=np.int32), lengths)
        return Gathered(
            clips,
            first_clip,
            Pictures(track, seconds, hashes, good, count),
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            video_of.astype(np.int32),
            view.astype(np.int8),
            frames,
            tuple(self.files),
            self.file_of,
            {video: boxes for video, boxes in self.boxes.items() if boxes},
        )
