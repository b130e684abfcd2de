"""Frame shards: per clip a few dozen frames as a small MP4 of short GOPs, for random access.

`shard-000000.tar` holds `<clip_id>.mp4`; `index.parquet` says where each lies and where its
packets are. A frame costs at most the frames of its own GOP that come before it, so one random
frame of each sampling interval costs a fraction of the clip, while the choice stays free.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import av
import av.error
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from internvid.core.errors import DatasetFormatError, VideoUnreadableError

INDEX = "index.parquet"
INDEX_SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("source_id", pa.string()),
        ("texts", pa.map_(pa.string(), pa.string())),
        ("shard", pa.string()),
        ("offset", pa.int64()),
        ("frames", pa.int32()),
        ("gop", pa.int32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("codec_header", pa.binary()),
        ("packet_offsets", pa.list_(pa.int32())),
        ("packet_bytes", pa.list_(pa.int32())),
    ]
)
"""One row a clip: `offset` of its MP4 in the shard, packets from there, in bytes."""

_CODEC = "h264"
_MOST_DECODERS = 8


@dataclass(frozen=True)
class FrameShards:
    """A folder of frame shards. Small: pickled, it opens its files anew."""

    folder: Path

    def __post_init__(self) -> None:
        if not (self.folder / INDEX).is_file():
            raise DatasetFormatError(
                f"{self.folder} holds no frame shards (no {INDEX} in it)",
                hint="write them with: internvid publish DATASET FOLDER --exporter frames",
            )

    def rows(self) -> pa.Table:
        """Ids and texts of all clips, in order."""
        return pq.read_table(self.folder / INDEX, columns=["clip_id", "source_id", "texts"])

    def __len__(self) -> int:
        return int(pq.read_metadata(self.folder / INDEX).num_rows)

    def read(self, clip: int, choose: Callable[[int], Sequence[int]]) -> npt.NDArray[np.uint8]:
        """Chosen frames of one clip.

        Args:
            clip: its row in the index.
            choose: given the number of frames there are, which are wanted: ascending, repeats
                allowed. Asked once.

        Returns:
            uint8 RGB [T, H, W, 3].

        Raises:
            VideoUnreadableError: the shard is gone, cut short or damaged.
        """
        place = _index(self.folder).place(clip)
        wanted = list(choose(len(place.offsets)))
        found = _decode(self.folder / place.shard, place, set(wanted))
        return np.stack([found[at] for at in wanted])


@dataclass(frozen=True)
class _Place:
    shard: str
    offset: int
    gop: int
    header: bytes
    offsets: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]


class _Index:
    """The index in memory, as flat arrays."""

    def __init__(self, path: Path) -> None:
        table = pq.read_table(path).combine_chunks()
        self._shards = table["shard"].combine_chunks().dictionary_encode()
        self._headers = table["codec_header"].combine_chunks().dictionary_encode()
        self._offset = table["offset"].to_numpy()
        self._gop = table["gop"].to_numpy()
        lists = table["packet_offsets"].combine_chunks()
        self._starts = lists.offsets.to_numpy()
        self._packets = lists.values.to_numpy()
        self._lengths = table["packet_bytes"].combine_chunks().values.to_numpy()

    def place(self, clip: int) -> _Place:
        packets = slice(self._starts[clip], self._starts[clip + 1])
        return _Place(
            shard=str(self._shards[clip]),
            offset=int(self._offset[clip]),
            gop=int(self._gop[clip]),
            header=self._headers[clip].as_py(),
            offsets=self._packets[packets],
            lengths=self._lengths[packets],
        )


@functools.lru_cache(maxsize=4)
def _index(folder: Path) -> _Index:
    return _Index(folder / INDEX)


def _decode(shard: Path, place: _Place, wanted: set[int]) -> dict[int, npt.NDArray[np.uint8]]:
    """The wanted frames: of each GOP that holds any, the packets up to the last one."""
    last = {at // place.gop: at for at in sorted(wanted)}
    needed = [at for gop, end in last.items() for at in range(gop * place.gop, end + 1)]
    first = int(place.offsets[needed[0]])
    stop = int(place.offsets[needed[-1]] + place.lengths[needed[-1]])
    data = _bytes_of(shard, place.offset + first, stop - first)
    tools = _tools()
    context = tools.context(place.header)
    found: dict[int, npt.NDArray[np.uint8]] = {}

    def take(frames: list[VideoFrame]) -> None:
        for frame in frames:
            if frame.pts in wanted:
                found[frame.pts] = tools.paint(frame)

    try:
        for at in needed:
            start = int(place.offsets[at]) - first
            packet = av.Packet(data[start : start + int(place.lengths[at])])
            packet.pts = packet.dts = at
            take(context.decode(packet))
        if len(found) < len(wanted):
            # A decoder that holds frames back is emptied, and not used again.
            tools.forget(place.header)
            take(context.decode(None))
    except av.error.FFmpegError as error:
        tools.forget(place.header)
        raise VideoUnreadableError(f"{shard.name}: a clip is damaged ({error})") from error
    if len(found) < len(wanted):
        raise VideoUnreadableError(f"{shard.name}: a clip is damaged", reason="no_frames")
    return found


class _Tools(threading.local):
    """Decoders and a painter of one thread; clips of one size share a decoder."""

    def __init__(self) -> None:
        self._painter = VideoReformatter()
        self._contexts: dict[bytes, VideoCodecContext] = {}

    def context(self, header: bytes) -> VideoCodecContext:
        if header not in self._contexts:
            if len(self._contexts) >= _MOST_DECODERS:
                self.forget(next(iter(self._contexts)))
            made: Any = av.CodecContext.create(_CODEC, "r")
            made.extradata = header
            made.thread_count = 1
            made.options = {"flags": "low_delay"}
            self._contexts[header] = made
        return self._contexts[header]

    def paint(self, frame: VideoFrame) -> npt.NDArray[np.uint8]:
        picture = self._painter.reformat(frame, format="rgb24", threads=1).to_ndarray()
        return cast("npt.NDArray[np.uint8]", picture)

    def forget(self, header: bytes) -> None:
        self._contexts.pop(header, None)


@functools.lru_cache(maxsize=1)
def _tools() -> _Tools:
    return _Tools()


def _bytes_of(shard: Path, offset: int, count: int) -> bytes:
    try:
        data = os.pread(_descriptor(shard, os.getpid()), count, offset)
    except OSError as error:
        raise VideoUnreadableError(
            f"{shard} cannot be read: {os.strerror(error.errno or 0).lower()}"
        ) from error
    if len(data) < count:
        raise VideoUnreadableError(f"{shard.name} is cut short", reason="truncated")
    return data


@functools.lru_cache(maxsize=512)
def _descriptor(shard: Path, _process: int) -> int:
    # Kept open: a read is then one system call, safe from any thread.
    return os.open(shard, os.O_RDONLY)
