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


def fitted_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """(width, height) with that short side, the aspect kept, never enlarged, never under 1."""
    scale = min(1.0, short_side / min(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


@dataclass
class Painter:
    """Makes upright RGB pictures of one source's frames.

    The scaler is told the stream's own colour matrix, so BT.709 reds stay red.
    """

    facts: VideoFacts
    short_side: int | None = None
    _reformatter: VideoReformatter = field(default_factory=VideoReformatter)

    def paint(self, frame: VideoFrame) -> RGBArray:
        """uint8 [H, W, 3] of one frame at the wanted size, turned for display."""
        width, height = self.facts.display_size
        if self.short_side is not None:
            width, height = fitted_size(width, height, self.short_side)
        if self.facts.rotation_degrees % 180:
            width, height = height, width
        scaled = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="rgb24",
            interpolation="AREA" if width < frame.width else "BICUBIC",
            threads=1,
        )
        plane = scaled.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(height, plane.line_size)
        picture = rows[:, : width * 3].reshape(height, width, 3)
        turns = self.facts.rotation_degrees // 90
        return np.ascontiguousarray(np.rot90(picture, turns) if turns else picture)


def encode_jpeg(picture: RGBArray, quality: int) -> bytes:
    """JPEG bytes of an RGB picture, chroma at half resolution."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality, subsampling=2)
    return buffer.getvalue()


def decode_jpeg(data: bytes) -> RGBArray:
    """uint8 [H, W, 3] of JPEG bytes."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))
