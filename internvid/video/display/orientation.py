"""How a decoded picture is turned and mirrored for display: the eight ways of a display matrix."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
from av.sidedata.sidedata import SideDataContainer
from av.video.frame import VideoFrame
from PIL import Image

_TRANSPOSES = {
    (False, 90): Image.Transpose.ROTATE_90,
    (False, 180): Image.Transpose.ROTATE_180,
    (False, 270): Image.Transpose.ROTATE_270,
    (True, 0): Image.Transpose.FLIP_LEFT_RIGHT,
    (True, 90): Image.Transpose.TRANSPOSE,
    (True, 180): Image.Transpose.FLIP_TOP_BOTTOM,
    (True, 270): Image.Transpose.TRANSVERSE,
}


@dataclass(frozen=True)
class Orientation:
    """What a player does to a decoded picture: mirror it left to right, then turn it.

    Attributes:
        rotation_degrees: counter-clockwise: 0, 90, 180 or 270.
        is_mirrored: whether left and right are swapped before the turn.
    """

    rotation_degrees: int = 0
    is_mirrored: bool = False

    @property
    def is_sideways(self) -> bool:
        """Whether width and height change places."""
        return self.rotation_degrees % 180 != 0

    def upright(self, picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """View of a decoded picture [H, W] or [H, W, C] as it is shown."""
        return _turned(picture[:, ::-1] if self.is_mirrored else picture, self.rotation_degrees)

    def as_decoded(self, picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """View of a picture [H, W] or [H, W, C] as shown, with rows and columns as decoded."""
        back = _turned(picture, -self.rotation_degrees)
        return back[:, ::-1] if self.is_mirrored else back

    def upright_image(self, image: Image.Image) -> Image.Image:
        """The image as it is shown; the same object where nothing is to be done."""
        how = _TRANSPOSES.get((self.is_mirrored, self.rotation_degrees))
        return image if how is None else image.transpose(how)


UPRIGHT = Orientation()


def _turned(picture: npt.NDArray[Any], degrees: int) -> npt.NDArray[Any]:
    turns = degrees // 90 % 4
    if turns % 2:
        picture = picture.swapaxes(0, 1)
    if turns in (1, 2):
        picture = picture[::-1]
    return picture[:, ::-1] if turns in (2, 3) else picture


def matrix_of_display(frame: VideoFrame) -> Orientation | None:
    """How a decoded frame is to be shown by the display matrix it carries; None without one.

    Angles between are rounded to a quarter turn, as players without a 3D view do; a matrix that
    flattens the picture (a determinant of 0) is none.
    """
    # Not `frame.side_data`: the frame would keep what keeps the frame, and hundreds of decoded
    # pictures would wait in memory for the collector of such circles.
    side_data: Any = SideDataContainer
    found = side_data(frame).get("DISPLAYMATRIX")
    if found is None:
        return None
    # [[a, b], [c, d]], row by row: the point (x, y) goes to (a x + c y, b x + d y), y down.
    a, b, _, c, d = struct.unpack_from("=5i", bytes(found))
    determinant = a * d - b * c
    if determinant == 0:
        return UPRIGHT
    is_mirrored = determinant < 0
    if is_mirrored:  # undo the swap of left and right that comes first
        a, b = -a, -b
    quarters = round(math.degrees(-math.atan2(b - c, a + d)) / 90)
    return Orientation(quarters * 90 % 360, is_mirrored)
