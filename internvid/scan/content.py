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
from internvid.scan.columns import StoredColumns

Float = npt.NDArray[np.float32]

# Frames converted at once: enough to hide the cost of each numpy call, few enough for the cache.
_CHUNK = 8
# A clip to two bounds runs four times as fast as a maximum with one number.
_ONE, _HIGHEST = np.float32(1), np.float32(255)


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
    red = _clipped(bright + _floored(v_levels, 1.596027))
    green = bright + _floored(u_levels, -0.391762)
    green += _floored(v_levels, -0.812968)
    green = _clipped(green)
    blue = _clipped(bright + _floored(u_levels, 2.017232))
    value = np.maximum(red, green, out=out[2])
    np.maximum(value, blue, out=value)
    chroma = np.minimum(red, green)
    np.minimum(chroma, blue, out=chroma)
    np.subtract(value, chroma, out=chroma)
    saturation = np.clip(value, _ONE, _HIGHEST, out=out[1])
    np.divide(np.float32(255), saturation, out=saturation)
    np.multiply(saturation, chroma, out=saturation)
    np.rint(saturation, out=saturation)
    step = np.clip(chroma, _ONE, _HIGHEST, out=chroma)
    np.divide(np.float32(30), step, out=step)
    # The channel that is largest names the third of the circle; red wins ties, then green.
    hue = np.subtract(red, green, out=out[0])
    hue *= step
    hue += 120
    from_green = blue - red
    from_green *= step
    from_green += 60
    _replace(hue, from_green, value == green)
    from_red = green - blue
    from_red *= step
    turn = (from_red < np.float32(-0.5)).astype(np.float32)
    turn *= 180
    from_red += turn
    _replace(hue, from_red, value == red)
    np.rint(hue, out=hue)
    return out


def _floored(levels: Float, factor: float) -> Float:
    product: Float = levels * np.float32(factor)
    np.floor(product, out=product)
    return product


def _clipped(levels: Float) -> Float:
    return np.clip(levels, np.float32(0), _HIGHEST, out=levels)


def _replace(levels: Float, others: Float, where: npt.NDArray[np.bool_]) -> None:
    """Puts `others`, which are used up, into `levels` at some places.

    Products with 0 and 1 are exact, and five times quicker than a copy that branches at each place.
    """
    share = where.astype(np.float32)
    others *= share
    np.subtract(_ONE, share, out=share)
    levels *= share
    levels += others


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
                batch.luma[part, :, ::2], batch.u[part, :, ::2], batch.v[part, :, ::2]
            )
            deltas = rows[part]
            if self._last is not None:
                deltas[0] = _mean_change(current[:, 0], self._last)
            change = current[:, 1:] - current[:, :-1]
            np.abs(change, out=change)
            deltas[1:] = change.mean(axis=(2, 3)).T
            self._last = current[:, -1].copy()
        self._stored.append(rows)

    def finish(self) -> dict[str, npt.NDArray[Any]]:
        """The three columns; 0 for the first frame."""
        return self._stored.values()

    def finish_stored(self) -> dict[str, npt.NDArray[Any]]:
        """The same as they are stored."""
        return self._stored.stored()


def _mean_change(current: Float, before: Float) -> Float:
    return np.asarray(np.abs(current - before).reshape(3, -1).mean(axis=1), np.float32)
