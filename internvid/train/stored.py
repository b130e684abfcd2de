"""The picks of a dataset's clips as a source: packed once into one file, then read at random.

In a dataset, picks lie compressed by video: made for reading in order. Training reads at random,
so the JPEG bytes of the wanted clips are copied once into `picks.bin` in the run's cache.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from internvid.core.errors import MisuseError, VideoUnreadableError
from internvid.dataset.parts import commit_json, committed, row_group_owners
from internvid.dataset.store import Dataset
from internvid.train.jpegs import decode_jpeg
from internvid.train.processes import rank, wait_for_all
from internvid.train.samples import ClipTable, FrameChoice, FramesArray
from internvid.video.picture import boxed

PACK, PLACES, WHAT = "picks.bin", "picks.npy", "picks.json"
_COLUMNS = ("clip_id", "video_id", "source_id", "start_frame", "end_frame")


@dataclass(frozen=True)
class PickSource:
    """Packed picks; made by `pack_picks`.

    Attributes:
        folder: where the pack lies.
        clips: the table, in the order of the pack.
    """

    folder: Path
    clips: ClipTable

    def table(self) -> ClipTable:
        """All clips."""
        return self.clips

    def read(self, clip: int, choose: FrameChoice) -> Iterator[FramesArray]:
        """Frames of one clip, each decoded when it is asked for.

        Raises:
            VideoUnreadableError: no picks, or damaged ones.
        """
        pack = _open_pack(self.folder, os.getpid())
        start, count = pack.clips[clip]
        if not count:
            raise VideoUnreadableError("the clip has no picks", reason="no_picks")
        shape: tuple[int, ...] | None = None
        for at, times in Counter(choose(int(count))).items():
            first, end = pack.ends[start + at : start + at + 2].tolist()
            picture = decode_jpeg(os.pread(pack.descriptor, end - first, first))
            shape = shape or picture.shape
            if picture.shape != shape:  # the video changes its size within the clip
                size = (shape[1], shape[0])
                picture = np.asarray(boxed(Image.fromarray(picture), size))
            yield from repeat(picture, times)

    def __getstate__(self) -> dict[str, Any]:
        # Workers read clips by number; captions stay where they are needed.
        return {"folder": self.folder, "clips": ClipTable((), (), ())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


def pack_picks(dataset: Dataset, text: str, subset: str | None, folder: Path) -> PickSource:
    """The picks of a subset's clips, packed unless the same pack is there already.

    Args:
        dataset: where the clips are.
        text: the column of captions.
        subset: only its clips; every kept clip when None.
        folder: where the pack is kept.

    Raises:
        MisuseError: no such column or subset.
        StorageError: the pack cannot be written.
    """
    rows = _rows(dataset, text, subset)
    table = ClipTable(
        rows["clip_id"].to_pylist(), rows[text].to_pylist(), rows["source_id"].to_pylist()
    )
    digest = hashlib.blake2b("\n".join(table.clip_ids).encode(), digest_size=16).hexdigest()
    what = {"scan": dataset.record.scan, "cut": dataset.record.cut, "clips": digest}
    source = PickSource(folder, table)
    if rank() == 0 and not _is_there(folder, what):
        _write(dataset, rows, folder)
        commit_json(folder / WHAT, what)
        _open_pack.cache_clear()  # what this process knows of the folder was another pack
    wait_for_all()
    return source


def _rows(dataset: Dataset, text: str, subset: str | None) -> pa.Table:
    relation = dataset.clips_relation(subset)
    kinds = dict(zip(relation.columns, map(str, relation.types), strict=True))
    known = sorted(name for name, kind in kinds.items() if kind == "VARCHAR")
    texts = [name for name in known if name not in (*_COLUMNS, "transition", "reason")]
    if text not in texts:
        wrong = f"is {kinds[text]}, not text" if text in kinds else "is not there"
        raise MisuseError(
            f"the column {text!r} of {dataset.root} {wrong}; columns of text: "
            f"{', '.join(texts) or 'none'}",
            hint="name one of them with --text, or caption the dataset first",
        )
    chosen = ", ".join(f'"{name}"' for name in (*_COLUMNS, text))
    return relation.select(chosen).to_arrow_table()


def _is_there(folder: Path, what: dict[str, Any]) -> bool:
    try:
        if json.loads((folder / WHAT).read_text("utf-8")) != what:
            return False
        _, ends = _read_places(folder)
        return (folder / PACK).stat().st_size == int(ends[-1])
    except (OSError, ValueError, EOFError):
        return False


def _read_places(folder: Path) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Of each clip its first picture and how many there are; where each picture begins."""
    with (folder / PLACES).open("rb") as file:
        return np.load(file), np.load(file)


def _write(dataset: Dataset, rows: pa.Table, folder: Path) -> None:
    spans: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    columns = (rows[name].to_pylist() for name in ("video_id", "start_frame", "end_frame"))
    for at, (video, start, end) in enumerate(zip(*columns, strict=True)):
        spans[video].append((at, start, end))
    clips = np.zeros((rows.num_rows, 2), dtype=np.int64)
    ends = [0]
    (folder / WHAT).unlink(missing_ok=True)
    with committed(folder / PACK) as temporary, temporary.open("wb") as pack:
        for video, frames, files in _videos(dataset, spans):
            first = len(ends) - 1
            wanted = np.zeros(len(frames), dtype=bool)
            for _, start, end in spans[video]:
                wanted |= (frames >= start) & (frames < end)
            kept = frames[wanted]
            for place in np.flatnonzero(wanted).tolist():
                pack.write(files[place])
                ends.append(ends[-1] + len(files[place]))
            for clip, low, high in spans[video]:
                bounds = np.searchsorted(kept, (low, high))
                clips[clip] = first + bounds[0], bounds[1] - bounds[0]
    with committed(folder / PLACES) as temporary, temporary.open("wb") as file:
        np.save(file, clips)
        np.save(file, np.array(ends, dtype=np.int64))


def _videos(
    dataset: Dataset, wanted: dict[str, Any]
) -> Iterator[tuple[str, npt.NDArray[np.int64], Sequence[bytes]]]:
    """(video_id, frames, JPEG bytes) of each wanted video, in stored order."""
    assert dataset.record.scan is not None
    for part in dataset.parts:
        with pq.ParquetFile(dataset.layout.scanned(dataset.record.scan, "picks", part)) as file:
            groups: dict[str, list[int]] = defaultdict(list)
            for group, owner in enumerate(row_group_owners(file)):
                groups[owner].append(group)
            for video in (each for each in groups if each in wanted):
                table = file.read_row_groups(groups[video], columns=["frame", "jpeg"])
                yield video, table["frame"].to_numpy(), table["jpeg"].to_pylist()


@dataclass(frozen=True)
class _Pack:
    descriptor: int
    clips: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]


@functools.lru_cache(maxsize=4)
def _open_pack(folder: Path, _process: int) -> _Pack:
    return _Pack(os.open(folder / PACK, os.O_RDONLY), *_read_places(folder))
