"""Whether a fetched file is a video, whole, and as long as is wanted: in a worker of its own.

Files of strangers are opened in a process that may die. Packets are read to the end, nothing is
decoded: that takes a hundredth of the time, and shows what is cut off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av.error

from internvid.collect.fetching.reasons import NotFetchedError
from internvid.core.errors import VideoError
from internvid.video.probe import main_video_stream, open_container, read_facts

# How much less than its header claims a whole file may show: rounding, and a last frame.
_SLACK_SECONDS = 2.0
_SLACK_SHARE = 0.05
_PACKETS_PER_REPORT = 2000


@dataclass(frozen=True)
class MediaFacts:
    """What a file is.

    Attributes:
        container, codec: FFmpeg's names.
        width, height: as shown, pixels.
        fps: as the header claims.
        seconds: from the first to the end of the last picture, by its packets.
        has_audio: whether there is a sound track.
        bytes: size of the file.
    """

    container: str
    codec: str
    width: int
    height: int
    fps: float
    seconds: float
    has_audio: bool
    bytes: int


def check_media(path: Path, report: Callable[[Any], None]) -> MediaFacts:
    """Read a file through.

    Args:
        path: the file.
        report: called now and then, as a sign of life.

    Raises:
        NotFetchedError: it is no video (`not_video`), or breaks off (`truncated`).
    """
    try:
        with open_container(path) as container:
            stream = main_video_stream(container)
            facts = read_facts(path, container, stream)
            first, last, count = None, 0.0, 0
            for packet in container.demux(stream):
                if packet.pts is None or packet.time_base is None:
                    continue
                count += 1
                at = float(packet.pts * packet.time_base)
                first = at if first is None else min(first, at)
                last = max(last, at + float((packet.duration or 0) * packet.time_base))
                if count % _PACKETS_PER_REPORT == 0:
                    report(count)
    except VideoError as error:
        raise NotFetchedError(error.message, "not_video") from error
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise NotFetchedError(f"it breaks off: {type(error).__name__}", "truncated") from error
    if first is None:
        raise NotFetchedError("it has no picture in it", "not_video")
    seconds = last - first
    claimed = facts.claimed_seconds
    least = (claimed or 0.0) * (1 - _SLACK_SHARE) - _SLACK_SECONDS
    # Fragments claim the time since the stream began; there is no telling what is missing.
    if claimed is not None and seconds < least and not _is_fragment(claimed, first):
        raise NotFetchedError(
            f"it claims {claimed:.1f} s and has pictures for {seconds:.1f} s", "truncated"
        )
    width, height = facts.display_size
    return MediaFacts(
        facts.container,
        facts.codec,
        width,
        height,
        round(facts.fps, 3),
        round(seconds, 3),
        facts.has_audio,
        facts.file_bytes,
    )


def _is_fragment(claimed_seconds: float, first_seconds: float) -> bool:
    return first_seconds > 1.0 or claimed_seconds > 100_000
