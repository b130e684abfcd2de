"""Encodes one window: pictures as they come, its sound beside them."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import av.error
from av.container import OutputContainer
from av.video.frame import VideoFrame

from internvid.core.errors import VideoUnreadableError
from internvid.video.cutting.cut_check import Expected, compared
from internvid.video.cutting.cut_picture import luma_of
from internvid.video.cutting.cut_plan import CutPlan
from internvid.video.cutting.cut_planes import BT709
from internvid.video.cutting.cut_sound import Sound, sound_frame
from internvid.video.cutting.cut_windows import Window
from internvid.video.display.tone import DynamicRange

_BITS_PER_CHANNEL = 64_000
_SAMPLES = 1024
_LEAST_SCALE, _MOST_SCALE = 10_000, 1_000_000
# Sound follows the pictures at this distance, so that it is never written beyond the window.
_BEHIND = Fraction(1, 2)


@dataclass
class WindowFile:
    """An MP4 in memory that is being written.

    Attributes:
        window: its frames.
        size: (width, height) of its pictures.
        time_base: seconds per tick of its pictures.
        rate: frames per second that the header states.
        plan: quality.
        sound: of the whole clip, if it has any.
        begin: ticks of its first frame from the start of the clip.
        dynamic_range: of the source, in its first frame.
    """

    window: Window
    size: tuple[int, int]
    time_base: Fraction
    rate: Fraction
    plan: CutPlan
    sound: Sound | None
    begin: int
    dynamic_range: DynamicRange = "sdr"
    _buffer: io.BytesIO = field(default_factory=io.BytesIO, repr=False)
    _container: OutputContainer = field(init=False, repr=False)
    _video: Any = field(init=False, repr=False)
    _audio: Any = field(init=False, default=None, repr=False)
    _held: tuple[VideoFrame, int] | None = field(default=None, repr=False)
    _lengths: dict[int, int] = field(default_factory=dict, repr=False)
    _sample: int = 0
    _first_sample: int = 0
    _compared: set[int] = field(init=False, repr=False)
    expected: Expected = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Lengths in the header are in these ticks, of which each frame takes a whole number.
        scale = self.time_base.denominator
        scale *= -(-_LEAST_SCALE // scale)
        options = {"movie_timescale": str(scale)} if scale <= _MOST_SCALE else {}
        self._container = av.open(self._buffer, "w", format="mp4", options=options)
        stream = self._container.add_stream("libx264", rate=self.rate)
        stream.width, stream.height = self.size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base, context.thread_count = self.time_base, 1
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = 1
        stream.options = {"crf": str(self.plan.crf), "preset": self.plan.preset}
        if self.plan.rate is None:
            # Where lengths of frames differ, MP4 states wrong ones of those that are reordered.
            stream.options = {**stream.options, "bf": "0"}
        self._video = stream
        if self.sound is not None:
            audio = self._container.add_stream(
                "aac", rate=self.sound.rate, layout=self.sound.layout
            )
            audio.bit_rate = _BITS_PER_CHANNEL * len(self.sound.samples)
            audio.codec_context.thread_count = 1
            self._audio = audio
            self._sample = round(self.begin * self.time_base * self.sound.rate)
            self._first_sample = self._sample
        self._compared = compared(self.window.frames)
        self.expected = Expected(self.time_base, self.size)

    def add(self, planes: VideoFrame, ticks: int) -> None:
        """Show a picture from that time of the clip on.

        Raises:
            VideoUnreadableError: the encoder refuses it (`not_encodable`).
        """
        self._show(ticks)
        self._held = planes, ticks

    def finish(self, ticks: int) -> bytes:
        """The file; its last picture is shown until that time of the clip.

        Raises:
            VideoUnreadableError: the encoder refuses it (`not_encodable`).
        """
        self._show(ticks)
        try:
            self._mux(None)
            if self.sound is not None:
                length = (ticks - self.begin) * self.time_base
                stop = self._first_sample + max(1, round(length * self.sound.rate))
                self._hear(stop)
                self._container.mux(self._audio.encode(None))
                self.expected.samples = stop - self._first_sample
            self._container.close()
        except (av.error.FFmpegError, ValueError, KeyError) as error:
            raise _refused(error) from error
        self.expected.end = ticks - self.begin
        return self._buffer.getvalue()

    def _show(self, until: int) -> None:
        """Encode the held picture, now that it is known how long it is shown."""
        if self._held is None:
            return
        frame, ticks = self._held
        frame.pts, frame.time_base = ticks - self.begin, self.time_base
        self._lengths[ticks - self.begin] = until - ticks
        number = len(self.expected.ticks)
        if number in self._compared:
            self.expected.pictures[number] = luma_of(frame)
        self.expected.ticks.append(ticks - self.begin)
        try:
            self._mux(frame)
            if self.sound is not None:
                time = (ticks - self.begin) * self.time_base
                if time > _BEHIND:
                    heard = round((time - _BEHIND) * self.sound.rate)
                    self._hear(self._first_sample + heard - heard % _SAMPLES)
        except (av.error.FFmpegError, ValueError, KeyError) as error:
            raise _refused(error) from error
        self._held = None

    def _mux(self, frame: VideoFrame | None) -> None:
        for packet in self._video.encode(frame):
            # Encoders do not pass it on, and MP4 takes that of the last frame for the end.
            packet.duration = self._lengths.pop(packet.pts)
            self._container.mux(packet)

    def _hear(self, stop: int) -> None:
        assert self.sound is not None
        while self._sample < stop:
            until = min(self._sample + _SAMPLES, stop)
            frame = sound_frame(self.sound, self._sample, until, self._first_sample)
            self._container.mux(self._audio.encode(frame))
            self._sample = until


def _refused(error: Exception) -> VideoUnreadableError:
    # Told apart from errors of the source, which are met where frames are read.
    return VideoUnreadableError(
        f"its frames cannot be encoded: {type(error).__name__}", reason="not_encodable"
    )
