"""Pictures as people see them: turned upright, square pixels, right colours, as RGB or JPEG."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from PIL import Image

from internvid.video.display.frame_display import orientation_of, sample_aspect_of
from internvid.video.display.orientation import Orientation
from internvid.video.display.tone import dynamic_range_of, is_wide, matrix_of, to_standard
from internvid.video.probe import VideoFacts

RGBArray = npt.NDArray[np.uint8]
_BT709 = 1  # FFmpeg's number of the matrix


def fitted_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """(width, height) with that short side, the aspect kept, never enlarged, never under 1."""
    scale = min(1.0, short_side / min(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


@dataclass(frozen=True)
class SmallPicture:
    """A frame as 8-bit 4:2:0 planes of the wanted size, standard range, not yet turned."""

    frame: VideoFrame
    orientation: Orientation

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) once it is turned."""
        sides = self.frame.width, self.frame.height
        return sides[::-1] if self.orientation.is_sideways else sides


@dataclass
class Painter:
    """Makes upright RGB pictures of one source's frames.

    A frame is first scaled as it is (luma and chroma apart, areas averaged), then the small picture
    is converted with the stream's own colour matrix, so BT.709 reds stay red: two cheap steps where
    one that does both costs half as much again. Size, pixel aspect, orientation and dynamic range
    are those of each frame, because they may change within a source.

    Attributes:
        facts: of the source.
        short_side: pixels of the shorter side; None, or a smaller source, keeps the size.
        size: (width, height) of all that `paint` makes; None for that of the first one.
    """

    facts: VideoFacts
    short_side: int | None = None
    size: tuple[int, int] | None = None
    _shrinker: VideoReformatter = field(default_factory=VideoReformatter)
    _colourer: VideoReformatter = field(default_factory=VideoReformatter)
    _averager: VideoReformatter = field(default_factory=VideoReformatter)

    def shrink(self, frame: VideoFrame) -> SmallPicture:
        """The frame at the wanted size, in its own aspect."""
        aspect = sample_aspect_of(frame) or self.facts.sample_aspect
        width, height = max(1, round(frame.width * float(aspect))), frame.height
        if self.short_side is not None:
            width, height = fitted_size(width, height, self.short_side)
        is_standard = dynamic_range_of(frame) == "sdr"
        small = self._shrinker.reformat(
            frame,
            width=width,
            height=height,
            format="yuv420p" if is_standard else "yuv444p16le",
            interpolation="AREA" if width < frame.width else "BICUBIC",
            threads=1,
        )
        return SmallPicture(
            small if is_standard else self._standard(small, frame), orientation_of(frame)
        )

    def _standard(self, small: VideoFrame, frame: VideoFrame) -> VideoFrame:
        """A small PQ or HLG picture as 8-bit BT.709 planes of standard range."""
        deep = self._colourer.reformat(
            small, format="rgb48le", src_colorspace=matrix_of(frame), threads=1
        )
        plane = deep.planes[0]
        rows = np.frombuffer(memoryview(plane), "<u2").reshape(deep.height, plane.line_size // 2)
        levels = rows[:, : 3 * deep.width].reshape(deep.height, deep.width, 3)
        signal = levels.astype(np.float32) / np.float32(65535)
        shown = to_standard(signal, dynamic_range_of(frame), wide=is_wide(frame))
        made = self._averager.reformat(
            VideoFrame.from_ndarray(np.rint(shown * 255).astype(np.uint8), format="rgb24"),
            format="yuv420p",
            dst_colorspace=_BT709,
            threads=1,
        )
        made.colorspace = _BT709
        return made

    def colour(self, picture: SmallPicture) -> Image.Image:
        """The upright image (mode RGBX) of a frame that `shrink` made."""
        width = picture.frame.width
        small = _widened(picture.frame)
        # Four bytes a pixel are how Pillow holds pictures, so that nothing is copied.
        colours = self._colourer.reformat(
            small, format="rgb0", src_colorspace=self._matrix(small), threads=1
        )
        plane = colours.planes[0]
        size = (width, colours.height)
        pixels = np.frombuffer(memoryview(plane), np.uint8)
        image = Image.frombuffer("RGBX", size, pixels, "raw", "RGBX", plane.line_size, 1)
        return picture.orientation.upright_image(image)

    def specks(self, picture: SmallPicture) -> RGBArray:
        """uint8 [48, 48, 4]: mean red, green, blue of areas of a frame that `shrink` made."""
        small = picture.frame
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
        """uint8 [H, W, 3] of one frame at the wanted size, turned for display.

        All pictures have the size of the first one painted: a later one of another size or aspect
        is fitted into it, between black bars where it must be.
        """
        image = self.colour(self.shrink(frame)).convert("RGB")
        self.size = self.size or image.size
        return np.asarray(boxed(image, self.size))

    def luma(self, picture: SmallPicture) -> npt.NDArray[np.uint8]:
        """uint8 [H, W]: limited-range luma of a frame that `shrink` made, turned for display."""
        small = picture.frame
        plane = small.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(small.height, plane.line_size)
        return picture.orientation.upright(rows[:, : small.width])

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


def boxed(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The image in a picture of that (width, height), its aspect kept, black where it ends.

    The same object where it has that size.
    """
    if image.size == size:
        return image
    scale = min(size[0] / image.width, size[1] / image.height)
    fitted = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    how = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    picture = Image.new(image.mode, size)
    corner = (size[0] - fitted[0]) // 2, (size[1] - fitted[1]) // 2
    picture.paste(image.resize(fitted, how), corner)
    return picture


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
