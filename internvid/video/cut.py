"""Writes the pixels of one span, frame-exact, as a small MP4."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import av.error
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from internvid.core.errors import VideoUnreadableError
from internvid.video.decode import VideoPass
from internvid.video.display.picture import Painter
from internvid.video.reader import FrameSpan, SpanFrame, SpanReader


@dataclass(frozen=True)
class CutOptions:
    """How a clip is written.

    Attributes:
        short_side: pixels of the shorter side; smaller sources stay as they are.
        crf: x264 quality.
        preset: x264 speed. Slower ones than `superfast` were seen to give other bytes from run to
            run, even with one thread.
    """

    short_side: int = 360
    crf: int = 23
    preset: str = "superfast"


def cut_span(reader: SpanReader, span: FrameSpan, options: CutOptions) -> bytes:
    """MP4 (H.264, no sound) of exactly the frames of a span, times kept, starting at 0.

    Args:
        reader: of the source.
        span: what to write.
        options: how.

    Raises:
        VideoError: the source cannot be read, or does not show these frames.
    """

    def encode(opened: VideoPass, frames: Iterator[SpanFrame]) -> bytes:
        buffer = io.BytesIO()
        # No +faststart: it rewrites the file by name, and a buffer has none.
        with av.open(buffer, "w", format="mp4") as container:
            _copy(opened, frames, container, options)
        return buffer.getvalue()

    return reader.read(span, encode)


def _copy(
    opened: VideoPass,
    frames: Iterator[SpanFrame],
    container: OutputContainer,
    options: CutOptions,
) -> None:
    stream: VideoStream | None = None
    painter: Painter | None = None
    for item in frames:
        shown = item.picture.frame
        if painter is None or stream is None:
            painter = Painter(opened.facts, options.short_side)
            height, width = painter.paint(shown).shape[:2]
            stream = _add_stream(container, opened, options, (width, height))
        picture = painter.paint(shown)[: stream.height, : stream.width]
        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = item.ticks
        frame.time_base = opened.facts.time_base
        _write(container, stream, frame)
    if stream is not None:
        _write(container, stream, None)


def _write(container: OutputContainer, stream: VideoStream, frame: VideoFrame | None) -> None:
    try:
        container.mux(stream.encode(frame))
    except (av.error.FFmpegError, ValueError) as error:
        # Told apart from errors of the source, which are met where frames are read.
        raise VideoUnreadableError(
            f"its frames cannot be encoded: {type(error).__name__}", reason="not_encodable"
        ) from error


def _add_stream(
    container: OutputContainer, opened: VideoPass, options: CutOptions, size: tuple[int, int]
) -> VideoStream:
    # It only steers the encoder: times are those of the frames. Headers claim anything.
    rate = Fraction(min(max(opened.facts.fps or 25, 1), 240)).limit_denominator(1001)
    stream = container.add_stream("libx264", rate=rate)
    stream.width, stream.height = (max(2, side - side % 2) for side in size)
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = opened.facts.time_base
    stream.codec_context.thread_count = 1
    stream.options = {"crf": str(options.crf), "preset": options.preset}
    return stream
