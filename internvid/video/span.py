"""Chosen frames of one span: seek, look at packet times, decode only as far as the last one."""

from __future__ import annotations

import contextlib
import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av.error
import numpy as np
import numpy.typing as npt

from internvid.core.errors import VideoError, VideoUnreadableError
from internvid.core.types import FrameBatch, TimeSpan
from internvid.video.decode import Picture, VideoPass, open_video
from internvid.video.display.picture import Painter, RGBArray
from internvid.video.reader import seek_before
from internvid.video.timing.packet_times import read_packet_times, stores_times

Choose = Callable[[int], Sequence[int]]
"""Given how many frames there are, which are wanted: ascending, repeats allowed. Asked once."""

# Recordings are often joined ones, whose clock starts again: a time then means several frames.
_OFTEN_JOINED = "mpegts"


def read_span(
    path: Path, choose: Choose, *, span: TimeSpan | None = None, short_side: int | None = None
) -> FrameBatch:
    """Frames of a span, chosen by their number in it.

    Where the container states when each frame is shown, reading begins shortly before the span,
    elsewhere at the start of the source.

    Args:
        path: a media file.
        choose: given the number of frames in the span, which are wanted.
        span: seconds from the first displayed frame; None is everything.
        short_side: pixels of the shorter side; None, or a smaller source, keeps the size.

    Returns:
        RGB frames with their times from the first displayed frame, in seconds.

    Raises:
        VideoError: the source cannot be read, or shows no frame of the span.
    """
    plan = _sought(path, span)
    chosen = _Chosen(choose)
    if plan is not None:
        wanted = chosen.of(plan.times)
        with contextlib.suppress(VideoError, av.error.FFmpegError), open_video(path) as opened:
            if plan.first is not None:
                seek_before(opened, plan.first)
            pictures = (item for item in opened.read() if isinstance(item, Picture))
            timed = ((item.frame.pts, item) for item in pictures if item.frame.pts is not None)
            found = _paint(opened, timed, wanted, plan.end, short_side)
            if found and not opened.report.repaired_times:
                return _batch(found, wanted, plan)
    plan = _in_order(path, span)
    wanted = chosen.of(plan.times)
    with open_video(path) as opened:
        pictures = (item for item in opened.read() if isinstance(item, Picture))
        timed = ((item.ticks, item) for item in pictures)
        found = _paint(opened, timed, wanted, plan.end, short_side)
    if not found:
        raise _missing(path)
    return _batch(found, wanted, plan)


@dataclass(frozen=True)
class _Plan:
    """Frames of a span before any is decoded.

    Attributes:
        times: of its frames, ascending, in ticks. end: of the span.
        zero: the first displayed frame of the source.
        tick: seconds.
        first: where to seek to; None for the start.
    """

    times: Sequence[int]
    end: int
    zero: int
    tick: Fraction
    first: int | None = None


@dataclass
class _Chosen:
    """The answer of `choose`, which is called once though a source may be read twice."""

    choose: Choose
    numbers: Sequence[int] | None = None
    available: int = 0

    def of(self, times: Sequence[int]) -> list[int]:
        """The chosen ones of the times of a span's frames."""
        if self.numbers is None:
            self.numbers, self.available = self.choose(len(times)), len(times)
        if len(times) != self.available:  # the first reading was mistaken about how many there are
            scale = len(times) / self.available
            return [times[min(len(times) - 1, int(at * scale))] for at in self.numbers]
        return [times[at] for at in self.numbers]


def _missing(path: Path) -> VideoUnreadableError:
    return VideoUnreadableError(f"{path.name} shows no frame of the span", reason="span_missing")


def _sought(path: Path, span: TimeSpan | None) -> _Plan | None:
    """The span as packets near it state; None where these cannot be trusted."""
    with open_video(path) as opened:
        container = opened.facts.container
        if not stores_times(container) or container == _OFTEN_JOINED:
            return None
        zero, tick = opened.stream.start_time or 0, opened.facts.time_base
        first, end = _ticks(span, tick)
        first, end = first + zero, end + zero
        seeks = seek_before(opened, first)
        try:
            times = _packet_times(opened, first, end)
        except (av.error.FFmpegError, OSError):
            return None
    return _Plan(times, end, zero, tick, first if seeks else None) if times else None


def _in_order(path: Path, span: TimeSpan | None) -> _Plan:
    """The span as all packets state, or as decoding shows.

    Raises:
        VideoError: no frame lies in it.
    """
    stated = read_packet_times(path)
    times: npt.NDArray[np.int64] = stated.pts - stated.pts[:1]
    if not stated.is_complete:
        with open_video(path) as opened:
            shown = [item.ticks for item in opened.read() if isinstance(item, Picture)]
        times = np.asarray(shown, np.int64)
    first, end = _ticks(span, stated.time_base)
    inside = times[(times >= first) & (times < end)].tolist()
    if not inside:
        raise _missing(path)
    return _Plan(inside, end, 0, stated.time_base)


def _ticks(span: TimeSpan | None, tick: Fraction) -> tuple[int, int]:
    if span is None:
        return 0, 2**62
    # A millisecond: times may have been rounded where they were stored. A tick may be a frame.
    edges = span.start_seconds, span.end_seconds
    first, end = (math.ceil((time - 1e-3) / tick) for time in edges)
    return first, end


def _packet_times(opened: VideoPass, first: int, end: int) -> list[int]:
    times: set[int] = set()
    for packet in opened.container.demux(opened.stream):
        if packet.dts is not None and packet.dts >= end:
            break
        shown = packet.size and packet.pts is not None and not packet.is_discard
        if shown and packet.pts is not None and first <= packet.pts < end:
            times.add(packet.pts)
    return sorted(times)


def _paint(
    opened: VideoPass,
    timed: Iterator[tuple[int, Picture]],
    wanted: Sequence[int],
    end: int,
    short_side: int | None,
) -> dict[int, RGBArray]:
    """Pictures at the wanted times; where a time shows none, the frame before it is there too."""
    found: dict[int, RGBArray] = {}
    if not wanted:
        return found
    last, first, times = wanted[-1], wanted[0], set(wanted)
    painter: Painter | None = None
    for time, item in timed:
        if time >= end or (time > last and found):
            break
        painter = painter or Painter(opened.facts, short_side)
        if time in times or (time > first and not found):
            found[time] = painter.paint(item.frame)
    return found


def _batch(found: dict[int, RGBArray], wanted: Sequence[int], plan: _Plan) -> FrameBatch:
    # Packet times can lie a little: the frame shown at that time is the one before it.
    shown = sorted(found)
    chosen = [shown[max(0, bisect_right(shown, time) - 1)] for time in wanted]
    seconds = np.array([float((time - plan.zero) * plan.tick) for time in chosen])
    return FrameBatch(np.stack([found[time] for time in chosen]), seconds)
