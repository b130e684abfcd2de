"""Packets of a source that can be written as they are: whole pictures from a closed start on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from av.packet import Packet
from av.video.stream import VideoStream

from internvid.video.probe import main_video_stream, open_container

_START = b"\0\0\1"
_IDR = 5
# No codec shows a picture later behind others that came after it.
_MOST_REORDERED = 64


@dataclass(frozen=True)
class CopiedPacket:
    """A packet of the source.

    Attributes:
        data: as it lies there.
        pts: stream ticks.
        is_key: whether decoding can begin with it.
    """

    data: bytes = field(repr=False)
    pts: int
    is_key: bool


@dataclass(frozen=True)
class Nals:
    """How a stream of H.264 parts its units, by the bytes that stand before its packets.

    Attributes:
        length_bytes: of the number before each unit; 0 where units are parted by start codes.
        headers: sequence and picture parameter sets that the container holds.
    """

    length_bytes: int
    headers: tuple[bytes, ...]

    @classmethod
    def of(cls, extradata: bytes) -> Nals:
        """Those of a stream.

        Args:
            extradata: of its codec: an `avcC` box or units behind start codes.
        """
        if extradata[:1] != b"\1" or len(extradata) < 7:
            return cls(0, ())
        headers: list[bytes] = []
        at = 5
        for mask in (0x1F, 0xFF):
            count = extradata[at] & mask
            at += 1
            for _ in range(count):
                size = int.from_bytes(extradata[at : at + 2], "big")
                headers.append(extradata[at + 2 : at + 2 + size])
                at += 2 + size
        return cls((extradata[4] & 3) + 1, tuple(headers))

    def units(self, data: bytes) -> Iterator[bytes]:
        """The units of a packet."""
        if not self.length_bytes:
            yield from units_of_stream(data)
            return
        at = 0
        while at + self.length_bytes < len(data):
            size = int.from_bytes(data[at : at + self.length_bytes], "big")
            at += self.length_bytes
            yield data[at : at + size]
            at += size

    def packed(self, units: Iterator[bytes] | tuple[bytes, ...] | list[bytes]) -> bytes:
        """Units as a packet of this stream."""
        if not self.length_bytes:
            return b"".join(b"\0" + _START + unit for unit in units)
        return b"".join(len(unit).to_bytes(self.length_bytes, "big") + unit for unit in units)


def units_of_stream(data: bytes) -> Iterator[bytes]:
    """Units that are parted by start codes."""
    at = data.find(_START)
    while at >= 0:
        begin = at + 3
        at = data.find(_START, begin)
        unit = data[begin:] if at < 0 else data[begin:at]
        # A zero before the three bytes belongs to the start code.
        yield unit.rstrip(b"\0") if at >= 0 else unit


@dataclass(frozen=True)
class CopiedRun:
    """Packets of one source, in decoding order, that show all frames between two times.

    Attributes:
        packets: the first one is an IDR picture, so that nothing refers to what was before.
        pts: times of the frames that they show, ascending.
        nals: how they are packed.
    """

    packets: tuple[CopiedPacket, ...]
    pts: tuple[int, ...]
    nals: Nals


def find_run(path: Path, maximum_frame_bytes: int, first_pts: int, frames: int) -> CopiedRun | None:
    """The longest run of packets that shows frames of a window and nothing else.

    It begins with the first IDR picture at or behind the window's start, and ends at the last
    place of the decoding order where everything so far is shown before everything after it.

    Args:
        path: a source of H.264 whose container stores when each frame is shown.
        maximum_frame_bytes: larger pictures are refused.
        first_pts: stream ticks of the window's first frame.
        frames: how many it has.

    Returns:
        None where no picture begins anew in it, or packets do not say when they are shown.
    """
    with open_container(path, maximum_frame_bytes) as container:
        stream = main_video_stream(container)
        nals = Nals.of(bytes(stream.codec_context.extradata or b""))
        _seek(container, stream, first_pts)
        times: set[int] = set()
        kept: list[CopiedPacket] = []
        for packet in container.demux(stream):
            if not packet.size or packet.is_discard:
                continue
            if packet.pts is None:
                return None
            if packet.pts >= first_pts:
                times.add(packet.pts)
            if kept or (packet.pts >= first_pts and _begins_anew(packet, nals)):
                kept.append(CopiedPacket(bytes(packet), packet.pts, packet.is_keyframe))
            if len(times) > frames + _MOST_REORDERED:
                break
    shown = sorted(times)[:frames]
    if not kept or len(shown) < frames or kept[0].pts not in shown:
        return None
    return _clean(kept, [time for time in shown if time >= kept[0].pts], nals)


def _clean(kept: list[CopiedPacket], shown: list[int], nals: Nals) -> CopiedRun | None:
    most, last = 0, kept[0].pts
    for count, packet in enumerate(kept[: len(shown)], 1):
        if packet.pts < kept[0].pts:
            break
        last = max(last, packet.pts)
        # As many packets as frames up to the latest one: none of these is still to come.
        if last <= shown[-1] and last == shown[count - 1]:
            most = count
    if not most or len({packet.pts for packet in kept[:most]}) != most:
        return None
    return CopiedRun(tuple(kept[:most]), tuple(shown[:most]), nals)


def _begins_anew(packet: Packet[Any], nals: Nals) -> bool:
    if not packet.is_keyframe:
        return False
    return any(unit and unit[0] & 31 == _IDR for unit in nals.units(bytes(packet)))


def _seek(container: Any, stream: VideoStream, pts: int) -> None:
    margin = int(1 / (stream.time_base or 1))
    if pts - margin > (stream.start_time or 0):
        container.seek(pts - margin, stream=stream, backward=True)
