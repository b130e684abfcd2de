"""The sound of a span of a source, sample for sample where its container can say when it is."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av.error
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from internvid.video.cutting.cut_plan import AAC_RATES
from internvid.video.probe import open_container

_OTHER_RATE = 48000
# A stored time that is off by less is rounding (Matroska has milliseconds), and no gap.
_ROUNDING_SECONDS = Fraction(1, 200)
# Decoders need what came before: a second is more than any of them looks back.
_BEFORE_SECONDS = 1
# Decoding on is cheaper than seeking when what is wanted is near.
_NEAR_SECONDS = 10
_JUMP_SECONDS = 1


@dataclass(frozen=True)
class Sound:
    """Samples of a span.

    Attributes:
        samples: float32 [channels, N], one or two channels, full scale 1; silence in gaps.
        rate: samples per second, one that AAC has.
    """

    samples: npt.NDArray[np.float32] = field(repr=False)
    rate: int

    @property
    def layout(self) -> str:
        """FFmpeg's name of the channels."""
        return "mono" if len(self.samples) == 1 else "stereo"


@dataclass
class SoundReader:
    """Reads the sound of spans of one source, with little work where they come in order.

    Attributes:
        path: the source.
        maximum_frame_bytes: pictures that must take more are not decoded while it is opened.
    """

    path: Path
    maximum_frame_bytes: int
    _source: contextlib.ExitStack | None = field(default=None, repr=False)
    _container: InputContainer | None = field(default=None, repr=False)
    _stream: AudioStream | None = field(default=None, repr=False)
    _frames: Generator[AudioFrame] | None = field(default=None, repr=False)
    _ahead: AudioFrame | None = field(default=None, repr=False)
    _at: Fraction | None = None

    def close(self) -> None:
        """Let go of the source."""
        if self._source is not None:
            self._source.close()
        self._source = self._container = self._stream = self._frames = self._ahead = None
        self._at = None

    @property
    def has_sound(self) -> bool:
        """Whether the source has a track of sound.

        Raises:
            VideoError: the source cannot be opened.
        """
        return self._begun(self._at or Fraction(0)) is not None

    def read(
        self,
        start: Fraction,
        end: Fraction,
        *,
        seeks: bool,
        rate: int | None = None,
        channels: int | None = None,
    ) -> Sound | None:
        """The sound between two times of the container; None where it has none there.

        Args:
            start, end: seconds, on the clock of the container's packets.
            seeks: whether its times can be trusted to find a place; else it is read in order.
            rate: samples a second, one that AAC has; None for the source's own.
            channels: one or two; None for the source's own.

        Raises:
            VideoError: the source cannot be opened.
        """
        stream = self._begun(start)
        if stream is None:
            return None
        at = self._at if self._at is not None else Fraction(stream.start_time or 0) * _base(stream)
        if seeks and start - at > _NEAR_SECONDS:
            self._seek(stream, start - _BEFORE_SECONDS)
        gathered = _Gathered(start, end)
        while (frame := self._next()) is not None:
            first = self._time(frame)
            last = first + Fraction(frame.samples, frame.sample_rate)
            if self._at is not None and first < self._at - _JUMP_SECONDS:
                self._frames = None  # the clock begins again: these times meant what came before
                break
            self._at = last
            if last > start and first < end:
                gathered.add(frame, first)
            if last > end:
                self._ahead = frame
                self._at = min(first, end)
                break
        return gathered.sound(rate, channels)

    def _begun(self, start: Fraction) -> AudioStream | None:
        if self._at is not None and start < self._at:
            self.close()
        if self._container is None:
            self._source = contextlib.ExitStack()
            opened = open_container(self.path, self.maximum_frame_bytes)
            self._container = self._source.enter_context(opened)
            best = self._container.streams.best("audio")
            self._stream = best if isinstance(best, AudioStream) else None
            if self._stream is not None:
                self._stream.codec_context.thread_count = 1
                self._frames = self._decoded(self._stream)
        return self._stream

    def _seek(self, stream: AudioStream, seconds: Fraction) -> None:
        assert self._container is not None
        with contextlib.suppress(av.error.FFmpegError):
            self._container.seek(int(seconds / _base(stream)), stream=stream, backward=True)
            self._frames, self._ahead, self._at = self._decoded(stream), None, None

    def _next(self) -> AudioFrame | None:
        frame, self._ahead = self._ahead, None
        if frame is None and self._frames is not None:
            frame = next(self._frames, None)
        return frame

    def _decoded(self, stream: AudioStream) -> Generator[AudioFrame]:
        assert self._container is not None
        packets = self._container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError):
                return
            if packet is None:
                return
            # A damaged packet is a gap.
            with contextlib.suppress(av.error.FFmpegError):
                yield from (frame for frame in packet.decode() if isinstance(frame, AudioFrame))

    def _time(self, frame: AudioFrame) -> Fraction:
        if frame.pts is None or frame.time_base is None:
            return self._at or Fraction(0)
        return frame.pts * Fraction(frame.time_base)


def _base(stream: AudioStream) -> Fraction:
    return Fraction(stream.time_base or Fraction(1, 1_000_000))


@dataclass
class _Gathered:
    """Samples of a span at the rate of its first frame."""

    start: Fraction
    end: Fraction
    _samples: npt.NDArray[np.float32] | None = None
    _rate: int = 0
    _expected: int | None = None
    _resamplers: dict[tuple[str, str, int], AudioResampler] = field(default_factory=dict)

    def add(self, frame: AudioFrame, first: Fraction) -> None:
        """Put a frame at its time."""
        if self._samples is None:
            self._rate = frame.sample_rate
            channels = 1 if frame.layout.nb_channels == 1 else 2
            length = round((self.end - self.start) * self._rate)
            self._samples = np.zeros((channels, length), np.float32)
        place = round((first - self.start) * self._rate)
        if self._expected is None:
            self._expected = place
        if abs(place - self._expected) <= _ROUNDING_SECONDS * self._rate:
            place = self._expected
        for data in self._planes(frame):
            begin, stop = max(0, place), min(self._samples.shape[1], place + data.shape[1])
            if begin < stop:
                self._samples[:, begin:stop] = data[:, begin - place : stop - place]
            place += data.shape[1]
        self._expected = place

    def _planes(self, frame: AudioFrame) -> list[npt.NDArray[np.float32]]:
        assert self._samples is not None
        key = frame.format.name, frame.layout.name, frame.sample_rate
        if key not in self._resamplers:
            layout = "mono" if len(self._samples) == 1 else "stereo"
            self._resamplers[key] = AudioResampler("fltp", layout, self._rate)
        # Frames may be read again for the next span: what is changed here is a copy's time.
        time, frame.pts = frame.pts, None
        try:
            made = self._resamplers[key].resample(frame)
        finally:
            frame.pts = time
        return [np.nan_to_num(part.to_ndarray()) for part in made]

    def sound(self, rate: int | None, channels: int | None) -> Sound | None:
        """What was gathered, at a rate that AAC has."""
        if self._samples is None or not self._samples.shape[1]:
            return None
        rate = rate or (self._rate if self._rate in AAC_RATES else _OTHER_RATE)
        channels = channels or len(self._samples)
        whole = Sound(self._samples, self._rate)
        if (rate, channels) == (self._rate, len(self._samples)):
            return whole
        resampler = AudioResampler("fltp", "mono" if channels == 1 else "stereo", rate)
        parts = [*resampler.resample(sound_frame(whole, 0, self._samples.shape[1]))]
        parts += resampler.resample(None)
        samples = np.concatenate([part.to_ndarray() for part in parts], axis=1)
        return Sound(samples.astype(np.float32), rate)


def sound_frame(sound: Sound, first: int, stop: int, begin: int = 0) -> AudioFrame:
    """Samples as a frame for an encoder; what lies beyond the sound's end is silent.

    Args:
        sound: the samples.
        first, stop: which; half-open.
        begin: number of the sample at which the encoder's clock is 0.
    """
    data = sound.samples[:, first:stop]
    if data.shape[1] < stop - first:
        data = np.pad(data, ((0, 0), (0, stop - first - data.shape[1])))
    frame = AudioFrame.from_ndarray(
        np.ascontiguousarray(data, np.float32), format="fltp", layout=sound.layout
    )
    frame.sample_rate, frame.time_base = sound.rate, Fraction(1, sound.rate)
    frame.pts = first - begin
    return frame
