"""Writes the pixels of one span, frame-exact, as a small MP4."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from internvid.core.errors import VideoUnreadableError
from internvid.core.types import Clip
from internvid.video.decode import DecodeOptions, VideoPass, open_video
from internvid.video.picture import Painter


@dataclass(frozen=True)
class CutOptions:
    """How a clip is written.

    Attributes:
        short_side: pixels of the shorter side; smaller sources stay as they are.
        crf: x264 quality.
        preset: x264 speed.
    """

    short_side: int = 360
    crf: int = 23
    preset: str = "veryfast"


def cut_span(source: Path, clip: Clip, options: CutOptions) -> bytes:
    """MP4 (H.264, no sound) of exactly the frames of a clip, times kept, starting at 0.

    Raises:
        VideoError: the source cannot be read, or holds no frame of the span.
    """
    buffer = io.BytesIO()
    with open_video(source, DecodeOptions()) as opened:
        _seek_before(opened, clip)
        # No +faststart: it rewrites the file by name, and a buffer has none.
        container = av.open(buffer, "w", format="mp4")
        with container:
            written = _copy(opened, clip, container, options)
    if not written:
        raise VideoUnreadableError("the source holds no frame of the span", reason="span_missing")
    return buffer.getvalue()


def _seek_before(opened: VideoPass, clip: Clip) -> None:
    # A second early: seeking lands on a key frame at or before, but headers can lie a little.
    margin = int(1 / opened.facts.time_base)
    if clip.start_pts - margin > (opened.stream.start_time or 0):
        opened.container.seek(clip.start_pts - margin, stream=opened.stream, backward=True)


def _copy(opened: VideoPass, clip: Clip, container: OutputContainer, options: CutOptions) -> int:
    stream: VideoStream | None = None
    painter: Painter | None = None
    written = 0
    for item in opened.read():
        if isinstance(item, AudioFrame):
            continue
        raw = item.frame.pts
        if raw is None or raw < clip.start_pts:
            continue
        if raw >= clip.end_pts:
            break
        if painter is None or stream is None:
            painter = Painter(opened.facts, options.short_side)
            even = _even_crop(painter, item.frame)
            stream = _add_stream(container, opened, options, even)
        picture = painter.paint(item.frame)[: stream.height, : stream.width]
        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = raw - clip.start_pts
        frame.time_base = opened.facts.time_base
        container.mux(stream.encode(frame))
        written += 1
    if stream is not None:
        container.mux(stream.encode(None))
    return written


def _even_crop(painter: Painter, frame: VideoFrame) -> tuple[int, int]:
    height, width = painter.paint(frame).shape[:2]
    return max(2, width - width % 2), max(2, height - height % 2)


def _add_stream(
    container: OutputContainer, opened: VideoPass, options: CutOptions, size: tuple[int, int]
) -> VideoStream:
    rate = Fraction(opened.facts.fps or 25).limit_denominator(1001)
    stream = container.add_stream("libx264", rate=rate)
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = opened.facts.time_base
    stream.codec_context.thread_count = 1
    stream.options = {"crf": str(options.crf), "preset": options.preset}
    return stream
