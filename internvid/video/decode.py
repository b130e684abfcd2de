"""One streaming pass over a source: every displayed frame once, with its exact time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.stream import Stream
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from internvid.core.errors import ConfigInvalidError, VideoUnreadableError
from internvid.video.aspect import AspectTracker
from internvid.video.orientation import orientation_of
from internvid.video.probe import (
    MAXIMUM_FRAME_BYTES,
    VideoFacts,
    check_frame_bytes,
    main_video_stream,
    open_container,
    read_facts,
)
from internvid.video.thin import Suspicion, skipped_frames
from internvid.video.tone import dynamic_range_of

# Elsewhere B frames may be references of one another without end, so that errors would add up.
_FILTERS_B_APART = frozenset({"h264"})
# Beyond this share of damaged frames little is left that the source really showed.
MOST_DAMAGED_SHARE = 0.5
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


@dataclass
class DecodeReport:
    """What one pass met. Filled while frames are read; final once they are exhausted.

    Attributes:
        frames: displayed frames so far.
        start_pts: stream ticks of the first displayed frame.
        end_ticks: end of the last frame, in ticks after `start_pts`.
        damaged_packets: packets the decoder refused.
        damaged_frames: frames the decoder flagged as corrupt.
        repaired_times: frames whose time was missing or did not grow.
        truncated: whether reading ended with an error.
    """

    frames: int = 0
    start_pts: int = 0
    end_ticks: int = 0
    damaged_packets: int = 0
    damaged_frames: int = 0
    repaired_times: int = 0
    truncated: bool = False

    def refuse_rubble(self) -> None:
        """Refuse a source of which little can be seen: encrypted, or its bytes were lost.

        Raises:
            VideoUnreadableError: more than half of its frames are damaged (reason `damaged`).
        """
        damaged = self.damaged_packets + self.damaged_frames
        whole = self.frames + self.damaged_packets
        if damaged > MOST_DAMAGED_SHARE * whole:
            raise VideoUnreadableError(
                f"{damaged} of {whole} frames are damaged; a source with more than "
                f"{MOST_DAMAGED_SHARE:.0%} is not used",
                reason="damaged",
                hint="fetch it again; if it is encrypted, decrypt it first",
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
    """An opened source, to be read once from start to end."""

    facts: VideoFacts
    container: InputContainer = field(repr=False)
    stream: VideoStream = field(repr=False)
    options: DecodeOptions = field(repr=False)
    report: DecodeReport = field(default_factory=DecodeReport)

    def read(self) -> Iterator[Picture | Between | AudioFrame]:
        """Displayed frames in order, and audio frames between them where asked for.

        Damaged packets are counted and passed over, as players do.

        Raises:
            VideoUnreadableError: not one frame could be decoded (reason `no_frames`).
        """
        audio = self.container.streams.best("audio") if self.options.audio else None
        streams: list[Stream] = [self.stream] if audio is None else [self.stream, audio]
        clock = _Clock(self.facts, self.report)
        suspicion = None
        if self.options.thin and self.options.is_suspicious and self.facts.codec == "h264":
            suspicion = Suspicion()
        for frame in self._decoded(streams, suspicion):
            if isinstance(frame, AudioFrame):
                yield frame
            elif isinstance(frame, VideoFrame):
                if suspicion is not None and frame.pict_type == PictureType.B:
                    yield Between(frame)
                    continue
                if self.report.frames == 0:
                    self._learn_from(frame)
                self.report.damaged_frames += bool(frame.is_corrupt)
                yield Picture(frame, clock.stamp(frame))
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

    def skip(self, *, thin: bool) -> None:
        """Whether the next packet is left out if no kept frame needs it."""
        context = self.stream.codec_context
        context.skip_frame = skipped_frames(self.facts.codec) if thin else "DEFAULT"

    def _decoded(
        self, streams: Sequence[Stream], suspicion: Suspicion | None = None
    ) -> Iterator[object]:
        packets = self.container.demux(*streams)
        aspects = AspectTracker(self.stream.codec_context.sample_aspect_ratio)
        largest = 0
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.error.FFmpegError, OSError):
                # Reading failed for good (a truncated file): flush what the decoder still holds.
                self.report.truncated = True
                yield from self._flushed(streams)
                return
            if suspicion is not None and packet.stream is self.stream:
                self.skip(thin=not suspicion.wants(packet))
            is_video = packet.stream is self.stream
            try:
                frames = packet.decode()
                if is_video:
                    aspects.learn(packet.pts, self.stream.codec_context.sample_aspect_ratio)
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
                        aspects.note(frame)
                    yield frame
            except av.error.FFmpegError:
                if is_video:
                    self.report.damaged_packets += 1

    def _flushed(self, streams: Sequence[Stream]) -> Iterator[object]:
        try:
            yield from self.stream.codec_context.decode(None)
        except (av.error.FFmpegError, EOFError):
            self.report.damaged_packets += 1


@dataclass
class _Clock:
    """Turns raw frame times into ticks that start at 0 and always grow.

    A clock that jumps back by more than a second was started again (recordings put one behind
    the other): the rest follows where the frames before it ended.
    """

    facts: VideoFacts
    report: DecodeReport
    last: int = -1
    shift: int = 0

    def __post_init__(self) -> None:
        fps = self.facts.fps if self.facts.fps > 0 else 25.0
        self.typical = max(1, round(Fraction(1 / fps) / self.facts.time_base))
        self.second = max(1, round(1 / self.facts.time_base))

    def stamp(self, frame: VideoFrame) -> int:
        typical = self.typical
        length = frame.duration or typical
        raw = frame.pts if frame.pts is not None else frame.dts
        first = self.report.frames == 0
        if first:
            self.report.start_pts = raw or 0
        if raw is None:
            ticks = 0 if first else self.last + typical
            self.report.repaired_times += 1
        else:
            ticks = raw - self.report.start_pts + self.shift
            if ticks < self.last - self.second:
                self.shift += self.report.end_ticks - ticks
                ticks = self.report.end_ticks
                self.report.repaired_times += 1
            elif ticks <= self.last:
                ticks = self.last + 1
                self.report.repaired_times += 1
        self.last = ticks
        self.report.frames += 1
        self.report.end_ticks = max(self.report.end_ticks, ticks + max(1, length))
        return ticks


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
