"""Exact frames of a video file: chosen by index among those displayed, decoded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from internvid.core.errors import VideoUnreadableError
from internvid.core.types import FloatArray, FrameBatch, TimeSpan
from internvid.models.viclip.preprocess import sample_frames
from internvid.video.decode import Picture, open_video
from internvid.video.display.picture import Painter, RGBArray
from internvid.video.timing.packet_times import read_packet_times


def read_frames(
    path: str | Path, count: int, *, sampling: str = "middle", span: TimeSpan | None = None
) -> FrameBatch:
    """The frames that stand for a video file, or for a span of it.

    Packet times say beforehand which frames will be wanted, so that one pass is enough; where
    they were wrong, a second pass reads by the true times.

    Args:
        path: a media file.
        count: frames wanted; the last is repeated if there are fewer.
        sampling: see `sample_frames`.
        span: seconds from the first displayed frame; None is everything.

    Returns:
        `count` RGB frames at full size, upright, with their times.

    Raises:
        VideoError: its reason says why the file cannot be used.
    """
    return read_chosen(path, lambda times: sample_frames(len(times), count, sampling), span=span)


def read_chosen(
    path: str | Path, choose: Callable[[FloatArray], Sequence[int]], *, span: TimeSpan | None = None
) -> FrameBatch:
    """The frames that a rule chooses by their times.

    Args:
        path: a media file.
        choose: from the seconds of all frames of the span to the indices of those wanted; it is
            called twice, since packet times may be wrong, and not for a span without frames.
        span: see `read_frames`.

    Raises:
        VideoError: see `read_frames`; or what `choose` raises.
    """
    path = Path(path)
    guess = _packet_seconds(path)
    wanted = _choose(guess, choose, span) if len(guess) else []
    times, pictures = _decode(path, set(wanted))
    chosen = _choose(times, choose, span)
    if not chosen:
        raise VideoUnreadableError(f"{path.name} shows no frame in {span}", reason="no_frames")
    if not set(chosen) <= set(pictures):
        times, pictures = _decode(path, set(chosen))
    return FrameBatch(np.stack([pictures[at] for at in chosen]), times[chosen])


def _choose(
    times: FloatArray, choose: Callable[[FloatArray], Sequence[int]], span: TimeSpan | None
) -> list[int]:
    first, last = 0, len(times)
    if span is not None:
        # A millisecond: times may have been rounded where they were stored.
        first = int(np.searchsorted(times, span.start_seconds - 1e-3))
        last = int(np.searchsorted(times, span.end_seconds - 1e-3))
    if last <= first:
        return []
    return [first + at for at in choose(times[first:last])]


def _packet_seconds(path: Path) -> FloatArray:
    """Display times that the packets announce, sorted, from the first one; without decoding."""
    times = read_packet_times(path)
    ticks = times.pts if times.is_complete else times.pts[:0]
    return np.asarray((ticks - ticks[:1]) * float(times.time_base), np.float64)


def _decode(path: Path, wanted: set[int]) -> tuple[FloatArray, dict[int, RGBArray]]:
    """Times of all displayed frames, and the pictures of those wanted."""
    ticks: list[int] = []
    pictures: dict[int, RGBArray] = {}
    painter: Painter | None = None
    with open_video(path) as opened:
        for item in opened.read():
            if not isinstance(item, Picture):
                continue
            # Facts are complete once a frame was decoded.
            painter = painter or Painter(opened.facts)
            if len(ticks) in wanted:
                pictures[len(ticks)] = painter.paint(item.frame)
            ticks.append(item.ticks)
        time_base = float(opened.facts.time_base)
    return np.asarray(ticks, dtype=np.float64) * time_base, pictures
