"""Frame-to-frame change of hue, saturation and brightness, as PySceneDetect measures it.

Its ContentDetector scales each BGR frame to a width of 256 and averages |change| of the three
HSV channels (8-bit, hue 0 to 179). Here the same three means are taken over 72 x 64 samples of
the picture. The colour conversion follows FFmpeg's integer one (BT.601, each product rounded
down), which dark and grey pictures need: there one level of rounding moves hue and saturation far.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from internvid.core.contracts import Planes
from internvid.core.types import ColumnSpec
from internvid.scan.timeline_columns import StoredColumns
from internvid.video.planes import mean_levels

Float = npt.NDArray[np.float32]
Whole = npt.NDArray[np.int16]

# Frames converted at once: enough to hide the cost of each numpy call, few enough for the cache.
_CHUNK = 8
# A clip to two bounds runs four times as fast as a maximum with one number.
_ONE, _HIGHEST = np.float32(1), np.float32(255)
_LEAST, _MOST = np.int16(0), np.int16(255)


def hue_saturation_value(luma: Float, u: npt.NDArray[np.uint8], v: npt.NDArray[np.uint8]) -> Float:
    """8-bit HSV as OpenCV defines it, from limited-range BT.601 planes.

    Args:
        luma: float32 of any shape, levels.
        u, v: uint8 of the same shape.

    Returns:
        float32 [3, ...]: hue 0 to 179, saturation and value 0 to 255, whole numbers.
    """
    out = np.empty((3, *luma.shape), np.float32)
    u_levels, v_levels = u.astype(np.float32), v.astype(np.float32)
    u_levels -= 128
    v_levels -= 128
    bright = _floored(luma - np.float32(16), 1.164383)
    red = _clipped(_floored(v_levels, 1.596027), bright)
    green = _floored(u_levels, -0.391762)
    green += _floored(v_levels, -0.812968)
    green = _clipped(green, bright)
    blue = _clipped(_floored(u_levels, 2.017232), bright)
    largest, chroma = np.maximum(red, green), np.minimum(red, green)
    np.maximum(largest, blue, out=largest)
    np.minimum(chroma, blue, out=chroma)
    np.subtract(largest, chroma, out=chroma)
    step = chroma.astype(np.float32)
    out[2] = largest
    saturation = np.clip(out[2], _ONE, _HIGHEST, out=out[1])
    np.divide(np.float32(255), saturation, out=saturation)
    np.multiply(saturation, step, out=saturation)
    np.rint(saturation, out=saturation)
    np.clip(step, _ONE, _HIGHEST, out=step)
    np.divide(np.float32(30), step, out=step)
    # The channel that is largest names the third of the circle; red wins ties, then green.
    is_green, is_red = _mask(largest == green), _mask(largest == red)
    gap = red - green
    _replace(gap, blue - red, is_green)
    _replace(gap, green - blue, is_red)
    third = is_green & np.int16(-60)
    third += np.int16(120)
    third &= ~is_red
    # Converted by itself: a sum of two types goes through small buffers.
    hue = np.multiply(gap.astype(np.float32), step, out=out[0])
    hue += third.astype(np.float32)
    turn = (hue < np.float32(-0.5)).astype(np.float32)
    turn *= 180
    hue += turn
    np.rint(hue, out=hue)
    return out


def _floored(levels: Float, factor: float) -> Whole:
    product: Float = levels * np.float32(factor)
    np.floor(product, out=product)
    return product.astype(np.int16)


def _clipped(levels: Whole, bright: Whole) -> Whole:
    levels += bright
    return np.clip(levels, _LEAST, _MOST, out=levels)


def _mask(where: npt.NDArray[np.bool_]) -> Whole:
    """All bits set where true."""
    signs = where.view(np.int8)
    return np.negative(signs, out=signs).astype(np.int16)


def _replace(levels: Whole, others: Whole, mask: Whole) -> None:
    """Puts `others`, which are used up, into `levels` at some places.

    On bits: five times quicker than a copy that branches at each place.
    """
    others ^= levels
    others &= mask
    levels ^= others


@dataclass
class ContentObserver:
    """Mean absolute change of hue, saturation and value against the frame before."""

    columns: ClassVar[Mapping[str, ColumnSpec]] = {
        "delta_hue": ColumnSpec("uint16", 1 / 16, unit="levels", meaning="mean |hue change|"),
        "delta_saturation": ColumnSpec(
            "uint16", 1 / 16, unit="levels", meaning="mean |saturation change|"
        ),
        "delta_value": ColumnSpec("uint16", 1 / 16, unit="levels", meaning="mean |value change|"),
    }
    _last: Float | None = field(default=None, repr=False)
    _stored: StoredColumns = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._stored = StoredColumns(self.columns)

    def observe(self, batch: Planes) -> None:
        """Add the changes of each frame of the batch against the one before it."""
        rows = np.zeros((len(batch.luma), 3), np.float32)
        for start in range(0, len(batch.luma), _CHUNK):
            part = slice(start, start + _CHUNK)
            current = hue_saturation_value(
                _even_columns(batch.luma[part]),
                _even_columns(batch.u[part]),
                _even_columns(batch.v[part]),
            ).reshape(3, len(rows[part]), -1)
            change = np.empty_like(current)
            before = current[:, 0] if self._last is None else self._last
            np.subtract(current[:, 0], before, out=change[:, 0])
            np.subtract(current[:, 1:], current[:, :-1], out=change[:, 1:])
            np.abs(change, out=change)
            rows[part] = mean_levels(change.reshape(-1, change.shape[2])).reshape(3, -1).T
            self._last = current[:, -1].copy()
        self._stored.append(rows)

    def finish(self) -> dict[str, npt.NDArray[Any]]:
        """The three columns; 0 for the first frame."""
        return self._stored.values()

    def finish_stored(self) -> dict[str, npt.NDArray[Any]]:
        """Timeline columns in their stored form."""
        return self._stored.stored()


def _even_columns(planes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Every second column. A view that leaves out the others is several times slower to read."""
    pairs = planes.view(f"<u{2 * planes.itemsize}")
    return pairs.astype(f"<u{planes.itemsize}").view(planes.dtype)
