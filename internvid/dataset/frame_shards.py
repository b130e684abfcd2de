"""Frame shards: per clip a few dozen frames as a small MP4 of short GOPs, for random access.

`shard-000000.tar` holds `<clip_id>.mp4`; `index.parquet` says where each lies and where its
packets are. A frame costs at most the frames of its own GOP that come before it, so one random
frame of each sampling interval costs a fraction of the clip, while the choice stays free.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

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
from internvid.dataset.parts import committed, read_part
from internvid.video.display.picture import rgb_view

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
        ("uri", pa.string()),
        ("metadata", pa.string()),
    ]
)
"""One row a clip: `offset` of its MP4 in the shard, packets from there, in bytes.

`uri` and `metadata` (a JSON object) are those of its source.
"""

_CODEC = "h264"
_MOST_DECODERS = 8


@dataclass(frozen=True)
class FrameShards:
    """A folder of frame shards. Small: pickled, it opens its files anew.

    Attributes:
        folder: of the shards.
        places: a file of `map_places`, whose pages processes share; None reads the index into
            each of them.
    """

    folder: Path
    places: Path | None = None

    def __post_init__(self) -> None:
        if not (self.folder / INDEX).is_file():
            raise DatasetFormatError(
                f"{self.folder} holds no frame shards (no {INDEX} in it)",
                hint="write them with: internvid publish DATASET FOLDER --exporter frames",
            )

    def rows(self) -> pa.Table:
        """Ids and texts of all clips, in order."""
        return read_part(self.folder / INDEX, ["clip_id", "source_id", "texts"])

    def map_places(self, path: Path) -> FrameShards:
        """These shards with their places in a file that is mapped; written if it is not there.

        Args:
            path: of the file; its name is to change with the index.

        Raises:
            StorageError: it cannot be written.
        """
        if not path.is_file():
            table = _read_places(self.folder / INDEX)
            with (
                committed(path) as temporary,
                pa.OSFile(str(temporary), "wb") as file,
                pa.ipc.new_file(file, table.schema) as writer,
            ):
                writer.write_table(table)
        return FrameShards(self.folder, path)

    def __len__(self) -> int:
        return int(pq.read_metadata(self.folder / INDEX).num_rows)

    def read(
        self, clip: int, choose: Callable[[int], Sequence[int]]
    ) -> Iterator[npt.NDArray[np.uint8]]:
        """Chosen frames of one clip, each GOP decoded when its first one is requested.

        Args:
            clip: its row in the index.
            choose: given the number of frames there are, which are wanted: ascending, repeats
                allowed. Called once.

        Returns:
            uint8 RGB [H, W, 3] for each; one named several times is one object.

        Raises:
            VideoUnreadableError: the shard is gone, cut short or damaged.
        """
        place = _index(self.folder, self.places).place(clip)
        wanted = choose(len(place.offsets))
        yield from _decode(self.folder / place.shard, place, wanted)


@dataclass(frozen=True)
class _Place:
    shard: str
    offset: int
    gop: int
    header: bytes
    offsets: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]


_PLACES = ("shard", "offset", "gop", "codec_header", "packet_offsets", "packet_bytes")


def _read_places(path: Path) -> pa.Table:
    """What says where packets are, each column in one piece."""
    table = read_part(path, _PLACES).combine_chunks()
    for name in ("shard", "codec_header"):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table[name].dictionary_encode())
    return table.combine_chunks()


class _Index:
    """Where packets are, as flat arrays.

    Args:
        table: of one piece a column, as `_read_places` makes it.
    """

    def __init__(self, table: pa.Table) -> None:
        self._shards, self._headers, lists, lengths = (
            table[name].combine_chunks()
            for name in ("shard", "codec_header", "packet_offsets", "packet_bytes")
        )
        self._offset = table["offset"].to_numpy()
        self._gop = table["gop"].to_numpy()
        self._starts = lists.offsets.to_numpy()
        self._packets = lists.values.to_numpy()
        self._lengths = lengths.values.to_numpy()

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
def _index(folder: Path, places: Path | None) -> _Index:
    if places is None:
        return _Index(_read_places(folder / INDEX))
    return _Index(pa.ipc.open_file(pa.memory_map(str(places))).read_all())


def _decode(shard: Path, place: _Place, wanted: Sequence[int]) -> Iterator[npt.NDArray[np.uint8]]:
    """The wanted frames: of each GOP that holds any, the packets up to the last one."""
    begin, stop = wanted[0] // place.gop * place.gop, wanted[-1]
    first = int(place.offsets[begin])
    end = int(place.offsets[stop] + place.lengths[stop])
    data = _bytes_of(shard, place.offset + first, end - first)
    for gop, frames in groupby(wanted, lambda at: at // place.gop):
        # A GOP at a time, whole: between two of them the thread may read another clip.
        numbers = list(frames)
        packets = []
        for at in range(gop * place.gop, numbers[-1] + 1):
            start = int(place.offsets[at]) - first
            packet = av.Packet(data[start : start + int(place.lengths[at])])
            packet.pts = packet.dts = at
            packets.append(packet)
        pictures = _pictures(packets, place.header, set(numbers))
        if pictures is None:
            raise VideoUnreadableError(f"{shard.name}: a clip is damaged", reason="no_frames")
        for at in numbers:
            yield pictures[at]


def _pictures(
    packets: Sequence[av.Packet[Any]], header: bytes, wanted: set[int]
) -> dict[int, npt.NDArray[np.uint8]] | None:
    """RGB pictures of one GOP by number; None where a wanted one does not come out."""
    tools = _tools()
    context = tools.context(header)
    frames: list[VideoFrame] = []
    try:
        for packet in packets:
            frames += context.decode(packet)
        if not wanted <= {frame.pts for frame in frames}:
            # A decoder that holds frames back is emptied, and not used again.
            tools.forget(header)
            frames += context.decode(None)
    except av.error.FFmpegError:
        tools.forget(header)
        return None
    pictures = {frame.pts: tools.paint(frame) for frame in frames if frame.pts in wanted}
    return pictures if len(pictures) == len(wanted) else None


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
        return rgb_view(self._painter.reformat(frame, format="rgb24", threads=1))

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
