"""Writes the windows of one clip in one pass over its frames."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import av.error
from av.video.frame import VideoFrame

from internvid.core.errors import VideoError, VideoUnreadableError
from internvid.video.cutting.cut_check import check_written
from internvid.video.cutting.cut_edges import Bars
from internvid.video.cutting.cut_picture import ClipPainter
from internvid.video.cutting.cut_plan import CutPlan
from internvid.video.cutting.cut_sound import Sound, SoundReader
from internvid.video.cutting.cut_windows import (
    TOO_SHORT,
    Window,
    frames_at_rate,
    plan_windows,
    slack_of,
    unused_frames,
)
from internvid.video.cutting.lossless_file import LosslessFile, LosslessSource
from internvid.video.cutting.window_file import WindowFile
from internvid.video.decode import VideoPass
from internvid.video.display.tone import DynamicRange, dynamic_range_of
from internvid.video.reader import FrameSpan, SpanFrame, SpanReader
from internvid.video.timing.packet_times import stores_times

# Times of single frames are repaired; that moves no sound.
_REPAIRED_SECONDS = Fraction(1, 10)

KEPT, NO_SOUND, UNSURE = "kept", "none", "unsure"


@dataclass(frozen=True)
class WrittenWindow:
    """One file, proved to hold what it should.

    Attributes:
        window: which frames, at the written rate.
        seconds: how long it is.
        size: (width, height).
        sound: `kept`; `none` where there is none or none was wanted; `unsure` where the source's
            clock jumps, so that no one can say which sound belongs to these frames.
        data: MP4.
        dynamic_range: how the source codes light in its first frame: `sdr`, `pq` or `hlg`; what is
            written is standard range.
        copied_share: with a lossless plan, how many of its frames are the source's own packets, of
            all; the others are encoded without loss. None with other plans.
    """

    window: Window
    seconds: float
    size: tuple[int, int]
    sound: str
    data: bytes = field(repr=False)
    dynamic_range: DynamicRange = "sdr"
    copied_share: float | None = None


@dataclass(frozen=True)
class WrittenClip:
    """The files of a clip, and how many of its frames, at the written rate, are in none."""

    windows: Sequence[WrittenWindow]
    unused_seconds: float


class _ClockJumpError(Exception):
    """The source's clock jumps within the clip."""


class _CopyError(Exception):
    """Copied packets and what was encoded beside them do not show the source's frames."""


def cut_clip(
    reader: SpanReader,
    span: FrameSpan,
    plan: CutPlan,
    bars: Bars | None = None,
    sounds: SoundReader | None = None,
) -> WrittenClip:
    """MP4s (H.264, AAC) of the windows of a clip, each read back and compared.

    Args:
        reader: of the source.
        span: the clip.
        plan: how to cut.
        bars: measured on the clip; None for none.
        sounds: of the source; None writes no sound.

    Raises:
        VideoError: the source cannot be read, does not show these frames (`span_missing`), or is
            too short (`too_short_for_grid`), or a file does not hold what was written
            (`not_proved`).
    """
    available = reader.count(span) if plan.rate is None else None
    copies = plan.lossless and span.is_timed
    choose = None if plan.lossless or plan.rate is None else _Chosen(reader, span, plan.rate, plan)
    heard = sounds if plan.sound_form and sounds is not None and sounds.has_sound else None
    is_sure = True

    def encode(opened: VideoPass, frames: Iterator[SpanFrame]) -> WrittenClip:
        cut = _Cut(reader, opened, span, plan, bars or Bars(), available, copies=copies)
        return cut.write(frames, heard if is_sure else None)

    while True:
        try:
            written = reader.read(span, encode, choose)
        except _ClockJumpError:
            is_sure = False
        except _CopyError:
            copies = False
        else:
            break
    if is_sure:
        return written
    marked = [replace(window, sound=UNSURE) for window in written.windows]
    return replace(written, windows=marked)


@dataclass
class _Cut:
    """One pass over the frames of a clip.

    Attributes:
        reader: of the source.
        opened: the source.
        span, plan, bars: what is cut, and how.
        counted: frames of the span, where its own frames are written.
        copies: whether a lossless plan may copy packets.
    """

    reader: SpanReader
    opened: VideoPass
    span: FrameSpan
    plan: CutPlan
    bars: Bars
    counted: int | None
    copies: bool
    _open: list[WindowFile | LosslessFile] = field(default_factory=list)
    _done: list[WrittenWindow] = field(default_factory=list)
    _sound: Sound | None = None

    def write(self, frames: Iterator[SpanFrame], sounds: SoundReader | None) -> WrittenClip:
        """Read all frames, write all windows."""
        time_base, rate = self.opened.facts.time_base, self.plan.rate
        length = self.span.end_pts - self.span.start_pts
        if rate is None:
            assert self.counted is not None
            available = self.counted
        else:
            available = frames_at_rate(length * time_base, rate, slack_of(time_base))
        windows = plan_windows(available, self.plan)
        if not windows:
            raise VideoUnreadableError(
                f"the clip has {available} frames, fewer than any allowed count", reason=TOO_SHORT
            )
        waiting = list(windows)
        painter: ClipPainter | None = None
        shown: VideoFrame | None = None
        planes: VideoFrame | None = None
        heard = self._hearing(frames, sounds)
        timed = _at_rate(heard, available, rate, time_base) if rate else _own(heard)
        for number, ticks, frame in timed:
            if painter is None and not self.plan.lossless:
                painter = ClipPainter(self.opened.facts, self.plan, self.bars)
                painter.begin(frame)
            self._close(number, ticks)
            while waiting and waiting[0].first <= number:
                self._open.append(self._begin(waiting.pop(0), ticks, frame, painter))
            if not self._open:
                continue
            if planes is None or frame is not shown:
                planes, shown = painter.paint(frame) if painter else frame, frame
            for file in self._open:
                file.add(planes, ticks)
        self._close(available, available if rate else length)
        if self._open or waiting:
            raise VideoUnreadableError(
                "the source shows fewer frames than planned", reason="span_missing"
            )
        unused = unused_frames(available, windows)
        of_clip = float(length * time_base)
        share = Fraction(unused) / rate if rate else of_clip * unused / available
        return WrittenClip(self._done, round(float(share), 6))

    def _hearing(
        self, frames: Iterator[SpanFrame], sounds: SoundReader | None
    ) -> Iterator[SpanFrame]:
        """The frames, after the sound of the clip was read; the clock must run on meanwhile."""
        facts = self.opened.facts
        says_times = stores_times(facts.container)
        for at, item in enumerate(frames):
            if sounds is not None:
                pts = item.picture.frame.pts
                if says_times and pts is not None:
                    moved = pts - self.span.start_pts - item.ticks
                    if abs(moved * facts.time_base) > _REPAIRED_SECONDS:
                        raise _ClockJumpError
                if at == 0:
                    ends = (self.span.start_pts, self.span.end_pts)
                    start, end = (pts * facts.time_base for pts in ends)
                    seeks = self.span.is_timed and says_times
                    rate, channels = self.plan.sound_form or (None, None)
                    self._sound = sounds.read(start, end, seeks=seeks, rate=rate, channels=channels)
            yield item

    def _begin(
        self, window: Window, ticks: int, frame: VideoFrame, painter: ClipPainter | None
    ) -> WindowFile | LosslessFile:
        if painter is None:
            facts, reader = self.opened.facts, self.reader
            may_copy = self.copies and stores_times(facts.container)
            source = LosslessSource(facts, reader.path, reader.maximum_frame_bytes, may_copy)
            return LosslessFile(window, source, self._sound, ticks)
        time_base = self.opened.facts.time_base
        rate = self.plan.rate
        return WindowFile(
            window,
            painter.size,
            time_base if rate is None else 1 / rate,
            rate or Fraction(min(max(self.opened.facts.fps or 25, 1), 240)).limit_denominator(1001),
            self.plan,
            self._sound,
            ticks,
            dynamic_range_of(frame),
        )

    def _close(self, number: int, ticks: int) -> None:
        """Finish the windows that end before a frame."""
        for file in [file for file in self._open if file.window.stop <= number]:
            if isinstance(file, LosslessFile):
                data, seconds, share = _unchanged(file, ticks), file.seconds, file.copied_share
            else:
                data, share = file.finish(ticks), None
                seconds = file.expected.seconds
                check_written(data, file.expected)
            self._done.append(
                WrittenWindow(
                    window=file.window,
                    seconds=float(seconds),
                    size=file.size,
                    sound=KEPT if file.sound is not None else NO_SOUND,
                    data=data,
                    dynamic_range=file.dynamic_range,
                    copied_share=share,
                )
            )
            self._open.remove(file)


@dataclass(frozen=True)
class _Chosen:
    """Which frames of a clip are on screen at the times of its windows; others are not needed."""

    reader: SpanReader
    span: FrameSpan
    rate: Fraction
    plan: CutPlan

    def __call__(self, times: Sequence[int]) -> set[int]:
        """Those of some times, in ticks from the first frame."""
        time_base = self.reader.time_base
        slack = slack_of(time_base)
        length = (self.span.end_pts - self.span.start_pts) * time_base
        windows = plan_windows(frames_at_rate(length, self.rate, slack), self.plan)
        numbers = {at for window in windows for at in range(window.first, window.stop)}
        # The last frame that began by then, as `_at_rate` has it.
        begun = (
            bisect.bisect_right(times, (number / self.rate + slack) / time_base)
            for number in numbers
        )
        return {times[max(0, count - 1)] for count in begun}


def _unchanged(file: LosslessFile, ticks: int) -> bytes:
    """A lossless file, proved; what was copied is given up where it does not fit."""
    if file.frames < file.window.frames:
        raise VideoUnreadableError(
            "the source shows fewer frames than planned", reason="span_missing"
        )
    try:
        data = file.finish(ticks)
        trouble = file.differs(data)
    except (VideoError, av.error.FFmpegError) as error:
        if file.has_copies:
            raise _CopyError from error
        raise
    if trouble and file.has_copies:
        raise _CopyError
    if trouble:
        raise VideoUnreadableError(
            f"the written file is not the source's: {trouble}", reason="not_proved"
        )
    return data


def _own(frames: Iterator[SpanFrame]) -> Iterator[tuple[int, int, VideoFrame]]:
    """Number, ticks and picture of each frame."""
    for number, item in enumerate(frames):
        yield number, item.ticks, item.picture.frame


def _at_rate(
    frames: Iterator[SpanFrame], available: int, rate: Fraction, time_base: Fraction
) -> Iterator[tuple[int, int, VideoFrame]]:
    """Number (twice) and picture of each frame of constant rate: what is on screen at its time."""
    slack = slack_of(time_base)
    number = 0
    held: VideoFrame | None = None
    for item in frames:
        # The held picture is on screen until this one begins.
        while held is not None and number < available:
            if number / rate + slack >= item.ticks * time_base:
                break
            yield number, number, held
            number += 1
        held = item.picture.frame
    while held is not None and number < available:
        yield number, number, held
        number += 1
