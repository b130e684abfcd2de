"""Writes the pixels of one span, frame-exact, as a small MP4."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from internvid.core.errors import VideoUnreadableError
from internvid.core.types import Clip
from internvid.video.decode import DecodeOptions, Picture, VideoPass, open_video
from internvid.video.picture import Painter


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


def cut_span(source: Path, clip: Clip, options: CutOptions, frames: int | None = None) -> bytes:
    """MP4 (H.264, no sound) of exactly the frames of a clip, times kept, starting at 0.

    Args:
        source: the media file.
        clip: what to write.
        options: how.
        frames: how many frames the clip has; when seeking finds another number (damaged indexes,
            clocks that start again), the source is read from its start as the scan did.

    Raises:
        VideoError: the source cannot be read, or holds no frame of the span.
    """
    data, written = _encode(source, clip, options, seeks=True)
    if frames is not None and written != frames:
        data, written = _encode(source, clip, options, seeks=False)
    if not written:
        raise VideoUnreadableError("the source holds no frame of the span", reason="span_missing")
    return data


def _encode(source: Path, clip: Clip, options: CutOptions, *, seeks: bool) -> tuple[bytes, int]:
    buffer = io.BytesIO()
    with open_video(source, DecodeOptions()) as opened:
        from_start = not (seeks and _seek_before(opened, clip))
        # No +faststart: it rewrites the file by name, and a buffer has none.
        container = av.open(buffer, "w", format="mp4")
        with container:
            written = _copy(opened, clip, container, options, from_start=from_start)
    return buffer.getvalue(), written


def _seek_before(opened: VideoPass, clip: Clip) -> bool:
    # A second early: seeking lands on a key frame at or before, but headers can lie a little.
    margin = int(1 / opened.facts.time_base)
    if clip.start_pts - margin > (opened.stream.start_time or 0):
        try:
            opened.container.seek(clip.start_pts - margin, stream=opened.stream, backward=True)
        except av.error.FFmpegError:
            return False  # not seekable: the position is still the start
        return True
    return False


def _copy(
    opened: VideoPass,
    clip: Clip,
    container: OutputContainer,
    options: CutOptions,
    *,
    from_start: bool,
) -> int:
    stream: VideoStream | None = None
    painter: Painter | None = None
    written = 0
    for item in opened.read():
        if not isinstance(item, Picture):
            continue
        # Read from the start, times are those of the scan, repaired where they must be.
        raw = opened.report.start_pts + item.ticks if from_start else item.frame.pts
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
