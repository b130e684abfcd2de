"""Planes of small pictures as an encoder takes them, without a detour over red, green and blue."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from av.filter import Graph
from av.video.frame import PictureType, VideoFrame

from internvid.video.display.orientation import UPRIGHT
from internvid.video.display.picture import SmallPicture

BT709 = 1
"""FFmpeg's number of the matrix, the primaries and the curve of high definition."""
NARROW = 1
"""FFmpeg's number of the range 16 to 235."""
_FULL = 2
# FFmpeg's number of a matrix -> its name; what no tag tells is BT.601 to every decoder.
_MATRICES = {1: "bt709", 2: "smpte170m", 4: "fcc", 5: "bt470bg", 6: "smpte170m",
             7: "smpte240m", 9: "bt2020nc"}  # fmt: skip

Crop = tuple[int, int, int, int]
"""(left, top, width, height)."""


def has_planes(frame: VideoFrame) -> bool:
    """Whether the colours of a decoded frame lie in planes of luma and chroma that we know."""
    formats = frame.format
    is_plain = formats.name.startswith("yuv") and len(formats.components) == 3
    return is_plain and int(frame.colorspace) in _MATRICES


def is_cut_by_planes(small: SmallPicture, crop: Crop) -> bool:
    """Whether chroma lies where luma does in a part of a picture.

    Args:
        small: the whole picture.
        crop: of the upright picture.
    """
    sides = small.frame.width, small.frame.height
    # A picture that is turned over begins with what was its end: half a sample of an odd side.
    is_whole = small.orientation == UPRIGHT or not any(side % 2 for side in sides)
    return is_whole and not any(place % 2 for place in crop)


@dataclass
class PlaneCutter:
    """Cuts small pictures and gives them the matrix and the range of BT.709 as it is written.

    FFmpeg's filter `colorspace` goes from luma and chroma to luma and chroma in one step: a tenth
    of the time of a detour over RGB, and rounded once.
    """

    _graphs: dict[tuple[int, int, int, int], Graph] = field(default_factory=dict)

    def cut(self, small: SmallPicture, crop: Crop) -> VideoFrame:
        """8-bit 4:2:0 planes of a part of a picture as it is shown.

        Args:
            small: as the painter made it, of a frame that `has_planes`.
            crop: of the upright picture; all four even.
        """
        frame = small.frame
        is_whole = small.orientation == UPRIGHT and crop[2:] == (frame.width, frame.height)
        part = frame if is_whole else _part(small, crop)
        matrix, sample_range = int(frame.colorspace), int(frame.color_range)
        if matrix != BT709 or sample_range == _FULL:
            part = self._converted(part, matrix, sample_range)
        part.colorspace = part.color_primaries = part.color_trc = BT709
        part.color_range = NARROW
        # Encoders would make each frame of the kind that it was of in the source.
        part.pict_type = PictureType.NONE
        return part

    def _converted(self, part: VideoFrame, matrix: int, sample_range: int) -> VideoFrame:
        key = part.width, part.height, matrix, sample_range
        graph = self._graphs.get(key) or self._graphs.setdefault(key, _graph(*key))
        part.colorspace, part.color_range = matrix, sample_range
        part.pts = 0
        graph.push(part)
        made = graph.pull()
        assert isinstance(made, VideoFrame)
        return made


def _graph(width: int, height: int, matrix: int, sample_range: int) -> Graph:
    # Primaries and curve are named, and the same on both sides, so that they stay as they are.
    name, scale = _MATRICES[matrix], "pc" if sample_range == _FULL else "tv"
    graph = Graph()
    graph.threads = 1
    source = graph.add(
        "buffer",
        f"video_size={width}x{height}:pix_fmt=yuv420p:time_base=1/25:pixel_aspect=1/1"
        f":colorspace={name}:range={scale}",
    )
    colours = graph.add(
        "colorspace",
        f"space=bt709:ispace={name}:range=tv:irange={scale}"
        ":primaries=bt709:iprimaries=bt709:trc=bt709:itrc=bt709",
    )
    sink = graph.add("buffersink")
    source.link_to(colours)
    colours.link_to(sink)
    graph.configure()
    return graph


def _part(small: SmallPicture, crop: Crop) -> VideoFrame:
    left, top, width, height = crop
    made = VideoFrame(width, height, "yuv420p")
    for number, (source, target) in enumerate(zip(small.frame.planes, made.planes, strict=True)):
        scale = 2 if number else 1
        upright = small.orientation.upright(plane_of(source, source.width, source.height))
        rows, columns = (
            slice(first // scale, (first + side) // scale)
            for first, side in ((top, height), (left, width))
        )
        plane_of(target, target.width, target.height)[...] = upright[rows, columns]
    return made


def plane_of(plane: object, width: int, height: int) -> npt.NDArray[np.uint8]:
    """uint8 [H, W]: a plane in the frame's own memory."""
    data = np.frombuffer(memoryview(plane), np.uint8)  # type: ignore[arg-type]
    return data.reshape(height, -1)[:, :width]
