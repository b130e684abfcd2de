"""Reads the very frames of a source that a scan numbered, whatever its container can seek to."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av.error
import numpy as np
from av.audio.frame import AudioFrame

from internvid.core.errors import VideoError, VideoUnreadableError
from internvid.video.decode import Between, DecodeOptions, Picture, VideoPass, open_video
from internvid.video.display.picture import Painter, RGBArray
from internvid.video.probe import MAXIMUM_FRAME_BYTES
from internvid.video.timing.packet_times import stores_times

T = TypeVar("T")
# Reading on is cheaper than seeking, which lands on a key frame more than a second before.
_NEAR_SECONDS = 5


@dataclass(frozen=True)
class FrameSpan:
    """Frames of a source that follow one another, as a scan numbered and timed them.

    Attributes:
        start_pts, end_pts: stream ticks of the first frame and of the end; half-open.
        first, stop: numbers of the first frame and of the one behind the last, among all displayed
            frames; None where the scan skipped frames and so did not number them.
        is_timed: whether the scan met each frame with a time of its own.
    """

    start_pts: int
    end_pts: int
    first: int | None = None
    stop: int | None = None
    is_timed: bool = False

    @property
    def frames(self) -> int | None:
        """How many frames the span has, where they are numbered."""
        return None if self.first is None or self.stop is None else self.stop - self.first


@dataclass(frozen=True)
class SpanFrame:
    """One frame of a span: the picture, and its ticks from the first frame of the span."""

    picture: Picture
    ticks: int


Use = Callable[[VideoPass, Iterator[SpanFrame]], T]
"""Reads frames of a span to its end, and makes something of them. May be called twice."""
Choose = Callable[[Sequence[int]], Iterable[int]]
"""Which frames of a span are needed: their times in ticks from its first one, of all of them."""


@dataclass
class SpanReader:
    """Reads spans of one source, with little work where they come in order.

    A span is sought where every frame has its own time in the stream, and the next one behind it is
    read on to, so that the clips of a source are decoded in one pass. What was read then counts
    only if it begins at the span's first frame and holds as many as the scan saw. Everything else
    is read as the scan read it, from the start of the source or from where the span before ended,
    and identified by number.

    Attributes:
        path: the source.
        maximum_frame_bytes: larger pictures are refused.
    """

    path: Path
    maximum_frame_bytes: int = MAXIMUM_FRAME_BYTES
    _source: contextlib.ExitStack | None = field(default=None, repr=False)
    _opened: VideoPass | None = field(default=None, repr=False)
    _pictures: Iterator[Picture] = field(default_factory=lambda: iter(()), repr=False)
    _ahead: Picture | None = field(default=None, repr=False)
    _at: int = 0
    _sought: _SoughtPass | None = field(default=None, repr=False)
    _timed: tuple[contextlib.ExitStack, VideoPass] | None = field(default=None, repr=False)

    @property
    def time_base(self) -> Fraction:
        """Seconds per tick of the source.

        Raises:
            VideoError: it cannot be read.
        """
        return self._begun().facts.time_base

    def close(self) -> None:
        """Let go of the source."""
        self._let_go_of_sought()
        if self._timed is not None:
            self._timed[0].close()
            self._timed = None
        if self._source is not None:
            self._source.close()
        self._source = self._opened = self._ahead = None

    def read(self, span: FrameSpan, use: Use[T], choose: Choose | None = None) -> T:
        """What `use` makes of exactly the frames of a span.

        Args:
            span: which frames.
            use: is called with the pass (its facts are complete with the first frame) and the
                frames; once more where seeking did not find them all.
            choose: which frames `use` needs; others may be missing among what it gets. All when
                None.

        Raises:
            VideoError: the source cannot be read, or does not show these frames (`span_missing`).
        """
        if self._may_seek(span):
            with contextlib.suppress(VideoError, av.error.FFmpegError, OSError, ValueError):
                found, made = self._read_sought(span, use, choose)
                if found:
                    return made
            self._let_go_of_sought()
        try:
            return self._read_in_order(span, use)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            self.close()
            raise VideoUnreadableError(
                f"its frames cannot be read again: {type(error).__name__}"
            ) from error
        except BaseException:
            self.close()
            raise

    def count(self, span: FrameSpan) -> int:
        """How many frames a span has: as the scan numbered them, else counted without painting.

        Raises:
            VideoError: the source cannot be read.
        """
        if span.frames is not None:
            return span.frames
        if self._may_seek(span):
            with contextlib.suppress(av.error.FFmpegError):
                return len(self._times(span))
        return self.read(replace(span, is_timed=False), lambda _, frames: sum(1 for _ in frames))

    def _read_sought(self, span: FrameSpan, use: Use[T], choose: Choose | None) -> tuple[bool, T]:
        """Whether the frames between two times are those of the span, and what was made of them."""
        sought = self._sought
        if sought is None or not sought.is_near(span):
            self._let_go_of_sought()
            stack = contextlib.ExitStack()
            opened = stack.enter_context(open_video(self.path, self._options()))
            sought = self._sought = _SoughtPass(stack, opened)
            seek_before(opened, span.start_pts)
        needed: frozenset[int] | None = None
        if choose is not None and sought.opened.leaves_out:
            times = self._times(span)
            chosen = choose([time - span.start_pts for time in times])
            # The first one shows that the span begins where it should.
            needed = frozenset([span.start_pts, *(span.start_pts + ticks for ticks in chosen)])
            if span.frames not in (None, len(times)) or not needed <= set(times):
                needed = None
        if choose is not None or sought.opened.is_needed is not None:
            sought.need(span, needed)
        counted = _Counted(sought.following(span), needed)
        made = use(sought.opened, counted)
        if needed is not None:
            found = counted.are(None) and counted.needed_seen == len(needed)
        else:
            found = counted.are(self.count(span))
        return found and counted.first_pts == span.start_pts, made

    def _let_go_of_sought(self) -> None:
        if self._sought is not None:
            self._sought.stack.close()
        self._sought = None

    def _may_seek(self, span: FrameSpan) -> bool:
        return span.is_timed and stores_times(self._begun().facts.container)

    def _times(self, span: FrameSpan) -> list[int]:
        """When frames of a span are shown, by its packets: stream ticks."""
        opened = self._timed_before(span.start_pts)
        times: set[int] = set()
        for packet in opened.container.demux(opened.stream):
            if packet.dts is not None and packet.dts >= span.end_pts:
                break
            if packet.size and packet.pts is not None and not packet.is_discard:
                times.add(packet.pts)
        return sorted(time for time in times if span.start_pts <= time < span.end_pts)

    def _timed_before(self, pts: int) -> VideoPass:
        """A pass for times of packets alone, at a key frame before a time."""
        if self._timed is not None:
            stack, opened = self._timed
            if seek_before(opened, pts):
                return opened
            stack.close()
        stack = contextlib.ExitStack()
        opened = stack.enter_context(open_video(self.path, self._options()))
        self._timed = stack, opened
        seek_before(opened, pts)
        return opened

    def _options(self) -> DecodeOptions:
        return DecodeOptions(maximum_frame_bytes=self.maximum_frame_bytes)

    def _begun(self) -> VideoPass:
        if self._opened is None:
            self._source = contextlib.ExitStack()
            self._opened = self._source.enter_context(open_video(self.path, self._options()))
            read = self._opened.read()
            self._pictures = (item for item in read if isinstance(item, Picture))
            self._ahead, self._at = None, 0
        return self._opened

    def _read_in_order(self, span: FrameSpan, use: Use[T]) -> T:
        if self._is_past(span):
            self.close()
        opened = self._begun()
        counted = _Counted(self._following(span))
        made = use(opened, counted)
        if not counted.count or not counted.are(span.frames):
            wanted = "" if span.frames is None else f" of {span.frames}"
            raise VideoUnreadableError(
                f"the source shows {counted.count}{wanted} frames of the span",
                reason="span_missing",
            )
        return made

    def _is_past(self, span: FrameSpan) -> bool:
        if span.first is not None:
            return self._at > span.first
        return self._ahead is not None and self._pts(self._ahead) > span.start_pts

    def _pts(self, picture: Picture) -> int:
        assert self._opened is not None
        return self._opened.report.start_pts + picture.ticks

    def _following(self, span: FrameSpan) -> Generator[SpanFrame]:
        first_ticks: int | None = None
        while span.stop is None or self._at < span.stop:
            picture = self._ahead or next(self._pictures, None)
            self._ahead = None
            if picture is None:
                return
            if span.first is None and self._pts(picture) >= span.end_pts:
                self._ahead = picture
                return
            is_inside = (
                self._at >= span.first
                if span.first is not None
                else self._pts(picture) >= span.start_pts
            )
            self._at += 1
            if is_inside:
                first_ticks = picture.ticks if first_ticks is None else first_ticks
                yield SpanFrame(picture, picture.ticks - first_ticks)


@dataclass
class _Counted:
    """Frames that are counted as they pass.

    Attributes:
        frames: of a span.
        needed: stream times of some of them; None where all count.
        count: how many came.
        needed_seen: how many of the needed ones came.
        first_pts: stream time of the first one.
    """

    frames: Iterator[SpanFrame]
    needed: frozenset[int] | None = None
    count: int = 0
    needed_seen: int = 0
    first_pts: int | None = None

    def __iter__(self) -> Iterator[SpanFrame]:
        return self

    def __next__(self) -> SpanFrame:
        frame = next(self.frames)
        if not self.count:
            self.first_pts = frame.picture.frame.pts
        self.count += 1
        self.needed_seen += self.needed is not None and frame.picture.frame.pts in self.needed
        return frame

    def are(self, wanted: int | None) -> bool:
        """Whether as many came as there must be, and none is left."""
        return next(self, None) is None and self.count > 0 and wanted in (None, self.count)


@dataclass
class _SoughtPass:
    """A pass that began at a key frame before a span, and goes on from span to span.

    Attributes:
        stack: closes it.
        opened: the source, from there on.
    """

    stack: contextlib.ExitStack
    opened: VideoPass
    _pictures: Iterator[Picture | Between | AudioFrame] | None = None
    _ahead: Picture | None = None
    _end_pts: int | None = None

    def is_near(self, span: FrameSpan) -> bool:
        """Whether reading on to a span costs less than seeking it."""
        if self._ahead is None or self._end_pts is None:
            return False
        passed_over = (span.start_pts - self._end_pts) * self.opened.facts.time_base
        return 0 <= passed_over <= _NEAR_SECONDS

    def need(self, span: FrameSpan, needed: frozenset[int] | None) -> None:
        """Say which frames of the next span are needed; all when None.

        Whatever lies behind the span is: the decoder runs ahead, and the next span may need it.
        """
        if needed is None:
            self.opened.is_needed = _any
        else:
            end = span.end_pts
            self.opened.is_needed = lambda pts: pts >= end or pts in needed

    def following(self, span: FrameSpan) -> Iterator[SpanFrame]:
        """Frames between the two times of a span, none of which was read before."""
        self._pictures = self._pictures or self.opened.read()
        ahead, self._ahead = self._ahead, None
        for item in itertools.chain(() if ahead is None else (ahead,), self._pictures):
            if not isinstance(item, Picture) or item.frame.pts is None:
                continue
            if item.frame.pts >= span.end_pts:
                self._ahead, self._end_pts = item, span.end_pts
                return
            if item.frame.pts >= span.start_pts:
                yield SpanFrame(item, item.frame.pts - span.start_pts)


def _any(_: int) -> bool:
    return True


def seek_before(opened: VideoPass, pts: int) -> bool:
    """Go to a key frame before a time of the stream; whether the position is no more the start.

    Args:
        opened: not read yet, or read before.
        pts: stream ticks.
    """
    # A second early: seeking lands on a key frame at or before, but headers can lie a little.
    margin = int(1 / opened.facts.time_base)
    if pts - margin <= (opened.stream.start_time or 0):
        return False
    try:
        opened.container.seek(pts - margin, stream=opened.stream, backward=True)
    except av.error.FFmpegError:
        return False  # not seekable: the position is still the start
    return True


def read_chosen(
    reader: SpanReader,
    span: FrameSpan,
    choose: Callable[[int], Sequence[int]],
    short_side: int | None = None,
) -> RGBArray:
    """Some frames of a span, chosen by their number in it.

    Args:
        reader: of the source.
        span: which frames there are.
        choose: given how many these are, which are wanted: ascending, repeats allowed. Called once.
        short_side: pixels of the shorter side; None, or a smaller source, keeps the size.

    Returns:
        uint8 RGB [T, H, W, 3], all of the size of the first; others are fitted into it.

    Raises:
        VideoError: the source cannot be read, or does not show these frames.
    """
    available = reader.count(span)
    wanted = choose(available) if available else []

    def paint(opened: VideoPass, frames: Iterator[SpanFrame]) -> RGBArray:
        found: dict[int, RGBArray] = {}
        painter: Painter | None = None
        chosen, count = set(wanted), 0
        for at, item in enumerate(frames):
            painter = painter or Painter(opened.facts, short_side)
            if at in chosen:
                found[at] = painter.paint(item.picture.frame)
            count = at + 1
        if count != available or not found:
            raise VideoUnreadableError(
                f"the source shows {count} of {available} frames of the span",
                reason="span_missing",
            )
        return np.stack([found[at] for at in wanted])

    return reader.read(span, paint)
