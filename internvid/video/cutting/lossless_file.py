"""Writes one window so that every frame is decoded to the very samples of its source.

Packets of H.264 are copied where a run of them shows frames of the window and nothing else (see
`copied_run`). What is before and behind is encoded by x264 without loss (quantiser 0), each piece
with parameter sets of its own in front of its first picture; so is everything where nothing can be
copied. Each frame of the file is decoded again and compared.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.audio.frame import AudioFrame
from av.codec.context import CodecContext
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame

from internvid.core.errors import VideoUnreadableError
from internvid.video.cutting.copied_run import CopiedRun, Nals, find_run, units_of_stream
from internvid.video.cutting.cut_check import AAC_FRAME
from internvid.video.cutting.cut_planes import plane_of
from internvid.video.cutting.cut_sound import Sound, sound_frame
from internvid.video.cutting.cut_windows import Window
from internvid.video.display.tone import DynamicRange, dynamic_range_of
from internvid.video.probe import VideoFacts, main_video_stream, open_container

NOT_LOSSLESS = "not_lossless"
_FORMATS = frozenset(
    {"yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuvj422p", "yuvj444p"}
    | {f"yuv{kind}p10le" for kind in ("420", "422", "444")}
)
_BITS_PER_CHANNEL = 64_000
_SAMPLES = 1024


@dataclass(frozen=True)
class LosslessSource:
    """What windows are copied from.

    Attributes:
        facts: of the source.
        path: where it lies.
        maximum_frame_bytes: larger pictures are refused.
        may_copy: whether its packets tell when each frame is shown.
    """

    facts: VideoFacts
    path: Path
    maximum_frame_bytes: int
    may_copy: bool


@dataclass(frozen=True)
class _Coded:
    """Units of a packet of the written file, and its ticks from the window's first frame."""

    units: tuple[bytes, ...] = field(repr=False)
    ticks: int
    is_key: bool


@dataclass
class LosslessFile:
    """An MP4 in memory that is being written.

    Attributes:
        window: its frames.
        source: what it is made of.
        sound: of the whole clip, if it has any.
        begin: ticks of its first frame from the start of the clip.
        dynamic_range: of the source, in its first frame.
        size: (width, height) of its pictures as they are stored.
    """

    window: Window
    source: LosslessSource
    sound: Sound | None
    begin: int
    dynamic_range: DynamicRange = "sdr"
    size: tuple[int, int] = (0, 0)
    _run: CopiedRun | None = None
    _copied: frozenset[int] = frozenset()
    _digests: list[bytes] = field(default_factory=list, repr=False)
    _ticks: list[int] = field(default_factory=list, repr=False)
    _coded: list[_Coded] = field(default_factory=list, repr=False)
    _encoder: Any = field(default=None, repr=False)
    _end: int = 0
    _first_pts: int = 0
    _samples: int | None = None

    @property
    def frames(self) -> int:
        """How many it has so far."""
        return len(self._ticks)

    @property
    def copied_share(self) -> float:
        """How many of its frames are copied, of all."""
        return round(len(self._copied) / self.window.frames, 6)

    @property
    def has_copies(self) -> bool:
        """Whether packets of the source are in it."""
        return bool(self._copied)

    @property
    def seconds(self) -> Fraction:
        """How long it is."""
        return self._end * self.source.facts.time_base

    def add(self, frame: VideoFrame, ticks: int) -> None:
        """Show a frame of the source from that time of the clip on.

        Raises:
            VideoUnreadableError: it cannot be encoded without loss (`not_lossless`).
        """
        if not self._ticks:
            self._start(frame)
        elif (frame.width, frame.height) != self.size:
            raise VideoUnreadableError("the size of its pictures changes", reason=NOT_LOSSLESS)
        self._digests.append(digest_of(frame))
        self._ticks.append(ticks - self.begin)
        if self._run is None or frame.pts not in self._copied:
            self._encode(frame, ticks - self.begin)
        elif frame.pts == self._run.pts[0]:
            self._flush()
            self._copy(self._run)

    def finish(self, ticks: int) -> bytes:
        """The file; its last frame is shown until that time of the clip.

        Raises:
            VideoUnreadableError: it cannot be written (`not_lossless`).
        """
        self._flush()
        self._end = ticks - self.begin
        try:
            return self._muxed()
        except (av.error.FFmpegError, ValueError, IndexError) as error:
            raise _refused(error) from error

    def differs(self, data: bytes) -> str:
        """What of a written file is not as it was in the source; empty where nothing is.

        Args:
            data: what `finish` gave.
        """
        digests, times, samples = [], [], 0
        with av.open(io.BytesIO(data), "r") as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            tick = Fraction(stream.time_base or 1)
            decoded: Iterator[object] = iter(container.decode())
            for frame in decoded:
                if isinstance(frame, VideoFrame):
                    digests.append(digest_of(frame))
                    times.append((frame.pts or 0) * tick)
                elif isinstance(frame, AudioFrame):
                    samples += frame.samples
        if len(digests) != len(self._digests):
            return f"it shows {len(digests)} of {len(self._digests)} frames"
        wrong = [at for at, pair in enumerate(zip(digests, self._digests, strict=True))
                 if pair[0] != pair[1]]  # fmt: skip
        if wrong:
            return f"{len(wrong)} of {len(digests)} frames differ, the first is {wrong[0]}"
        wanted = [ticks * self.source.facts.time_base for ticks in self._ticks]
        if any(abs(time - want) > tick for time, want in zip(times, wanted, strict=True)):
            return "frames are shown at other times"
        if self._samples is not None and abs(samples - self._samples) > AAC_FRAME:
            return f"it has {samples} of {self._samples} samples of sound"
        return ""

    def _start(self, frame: VideoFrame) -> None:
        self.size = frame.width, frame.height
        self.dynamic_range = dynamic_range_of(frame)
        source = self.source
        if not source.may_copy or source.facts.codec != "h264" or frame.pts is None:
            return
        self._first_pts = frame.pts
        with contextlib.suppress(av.error.FFmpegError, ValueError, IndexError):
            self._run = find_run(
                source.path, source.maximum_frame_bytes, frame.pts, self.window.frames
            )
        if self._run is not None:
            self._copied = frozenset(self._run.pts)

    def _copy(self, run: CopiedRun) -> None:
        for number, packet in enumerate(run.packets):
            units = tuple(run.nals.units(packet.data))
            if not number:  # what was before it brought parameter sets of its own
                units = (*run.nals.headers, *units)
            self._coded.append(_Coded(units, packet.pts - self._first_pts, packet.is_key))

    def _encode(self, frame: VideoFrame, at: int) -> None:
        if self._encoder is None:
            self._encoder = self._encoding(frame)
        known = frame.pts, frame.time_base, frame.pict_type
        frame.pts, frame.time_base = at, self.source.facts.time_base
        frame.pict_type = PictureType.NONE
        try:
            self._take(self._encoder.encode(frame))
        except (av.error.FFmpegError, ValueError) as error:
            raise _refused(error) from error
        finally:
            frame.pts, frame.time_base, frame.pict_type = known

    def _flush(self) -> None:
        if self._encoder is not None:
            self._take(self._encoder.encode(None))
        self._encoder = None

    def _take(self, packets: Sequence[Packet[Any]]) -> None:
        for packet in packets:
            units = tuple(units_of_stream(bytes(packet)))
            self._coded.append(_Coded(units, packet.pts or 0, packet.is_keyframe))

    def _encoding(self, frame: VideoFrame) -> Any:
        if frame.format.name not in _FORMATS:
            raise VideoUnreadableError(
                f"pictures of {frame.format.name} cannot be encoded without loss",
                reason=NOT_LOSSLESS,
            )
        context: Any = CodecContext.create("libx264", mode="w")
        context.width, context.height = self.size
        context.pix_fmt = frame.format.name
        context.time_base, context.thread_count = self.source.facts.time_base, 1
        context.framerate = Fraction(self.source.facts.fps or 25).limit_denominator(1001)
        for name in ("colorspace", "color_primaries", "color_trc", "color_range"):
            setattr(context, name, int(getattr(frame, name)))
        context.sample_aspect_ratio = self.source.facts.sample_aspect
        context.options = {"qp": "0", "preset": "superfast", "bf": "0"}
        return context

    def _muxed(self) -> bytes:
        buffer = io.BytesIO()
        with contextlib.ExitStack() as stack:
            nals, template = self._template(stack)
            container = stack.enter_context(av.open(buffer, "w", format="mp4"))
            video = container.add_stream_from_template(template)
            video.time_base = self.source.facts.time_base
            sound = self._sound_stream(container)
            for packet in itertools.chain(self._packets(nals, video), sound):
                container.mux(packet)
        return buffer.getvalue()

    def _template(self, stack: contextlib.ExitStack) -> tuple[Nals, Any]:
        """How packets are packed, and the stream whose header the file gets."""
        facts = self.source.facts
        if facts.codec == "h264":
            opened = open_container(self.source.path, self.source.maximum_frame_bytes)
            stream = main_video_stream(stack.enter_context(opened))
            extradata = bytes(stream.codec_context.extradata or b"")
            if self._copied or facts.rotation_degrees or facts.is_mirrored:
                return Nals.of(extradata), stream
        elif facts.rotation_degrees or facts.is_mirrored:
            raise VideoUnreadableError(
                f"a turned picture of {facts.codec} cannot be written without loss",
                reason=NOT_LOSSLESS,
            )
        nals = Nals(0, ())
        data = b"".join(nals.packed(each.units) for each in self._coded)
        raw = stack.enter_context(av.open(io.BytesIO(data), "r", format="h264"))
        return nals, raw.streams.video[0]

    def _packets(self, nals: Nals, video: Any) -> Iterator[Packet[Any]]:
        shown = sorted(each.ticks for each in self._coded)
        lengths = dict(zip(shown, [*shown[1:], self._end], strict=True))
        late = max((at - shown.index(each.ticks) for at, each in enumerate(self._coded)), default=0)
        step = lengths[shown[0]] - shown[0]
        for at, each in enumerate(self._coded):
            packet: Packet[Any] = Packet(nals.packed(each.units))
            packet.stream, packet.time_base = video, self.source.facts.time_base
            packet.pts = each.ticks
            packet.dts = shown[at - late] if at >= late else shown[0] - (late - at) * step
            packet.duration = lengths[each.ticks] - each.ticks
            packet.is_keyframe = each.is_key
            yield packet

    def _sound_stream(self, container: Any) -> Iterator[Packet[Any]]:
        if self.sound is None:
            return iter(())
        stream = container.add_stream("aac", rate=self.sound.rate, layout=self.sound.layout)
        stream.bit_rate = _BITS_PER_CHANNEL * len(self.sound.samples)
        stream.codec_context.thread_count = 1
        first = round(self.begin * self.source.facts.time_base * self.sound.rate)
        self._samples = max(1, round(self.seconds * self.sound.rate))
        return self._heard(stream, self.sound, first, first + self._samples)

    def _heard(self, stream: Any, sound: Sound, first: int, stop: int) -> Iterator[Packet[Any]]:
        for begin in range(first, stop, _SAMPLES):
            until = min(begin + _SAMPLES, stop)
            yield from stream.encode(sound_frame(sound, begin, until, first))
        yield from stream.encode(None)


def digest_of(frame: VideoFrame) -> bytes:
    """Digest of size, format and every sample of a decoded frame."""
    digest = hashlib.blake2b(digest_size=16)
    name = frame.format.name.replace("yuvj", "yuv")
    digest.update(f"{name} {frame.width}x{frame.height}".encode())
    depth = 2 if name.endswith("le") else 1
    for plane in frame.planes:
        digest.update(plane_of(plane, plane.width * depth, plane.height).tobytes())
    return digest.digest()


def _refused(error: Exception) -> VideoUnreadableError:
    return VideoUnreadableError(
        f"its frames cannot be written without loss: {type(error).__name__}", reason=NOT_LOSSLESS
    )
