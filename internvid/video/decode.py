"""One streaming pass over a source: every displayed frame once, with its exact time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import av.error
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from internvid.core.errors import ConfigInvalidError, VideoUnreadableError
from internvid.video.display.frame_display import DisplayTracker, orientation_of
from internvid.video.display.tone import dynamic_range_of
from internvid.video.probe import (
    MAXIMUM_FRAME_BYTES,
    VideoFacts,
    check_frame_bytes,
    main_video_stream,
    open_container,
    read_facts,
)
from internvid.video.timing.clock import FrameClock
from internvid.video.timing.decode_report import DecodeReport
from internvid.video.timing.thin import Suspicion, skipped_frames

# Elsewhere B frames may be references of one another without end, so that errors would add up.
_FILTERS_B_APART = frozenset({"h264"})
# Whose decoders leave out single frames that no other one is predicted from.
_LEAVES_OUT = frozenset({"h264", "hevc"})
_LOOP_FILTERS = ("default", "none", "noref", "bidir", "nonintra", "nonkey", "all")


@dataclass(frozen=True)
class DecodeOptions:
    """How to decode.

    Attributes:
        skip_loop_filter: FFmpeg's value; `noref` leaves reference frames exact and skips
            the deblocking of the others (under 0.2 grey levels at the sizes we keep); `bidir`
            skips that of all B frames of H.264, and is `noref` for other codecs.
        thin: whether frames are skipped that no kept frame needs: B frames of H.264, elsewhere
            what the decoder can leave out. Times of the others stay exact.
        is_suspicious: whether a thin pass of H.264 reads skipped frames after all, as `Between`,
            where a shot may begin among them.
        audio: whether audio frames are decoded too.
        maximum_frame_bytes: pictures above this are refused.
    """

    skip_loop_filter: str = "default"
    thin: bool = False
    is_suspicious: bool = False
    audio: bool = False
    maximum_frame_bytes: int = MAXIMUM_FRAME_BYTES

    def __post_init__(self) -> None:
        if self.skip_loop_filter not in _LOOP_FILTERS:
            raise ConfigInvalidError(
                f"skip_loop_filter is one of {', '.join(_LOOP_FILTERS)}, "
                f"not {self.skip_loop_filter!r}"
            )
        if not 1 <= self.maximum_frame_bytes < 2**31:
            raise ConfigInvalidError(
                f"maximum_frame_bytes must lie in 1 to {2**31 - 1}, got {self.maximum_frame_bytes}"
            )


@dataclass(frozen=True)
class Picture:
    """One displayed frame: the decoded picture and its time in ticks from the first one."""

    frame: VideoFrame
    ticks: int


@dataclass(frozen=True)
class Between:
    """A frame that a thin pass skips elsewhere, shown before the next `Picture`."""

    frame: VideoFrame


@dataclass
class VideoPass:
    """An opened source, to be read once from start to end.

    Attributes:
        facts: of the source; complete with the first frame.
        container, stream: of PyAV.
        options: how it is decoded.
        report: what was met so far.
        is_needed: whether the frame of a time of the stream is wanted; others may be missing among
            what is read. None for all. Set before reading; it may be replaced meanwhile.
    """

    facts: VideoFacts
    container: InputContainer = field(repr=False)
    stream: VideoStream = field(repr=False)
    options: DecodeOptions = field(repr=False)
    report: DecodeReport = field(default_factory=DecodeReport)
    is_needed: Callable[[int], bool] | None = field(default=None, repr=False)

    def read(self) -> Iterator[Picture | Between | AudioFrame]:
        """Displayed frames in order, and audio frames between them where requested.

        Damaged packets are counted and passed over, as players do.

        Raises:
            VideoUnreadableError: not one frame could be decoded (reason `no_frames`).
        """
        audio = self.container.streams.best("audio") if self.options.audio else None
        streams: list[Stream] = [self.stream] if audio is None else [self.stream, audio]
        suspicion = None
        if self.options.thin and self.options.is_suspicious and self.facts.codec == "h264":
            suspicion = Suspicion()
        facts, is_whole = self.facts, not self.options.thin and self.is_needed is None
        clock = FrameClock(
            self.report, facts.time_base, facts.fps, facts.container, is_whole=is_whole
        )
        is_first = True
        for frame in self._decoded(streams, clock, suspicion):
            if isinstance(frame, AudioFrame):
                yield frame
            elif isinstance(frame, VideoFrame):
                if suspicion is not None and not is_first and frame.pict_type == PictureType.B:
                    yield Between(frame)
                    continue
                if is_first:
                    self._learn_from(frame)
                    is_first = False
                self.report.damaged_frames += bool(frame.is_corrupt)
                yield from (Picture(shown, ticks) for shown, ticks in clock.show(frame))
        yield from (Picture(shown, ticks) for shown, ticks in clock.finish())
        if self.report.frames == 0:
            raise VideoUnreadableError(
                f"no frame could be decoded ({self.report.damaged_packets} damaged packets)",
                reason="no_frames",
            )

    def _learn_from(self, frame: VideoFrame) -> None:
        # What is known only with a decoded frame (side data of stream or picture, its own tags).
        orientation = orientation_of(frame)
        self.facts = dataclasses.replace(
            self.facts,
            rotation_degrees=orientation.rotation_degrees,
            is_mirrored=orientation.is_mirrored,
            dynamic_range=dynamic_range_of(frame),
            width=frame.width,
            height=frame.height,
            pixel_format=frame.format.name,
        )

    @property
    def leaves_out(self) -> bool:
        """Whether its decoder leaves out frames that are not needed, and keeps the others."""
        return self.facts.codec in _LEAVES_OUT

    def skip(self, *, thin: bool) -> None:
        """Whether the next packet is left out if no kept frame needs it."""
        context = self.stream.codec_context
        context.skip_frame = skipped_frames(self.facts.codec) if thin else "DEFAULT"

    def _leave_out(self, packet: Packet[Any], suspicion: Suspicion | None) -> None:
        """Whether a packet's frame is left out, if no other one is predicted from it."""
        if self.options.thin:
            wants = suspicion is not None and suspicion.wants(packet)
            # The first frame shown may be one that others do not need, and begins the time.
            self.skip(thin=self.report.frames > 0 and not wants)
        elif self.is_needed is not None:
            is_dropped = packet.pts is not None and not self.is_needed(packet.pts)
            self.stream.codec_context.skip_frame = "NONREF" if is_dropped else "DEFAULT"

    def _decoded(
        self, streams: Sequence[Stream], clock: FrameClock, suspicion: Suspicion | None = None
    ) -> Iterator[object]:
        packets = self.container.demux(*streams)
        shown = DisplayTracker(self.stream.codec_context.sample_aspect_ratio)
        largest = 0
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.error.FFmpegError, OSError):
                # Reading failed for good (a truncated file): flush what the decoder still holds.
                self.report.truncated = True
                yield from self._flushed()
                return
            is_video = packet.stream is self.stream
            if is_video:
                clock.send(packet)
                self._leave_out(packet, suspicion)
            try:
                frames = packet.decode()
                if is_video:
                    shown.learn(packet.pts, self.stream.codec_context.sample_aspect_ratio)
                for frame in frames:
                    if isinstance(frame, VideoFrame) and frame.width * frame.height > largest:
                        largest = frame.width * frame.height
                        check_frame_bytes(
                            frame.width,
                            frame.height,
                            frame.format.name,
                            self.options.maximum_frame_bytes,
                        )
                    if isinstance(frame, VideoFrame):
                        shown.note(frame)
                    yield frame
            except av.error.FFmpegError:
                if is_video:
                    self.report.damaged_packets += 1
                    clock.refuse(packet)

    def _flushed(self) -> Iterator[object]:
        try:
            yield from self.stream.codec_context.decode(None)
        except (av.error.FFmpegError, EOFError):
            self.report.damaged_packets += 1


@contextmanager
def open_video(path: Path, options: DecodeOptions | None = None) -> Iterator[VideoPass]:
    """One pass over a source.

    Args:
        path: a media file. Playlists and pointers are refused, never followed.
        options: how to decode.

    Raises:
        VideoError: its `reason` says why the source cannot be used.
    """
    chosen = options or DecodeOptions()
    with open_container(path, chosen.maximum_frame_bytes) as container:
        stream = main_video_stream(container)
        facts = read_facts(path, container, stream, chosen.maximum_frame_bytes)
        context = stream.codec_context
        # One thread: parallel over files costs less CPU than over frames, and damaged
        # streams decode to the same pictures each time.
        context.thread_count = 1
        loop_filter = chosen.skip_loop_filter
        if loop_filter == "bidir" and facts.codec not in _FILTERS_B_APART:
            loop_filter = "noref"
        extra = {
            "skip_loop_filter": loop_filter,
            # A stream may grow in the middle: a pixel takes a byte or more in every format.
            "max_pixels": str(chosen.maximum_frame_bytes),
        }
        context.options = {key: value for key, value in extra.items() if value != "default"}
        for audio in container.streams.audio:
            if audio.codec_context is not None:
                audio.codec_context.thread_count = 1
        opened = VideoPass(facts, container, stream, chosen)
        opened.skip(thin=chosen.thin)
        yield opened
