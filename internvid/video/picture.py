"""Pictures as people see them: turned upright, square pixels, right colours, as RGB or JPEG."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from PIL import Image

from internvid.video.probe import VideoFacts

RGBArray = npt.NDArray[np.uint8]


_TURNS = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}


def fitted_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """(width, height) with that short side, the aspect kept, never enlarged, never under 1."""
    scale = min(1.0, short_side / min(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


@dataclass
class Painter:
    """Makes upright RGB pictures of one source's frames.

    A frame is first scaled as it is (luma and chroma apart, areas averaged), then the small picture
    is converted with the stream's own colour matrix, so BT.709 reds stay red: two cheap steps where
    one that does both costs half as much again.
    """

    facts: VideoFacts
    short_side: int | None = None
    _shrinker: VideoReformatter = field(default_factory=VideoReformatter)
    _colourer: VideoReformatter = field(default_factory=VideoReformatter)
    _averager: VideoReformatter = field(default_factory=VideoReformatter)

    def shrink(self, frame: VideoFrame) -> VideoFrame:
        """The frame as 8-bit 4:2:0 planes of the wanted size, not yet turned."""
        width, height = self.facts.display_size
        if self.short_side is not None:
            width, height = fitted_size(width, height, self.short_side)
        if self.facts.rotation_degrees % 180:
            width, height = height, width
        return self._shrinker.reformat(
            frame,
            width=width,
            height=height,
            format="yuv420p",
            interpolation="AREA" if width < frame.width else "BICUBIC",
            threads=1,
        )

    def colour(self, small: VideoFrame) -> Image.Image:
        """The upright image (mode RGBX) of a frame that `shrink` made."""
        width = small.width
        small = _widened(small)
        # Four bytes a pixel are how Pillow holds pictures, so that nothing is copied.
        colours = self._colourer.reformat(
            small, format="rgb0", src_colorspace=self._matrix(small), threads=1
        )
        plane = colours.planes[0]
        size = (width, colours.height)
        pixels = np.frombuffer(memoryview(plane), np.uint8)
        image = Image.frombuffer("RGBX", size, pixels, "raw", "RGBX", plane.line_size, 1)
        turn = _TURNS.get(self.facts.rotation_degrees)
        return image if turn is None else image.transpose(turn)

    def specks(self, small: VideoFrame) -> RGBArray:
        """uint8 [48, 48, 4]: mean red, green, blue of areas of a frame that `shrink` made."""
        means = self._averager.reformat(
            small,
            width=48,
            height=48,
            format="rgb0",
            src_colorspace=self._matrix(small),
            interpolation="AREA",
            threads=1,
        )
        plane = means.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(48, plane.line_size)
        return rows[:, : 4 * 48].reshape(48, 48, 4)

    def paint(self, frame: VideoFrame) -> RGBArray:
        """uint8 [H, W, 3] of one frame at the wanted size, turned for display."""
        return np.asarray(self.colour(self.shrink(frame)).convert("RGB"))

    def luma(self, small: VideoFrame) -> npt.NDArray[np.uint8]:
        """uint8 [H, W]: limited-range luma of a frame that `shrink` made, turned for display."""
        plane = small.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(small.height, plane.line_size)
        levels = rows[:, : small.width]
        turns = self.facts.rotation_degrees // 90
        return np.rot90(levels, turns) if turns else levels

    def _matrix(self, small: VideoFrame) -> int:
        # Untagged streams are BT.601 to every decoder; swscale's own default is the same.
        return int(small.colorspace)


def _widened(small: VideoFrame) -> VideoFrame:
    """The picture on planes whose width is a multiple of eight.

    FFmpeg converts eight columns at a time and leaves out the last of them where the rows it
    writes to have no room for eight: up to four columns would hold whatever was in memory.
    """
    if small.width % 8 == 0:
        return small
    wide = VideoFrame(small.width + -small.width % 8, small.height, small.format.name)
    wide.colorspace, wide.color_range = small.colorspace, small.color_range
    for source, target in zip(small.planes, wide.planes, strict=True):
        room = np.frombuffer(memoryview(target), np.uint8).reshape(-1, target.line_size)
        rows = np.frombuffer(memoryview(source), np.uint8).reshape(-1, source.line_size)
        room[:, : source.width] = rows[:, : source.width]
        room[:, source.width : target.width] = rows[:, source.width - 1 : source.width]
    return wide


def encode_jpeg(image: Image.Image, quality: int) -> bytes:
    """JPEG bytes of an image, chroma at half resolution."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=2)
    return buffer.getvalue()


def decode_jpeg(data: bytes) -> RGBArray:
    """uint8 [H, W, 3] of JPEG bytes."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def rgb_view(frame: VideoFrame) -> RGBArray:
    """uint8 [H, W, 3] of an rgb24 frame, in the frame's own memory; read only."""
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(frame.height, plane.line_size)
    return rows[:, : 3 * frame.width].reshape(frame.height, frame.width, 3)
