"""What the packets of a source state of its frames' times, read without decoding."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av.error
import numpy as np
import numpy.typing as npt

from internvid.video.probe import MAXIMUM_FRAME_BYTES, main_video_stream, open_container
from internvid.video.timing.clock import Jumps

# FFmpeg's names, by the first of several. These store when each frame is shown, so that a frame has
# the same time wherever reading began. Others leave it to be worked out from what went before.
_STORING = frozenset({"mov", "matroska", "flv", "mpegts", "nut"})


def stores_times(container: str) -> bool:
    """Whether files of a container (FFmpeg's name) state of each frame when it is shown."""
    return container.split(",", maxsplit=1)[0] in _STORING


def has_own_times(video: Mapping[str, Any]) -> bool:
    """Whether a scan met each frame of a video whole and with a time of its own.

    Args:
        video: `repaired_times`, `damaged_packets` and `damaged_frames`, as in its row of `videos`.
    """
    worries = ("repaired_times", "damaged_packets", "damaged_frames")
    return all(video.get(name) == 0 for name in worries)


@dataclass(frozen=True)
class PacketTimes:
    """Times of display that packets state.

    Attributes:
        pts: int64 [N], ascending: one a displayed frame, in stream ticks.
        time_base: seconds per tick.
        is_complete: whether each packet states one and the clock never starts again, so that the
            n-th frame shown has the n-th time.
        obstacle: why frames cannot be identified by these times; None where they can.
    """

    pts: npt.NDArray[np.int64] = field(repr=False)
    time_base: Fraction
    is_complete: bool
    obstacle: str | None


def read_packet_times(path: Path, maximum_frame_bytes: int = MAXIMUM_FRAME_BYTES) -> PacketTimes:
    """Read all packets of the main video stream.

    Args:
        path: a media file.
        maximum_frame_bytes: as in the scan.

    Raises:
        VideoError: the source cannot be opened or has no video stream.
    """
    pts = array("q")
    latest: int | None = None
    decoded: int | None = None
    obstacle, is_reordered, is_complete = None, False, True
    with open_container(path, maximum_frame_bytes) as container:
        stream = main_video_stream(container)
        if not stores_times(container.format.name):
            obstacle = "its container does not store when frames are shown"
        time_base = Fraction(stream.time_base or 1)
        jumps = Jumps.of(time_base, container.format.name)
        context = stream.codec_context
        may_reorder = bool(context is not None and context.has_b_frames)
        try:
            for packet in container.demux(stream):
                if not packet.size or packet.is_discard:
                    continue
                if packet.pts is None:
                    obstacle, is_complete = obstacle or "packets without a time", False
                    continue
                if jumps.are_met(packet, latest, decoded):
                    obstacle, is_complete = obstacle or "its clock starts again", False
                is_reordered |= latest is not None and packet.pts < latest
                latest = packet.pts if latest is None else max(latest, packet.pts)
                decoded = packet.dts
                pts.append(packet.pts)
        except (av.error.FFmpegError, OSError):
            # A truncated file; decoding will show how far it goes.
            obstacle = obstacle or "it ends with an error"
    times = np.sort(np.frombuffer(pts, np.int64)) if pts else np.zeros(0, np.int64)
    if obstacle is None and may_reorder and not is_reordered:
        obstacle = "its times are those of decoding"
    if obstacle is None and np.any(np.diff(times) == 0):
        obstacle = "two frames have one time"
    return PacketTimes(times, time_base, is_complete and len(times) > 0, obstacle)
