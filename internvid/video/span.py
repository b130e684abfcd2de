"""Chosen frames of one span: seek, look at packet times, decode only as far as the last one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path

import av.error
import numpy as np

from internvid.core.errors import VideoUnreadableError
from internvid.core.types import FrameBatch, TimeSpan
from internvid.video.decode import Picture, VideoPass, open_video
from internvid.video.picture import Painter, RGBArray


def read_span(
    path: Path,
    choose: Callable[[int], Sequence[int]],
    *,
    span: TimeSpan | None = None,
    ticks: tuple[int, int] | None = None,
    short_side: int | None = None,
) -> FrameBatch:
    """Frames of a span, chosen by their number in it.

    Args:
        path: a media file.
        choose: given the number of frames in the span, which are wanted: ascending, repeats
            allowed. Asked once.
        span: seconds from the first displayed frame; None is everything.
        ticks: (first, end) of the span in the stream's own clock instead, as rows of clips have
            them (`start_pts`, `end_pts`).
        short_side: pixels of the shorter side; None, or a smaller source, keeps the size.

    Returns:
        RGB frames with their times from the first displayed frame, in seconds.

    Raises:
        VideoError: the source cannot be read, or shows no frame of the span.
    """
    with open_video(path) as opened:
        first, end = ticks or _ticks(opened, span)
        seeks = _seek(opened, first)
        times = _packet_times(opened, first, end)
    if not times:
        raise VideoUnreadableError(f"{path.name} shows no frame of the span", reason="span_missing")
    wanted = [times[at] for at in choose(len(times))]
    with open_video(path) as opened:
        if seeks:
            _seek(opened, first)
        found = _pictures(opened, set(wanted), end, short_side)
        start = opened.stream.start_time or 0
        tick = float(opened.facts.time_base)
    if not found:
        raise VideoUnreadableError(f"{path.name} shows no frame of the span", reason="span_missing")
    # Packet times can lie a little: the frame shown at that time is the one before it.
    shown = sorted(found)
    chosen = [shown[max(0, bisect_right(shown, time) - 1)] for time in wanted]
    seconds = np.array([(time - start) * tick for time in chosen])
    return FrameBatch(np.stack([found[time] for time in chosen]), seconds)


def _ticks(opened: VideoPass, span: TimeSpan | None) -> tuple[int, int]:
    start = opened.stream.start_time or 0
    if span is None:
        return start, 2**62
    # A millisecond: times may have been rounded where they were stored.
    per_second = 1 / opened.facts.time_base
    first, end = (
        start + int((seconds - 1e-3) * per_second)
        for seconds in (span.start_seconds, span.end_seconds)
    )
    return first, end


def _seek(opened: VideoPass, first: int) -> bool:
    # A second early: seeking lands on a key frame at or before, but headers can lie a little.
    margin = int(1 / opened.facts.time_base)
    if first - margin <= (opened.stream.start_time or 0):
        return False
    try:
        opened.container.seek(first - margin, stream=opened.stream, backward=True)
    except av.error.FFmpegError:
        return False  # not seekable: the position is still the start
    return True


def _packet_times(opened: VideoPass, first: int, end: int) -> list[int]:
    times: set[int] = set()
    for packet in opened.container.demux(opened.stream):
        if packet.dts is not None and packet.dts >= end:
            break
        shown = packet.size and packet.pts is not None and not packet.is_discard
        if shown and packet.pts is not None and first <= packet.pts < end:
            times.add(packet.pts)
    return sorted(times)


def _pictures(
    opened: VideoPass, wanted: set[int], end: int, short_side: int | None
) -> dict[int, RGBArray]:
    """Pictures at the wanted times; where a time shows none, the frame before it is there too."""
    found: dict[int, RGBArray] = {}
    last, first = max(wanted), min(wanted)
    painter: Painter | None = None
    for item in opened.read():
        if not isinstance(item, Picture) or item.frame.pts is None:
            continue
        time = item.frame.pts
        if time >= end or (time > last and found):
            break
        painter = painter or Painter(opened.facts, short_side)
        if time in wanted or (time > first and not found):
            found[time] = painter.paint(item.frame)
    return found
