"""The picks of a dataset's clips as a source: packed once, then read at random.

In a dataset, picks lie compressed by video: made for reading in order. Training reads at random,
so the JPEG bytes of the wanted clips are copied once into the run's cache: `picks.bin`, or
`picks-000.bin` and so on for datasets of several parts, as if they were one after another. All
processes share that work; packs are kept as they are done.
"""

from __future__ import annotations

import bisect
import functools
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, repeat
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from internvid.core.errors import MisuseError, VideoUnreadableError
from internvid.dataset.parts import commit_json, committed, discard, row_group_owners
from internvid.dataset.removal.copies import PACK as PACK_COPY
from internvid.dataset.removal.copies import note_copy
from internvid.dataset.store import Dataset
from internvid.training.data.clip_columns import Strings
from internvid.training.data.order import IntArray
from internvid.training.data.samples import ClipTable, FrameChoice, FramesArray
from internvid.training.run.distributed import rank, shared_work, wait_for_all
from internvid.training.views.jpegs import decode_jpeg_fast
from internvid.video.display.picture import boxed

PACK, PLACES, WHAT, DOING = "picks.bin", "picks.npy", "picks.json", "picks.doing.json"
_COLUMNS = ("clip_id", "video_id", "source_id", "start_frame", "end_frame")
# Packs are opened all at once by every worker.
_MOST_PACKS = 128


class _Packed(TypedDict):
    """Whose pictures a folder holds: the scan, the cut, a digest of the clips.

    Attributes:
        videos: how many were packed at most, where it is not all of them.
    """

    scan: str | None
    cut: str | None
    clips: str
    videos: NotRequired[int]


@dataclass(frozen=True)
class PickSource:
    """Packed picks; made by `pack_picks`.

    Attributes:
        folder: where the pack lies.
        clips: the table, in the order of the pack.
        packed: int64, the clips whose pictures are there; None for all.
    """

    folder: Path
    clips: ClipTable
    packed: IntArray | None = None

    def table(self) -> ClipTable:
        """All clips."""
        return self.clips

    def read(self, clip: int, choose: FrameChoice) -> Iterator[FramesArray]:
        """Frames of one clip, each decoded when it is requested.

        Raises:
            VideoUnreadableError: no picks, or damaged ones.
        """
        pack = _open_pack(self.folder, os.getpid())
        start, count = pack.clips[clip]
        if not count:
            raise VideoUnreadableError("the clip has no picks", reason="no_picks")
        shape: tuple[int, ...] | None = None
        for at, times in Counter(choose(int(count))).items():
            picture = decode_jpeg_fast(pack.picture(start + at))
            shape = shape or picture.shape
            if picture.shape != shape:  # the video changes its size within the clip
                size = (shape[1], shape[0])
                picture = np.asarray(boxed(Image.fromarray(picture), size))
            yield from repeat(picture, times)

    def __getstate__(self) -> dict[str, Any]:
        # Workers read clips by number; captions stay where they are needed.
        return {"folder": self.folder, "clips": ClipTable((), (), ()), "packed": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


def pack_picks(
    dataset: Dataset,
    text: str,
    subset: str | None,
    folder: Path,
    *,
    most_videos: int | None = None,
) -> PickSource:
    """The picks of a subset's clips, packed unless the same pack is there already.

    Args:
        dataset: where the clips are.
        text: the column of captions.
        subset: only its clips; every kept clip when None.
        folder: where the pack is kept.
        most_videos: only the pictures of so many videos are packed, to try the reading out.

    Raises:
        MisuseError: no such column or subset.
        StorageError: the pack cannot be written.
    """
    rows = _rows(dataset, text, subset)
    ids, texts, sources = (Strings(rows[name].chunks) for name in ("clip_id", text, "source_id"))
    table = ClipTable(ids, texts, sources)
    digest = hashlib.blake2b(digest_size=16)
    for at, name in enumerate(ids):
        digest.update((f"\n{name}" if at else name).encode())
    what: _Packed = {
        "scan": dataset.record.scan,
        "cut": dataset.record.cut,
        "clips": digest.hexdigest(),
    }
    if most_videos is not None:
        what["videos"] = most_videos
    groups = _groups(dataset.parts)
    if rank() == 0:
        _make_ready(folder, what, len(groups))
        _note(dataset, folder)
    wait_for_all()
    is_there = _is_there(folder, what)
    wanted = None if is_there else _wanted(rows, most_videos)
    for group in shared_work(len(groups)):
        pack = folder / _name(group, len(groups))
        if wanted is not None and not (pack.is_file() and _notes(pack).is_file()):
            _write(dataset, groups[group], wanted, pack)
    wait_for_all()
    if rank() == 0 and not is_there:
        _finish(folder, [folder / _name(at, len(groups)) for at in range(len(groups))], rows, what)
    wait_for_all()
    _open_pack.cache_clear()  # what this process knows of the folder may have been another pack
    packed = None
    if most_videos is not None:
        packed = np.flatnonzero(_read_places(folder)[0][:, 1])
    return PickSource(folder, table, packed)


def _note(dataset: Dataset, folder: Path) -> None:
    """Lets the dataset know of the pack, so that a removal of videos reaches it."""
    path = str(folder.resolve())
    note_copy(dataset.layout, {"kind": PACK_COPY, "path": path, "cut": dataset.record.cut})


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


def _groups(parts: Sequence[str]) -> list[list[str]]:
    """Parts of a dataset, in order, by the pack that they go to."""
    count = min(_MOST_PACKS, max(1, len(parts)))
    bounds = [len(parts) * at // count for at in range(count + 1)]
    return [list(parts[low:high]) for low, high in pairwise(bounds)]


def _name(group: int, groups: int) -> str:
    return PACK if groups == 1 else f"picks-{group:03d}.bin"


def _notes(pack: Path) -> Path:
    """Beside a pack until all are there: which clips it holds. It makes the pack count as done."""
    return pack.with_suffix(".clips.npy")


def _make_ready(folder: Path, what: _Packed, groups: int) -> None:
    """Keeps what an earlier start has packed of the same clips, and nothing else."""
    doing = {**what, "packs": groups}
    if _is_there(folder, what) or _read_json(folder / DOING) == doing:
        return
    for path in folder.glob("picks*"):
        discard(path)
    commit_json(folder / DOING, doing)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _is_there(folder: Path, what: _Packed) -> bool:
    known = _read_json(folder / WHAT)
    try:
        if {key: value for key, value in known.items() if key != "packs"} != what:
            return False
        _, ends = _read_places(folder)
        sizes = [(folder / name).stat().st_size for name in known.get("packs", [PACK])]
        return bool(sum(sizes) == ends[-1])
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError):
        return False


def _read_places(folder: Path) -> tuple[IntArray, IntArray]:
    """First picture and number of pictures of each clip, and where each begins; mapped arrays."""
    found = []
    path = folder / PLACES
    with path.open("rb") as file:
        for _ in range(2):
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            start = file.tell()
            size = int(np.prod(shape)) * dtype.itemsize
            if start + size > path.stat().st_size:
                raise ValueError(f"{path} is cut short")
            mapped = np.memmap(path, dtype, "r", start, shape) if size else np.empty(shape, dtype)
            found.append(mapped)
            file.seek(start + size)
    return found[0], found[1]


@dataclass(frozen=True)
class _Wanted:
    """Which frames of which video are wanted.

    Attributes:
        videos: id -> its number.
        rows: clips, ordered by video.
        bounds: [videos + 1], where each video's clips begin in `rows`.
        starts, ends: of each clip, in frames.
    """

    videos: dict[str, int]
    rows: IntArray
    bounds: IntArray
    starts: IntArray
    ends: IntArray

    def of(self, video: str) -> IntArray:
        """Its clips."""
        number = self.videos[video]
        return self.rows[self.bounds[number] : self.bounds[number + 1]]


def _wanted(rows: pa.Table, most_videos: int | None) -> _Wanted:
    videos, numbers = np.unique(
        rows["video_id"].to_numpy(zero_copy_only=False), return_inverse=True
    )
    starts, ends = (
        rows[name].to_numpy(zero_copy_only=False).astype(np.int64)
        for name in ("start_frame", "end_frame")
    )
    order = np.argsort(numbers, kind="stable")
    bounds = np.searchsorted(numbers[order], np.arange(len(videos) + 1))
    known = {str(name): at for at, name in enumerate(videos[:most_videos])}
    return _Wanted(known, order, bounds, starts, ends)


def _write(dataset: Dataset, parts: Sequence[str], wanted: _Wanted, path: Path) -> None:
    """Packs the pictures of some parts; notes which clips have which."""
    clips: list[npt.NDArray[np.int64]] = []
    lengths: list[npt.NDArray[np.int64]] = []
    first = 0
    with committed(path) as temporary, temporary.open("wb") as pack:
        for video, frames, files in _videos(dataset, parts, wanted.videos):
            some = wanted.of(video)
            shown = np.zeros(len(frames), dtype=bool)
            for start, end in zip(wanted.starts[some], wanted.ends[some], strict=True):
                shown |= (frames >= start) & (frames < end)
            places = np.flatnonzero(shown)
            chosen = places.tolist()
            for place in chosen:
                pack.write(files[place])
            low, high = (np.searchsorted(frames[places], each[some])
                         for each in (wanted.starts, wanted.ends))  # fmt: skip
            clips.append(np.stack([some, first + low, high - low], axis=1))
            lengths.append(np.array([len(files[place]) for place in chosen], dtype=np.int64))
            first += len(places)
    with committed(_notes(path)) as temporary, temporary.open("wb") as file:
        np.save(file, np.concatenate([np.zeros((0, 3), np.int64), *clips]))
        np.save(file, np.concatenate([np.zeros(0, np.int64), *lengths]))


def _finish(folder: Path, packs: Sequence[Path], rows: pa.Table, what: _Packed) -> None:
    """One table of places over all packs, as if they were one after another."""
    clips = np.zeros((rows.num_rows, 2), dtype=np.int64)
    lengths: list[npt.NDArray[np.int64]] = []
    first = 0
    for pack in packs:
        with _notes(pack).open("rb") as file:
            held, sizes = np.load(file), np.load(file)
        clips[held[:, 0]] = held[:, 1:] + (first, 0)
        lengths.append(sizes)
        first += len(sizes)
    ends = np.zeros(first + 1, dtype=np.int64)
    np.cumsum(np.concatenate(lengths), out=ends[1:])
    with committed(folder / PLACES) as temporary, temporary.open("wb") as file:
        np.save(file, clips)
        np.save(file, ends)
    commit_json(folder / WHAT, {**what, "packs": [pack.name for pack in packs]})
    for path in (*map(_notes, packs), folder / DOING):
        discard(path)


def _videos(
    dataset: Dataset, parts: Sequence[str], wanted: dict[str, int]
) -> Iterator[tuple[str, npt.NDArray[np.int64], Sequence[bytes]]]:
    """(video_id, frames, JPEG bytes) of each wanted video, in stored order."""
    assert dataset.record.scan is not None
    for part in parts:
        with pq.ParquetFile(dataset.layout.scanned(dataset.record.scan, "picks", part)) as file:
            groups: dict[str, list[int]] = {}
            for group, owner in enumerate(row_group_owners(file)):
                groups.setdefault(owner, []).append(group)
            for video in (each for each in groups if each in wanted):
                table = file.read_row_groups(groups[video], columns=["frame", "jpeg"])
                yield video, table["frame"].to_numpy(), table["jpeg"].to_pylist()


@dataclass(frozen=True)
class _Pack:
    """Packs as if they were one.

    Attributes:
        descriptors: of the files.
        starts: of each file, where it begins among all bytes.
        clips, ends: as `_read_places` gives them.
    """

    descriptors: Sequence[int]
    starts: Sequence[int]
    clips: IntArray
    ends: IntArray

    def picture(self, number: int) -> bytes:
        """The bytes of a picture."""
        first, end = self.ends[number : number + 2].tolist()
        # Files may be empty: the last that begins here has the byte.
        file = bisect.bisect_right(self.starts, first) - 1
        return os.pread(self.descriptors[file], end - first, first - self.starts[file])


@functools.lru_cache(maxsize=4)
def _open_pack(folder: Path, _process: int) -> _Pack:
    names = json.loads((folder / WHAT).read_text("utf-8")).get("packs", [PACK])
    sizes = [(folder / name).stat().st_size for name in names]
    descriptors = [os.open(folder / name, os.O_RDONLY) for name in names]
    return _Pack(descriptors, list(accumulate(sizes[:-1], initial=0)), *_read_places(folder))
