"""Frame shards for training: 32 frames a clip, short GOPs that fit the sampling intervals."""

from __future__ import annotations

import functools
import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, TypedDict

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from internvid.core.contracts import ExportItem
from internvid.core.errors import ConfigInvalidError, VideoUnreadableError
from internvid.core.sequences import spread
from internvid.dataset.frame_shards import INDEX, INDEX_SCHEMA
from internvid.dataset.parts import commit_table, rows_to_table
from internvid.publishing.members import refuse_quality
from internvid.publishing.shards import WrittenClip, add_file, write_shards
from internvid.publishing.source_files import ClipReader, span_of
from internvid.video.reader import read_chosen

_IDS = frozenset({"clip_id", "video_id", "source_id", "transition", "reason"})
# The clock of a written clip means nothing: frames are known by number.
_RATE = 8


@dataclass(frozen=True)
class FramesExporter:
    """Shards `shard-000000.tar` of `<clip_id>.mp4`, and `index.parquet`.

    The layout is described in `internvid.dataset.frame_shards`.

    Attributes:
        clips_per_shard: how many clips a shard takes.
        frames: of a clip, the middles of equal intervals; shorter clips keep all they have.
        gop: frames from one key frame to the next; with `frames` / `gop` sampling intervals a
            random frame of each costs at most `gop` decoded ones.
        short_side: pixels of the shorter side; smaller sources stay.
        crf: x264 quality, lower is better.
    """

    version: ClassVar[int] = 4
    clips_per_shard: int = 1000
    frames: int = 32
    gop: int = 4
    short_side: int = 256
    crf: int = 23

    def __post_init__(self) -> None:
        for name in ("clips_per_shard", "frames", "gop", "short_side"):
            if getattr(self, name) < 1:
                raise ConfigInvalidError(f"{name} must be at least 1, got {getattr(self, name)}")
        refuse_quality(self.crf)

    def export(self, items: Iterable[ExportItem], folder: Path) -> dict[str, Any]:
        """Write every clip whose source can be read; the others are listed with their reason."""
        manifest: dict[str, Any] = {"files": [], "clips": 0, "missing": []}
        rows: list[WrittenClip] = []
        reader = ClipReader()
        add = functools.partial(self._add, reader)
        for shard in write_shards(items, folder, self.clips_per_shard, add):
            manifest["files"] += [shard.name] if shard.name else []
            manifest["missing"] += shard.missing
            for row in shard.clips:
                # Notes are JSON, which has no bytes and no pairs.
                values = {
                    "shard": shard.name,
                    "texts": sorted(row["texts"].items()),
                    "codec_header": bytes.fromhex(row["codec_header"]),
                }
                rows.append(row | values)
        reader.close()
        manifest["clips"] = len(rows)
        commit_table(folder / INDEX, rows_to_table(rows, INDEX_SCHEMA))
        manifest["files"].append(INDEX)
        return manifest

    def _add(self, reader: ClipReader, shard: tarfile.TarFile, item: ExportItem) -> WrittenClip:
        frames = read_chosen(
            reader.of(item),
            span_of(item),
            lambda available: spread(range(available), self.frames),
            self.short_side,
        )
        try:
            clip = encode_clip(frames, self.gop, self.crf)
        except (av.error.FFmpegError, ValueError) as error:
            raise VideoUnreadableError(
                f"its frames cannot be encoded: {type(error).__name__}", reason="not_encodable"
            ) from error
        texts = {
            name: value
            for name, value in item.row.items()
            if isinstance(value, str) and name not in _IDS
        }
        return {
            "clip_id": item.clip.clip_id,
            "source_id": item.row.get("source_id") or item.clip.video_id,
            "texts": texts,
            "uri": item.uri,
            "metadata": json.dumps(dict(item.metadata), sort_keys=True, ensure_ascii=False),
            "gop": self.gop,
            "offset": add_file(shard, f"{item.clip.clip_id}.mp4", clip.data),
            **clip.facts,
        }


class EncodedFacts(TypedDict):
    """What the index says of the bytes of a clip; `codec_header` in hexadecimal digits."""

    frames: int
    width: int
    height: int
    codec_header: str
    packet_offsets: list[int | None]
    packet_bytes: list[int]


@dataclass(frozen=True)
class EncodedClip:
    """A written MP4 and what the index says of it."""

    data: bytes = field(repr=False)
    facts: EncodedFacts


def encode_clip(frames: npt.NDArray[np.uint8], gop: int, crf: int) -> EncodedClip:
    """H.264 in MP4: a key frame every `gop` frames, none that refers to later ones.

    Args:
        frames: uint8 RGB [T, H, W, 3]; an odd last row or column is cut off.
        gop: frames from key frame to key frame.
        crf: x264 quality.
    """
    height, width = (side - side % 2 for side in frames.shape[1:3])
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=_RATE)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = Fraction(1, _RATE)
        stream.options = {
            "crf": str(crf),
            # Slower presets were seen to give other bytes from run to run.
            "preset": "superfast",
            # No CABAC and no deblocking: a third less work for every epoch to come.
            "tune": "fastdecode",
            "x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes=0:open-gop=0",
        }
        for at, picture in enumerate(frames):
            even = np.ascontiguousarray(picture[:height, :width])
            frame = VideoFrame.from_ndarray(even, format="rgb24")
            frame.pts, frame.time_base = at, Fraction(1, _RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = buffer.getvalue()
    with av.open(io.BytesIO(data), "r") as written:
        video = written.streams.video[0]
        header = bytes(video.codec_context.extradata or b"")
        packets = [packet for packet in written.demux(video) if packet.size]
    facts: EncodedFacts = {
        "frames": len(packets),
        "width": width,
        "height": height,
        "codec_header": header.hex(),
        "packet_offsets": [packet.pos for packet in packets],
        "packet_bytes": [packet.size for packet in packets],
    }
    return EncodedClip(data, facts)
