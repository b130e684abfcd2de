"""Stored frames as pixels, fast: FFmpeg's decoder, and Pillow for what it does not take."""

from __future__ import annotations

import functools
import threading
from typing import Any

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import VideoReformatter
from PIL import UnidentifiedImageError

from internvid.core.errors import VideoUnreadableError
from internvid.training.data.samples import FramesArray
from internvid.video.display.picture import decode_jpeg, rgb_view

_PLAIN = frozenset({"yuvj420p", "yuvj422p", "yuvj444p"})


def decode_jpeg_fast(file: bytes) -> FramesArray:
    """uint8 RGB [H, W, 3] of JPEG bytes.

    Raises:
        VideoUnreadableError: they are damaged.
    """
    return _decoder().decode(file)


class _Decoder(threading.local):
    """The tools of one thread."""

    def __init__(self) -> None:
        self._painter = VideoReformatter()
        self._context: VideoCodecContext | None = None

    def decode(self, file: bytes) -> FramesArray:
        if self._context is None:
            made: Any = av.CodecContext.create("mjpeg", "r")
            made.thread_count = 1
            self._context = made
        try:
            frames = self._context.decode(av.Packet(file))
        except av.error.FFmpegError:
            frames = []
        if len(frames) != 1 or frames[0].format.name not in _PLAIN or frames[0].is_corrupt:
            # Grey or CMYK pictures, or a decoder that met damage: start it anew.
            self._context = None
            return _by_pillow(file)
        return rgb_view(self._painter.reformat(frames[0], format="rgb24", threads=1))


def _by_pillow(file: bytes) -> FramesArray:
    try:
        return decode_jpeg(file)
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise VideoUnreadableError(f"a stored frame is damaged: {error}") from error


@functools.lru_cache(maxsize=1)
def _decoder() -> _Decoder:
    return _Decoder()
