"""Named colours of a picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

COLOUR_NAMES = (
    "black", "grey", "white", "red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink",
    "brown",
)  # fmt: skip
_BLACK, _GREY, _WHITE, _UNSURE = 0, 1, 2, len(COLOUR_NAMES)
# Hues in degrees, from, up to, place in COLOUR_NAMES. What lies between two is called either way
# by different people.
_HUES = (
    (0, 12, 3), (22, 40, 4), (48, 63, 5), (76, 158, 6), (172, 194, 7), (206, 252, 8),
    (266, 294, 9), (308, 338, 10), (349, 361, 3),
)  # fmt: skip
_BROWN = 11


def colour_shares(image: Image.Image) -> bytes:
    """Share of the pixels that are clearly of each of COLOUR_NAMES, in 255ths.

    A pixel between two names counts for neither, so that the shares need not reach the whole.
    Hue, saturation and value are Pillow's; a dull red or orange is brown.
    """
    # Whole blocks are averaged first: one pass over the picture, then little to resize.
    factor = max(1, min(image.size) // 64)
    small = image.reduce(factor).resize((48, 48), Image.Resampling.BOX).convert("HSV")
    hue, saturation, value = np.moveaxis(np.asarray(small).astype(np.int32), 2, 0)
    chosen = _by_hue(hue * 360 // 255, saturation, value)
    is_grey = (saturation < 30) | (saturation * value < 12 * 255)
    neutral = np.where(value > 217, _WHITE, np.where((value > 60) & (value < 200), _GREY, _UNSURE))
    chosen = np.where(is_grey, neutral, chosen)
    chosen = np.where(value < 55, _UNSURE, chosen)
    chosen = np.where(value < 38, _BLACK, chosen)
    counts = np.bincount(chosen.reshape(-1), minlength=_UNSURE + 1)[:_UNSURE]
    return bytes(np.rint(counts * (255 / chosen.size)).astype(np.uint8))


def _by_hue(
    degrees: npt.NDArray[np.int32], saturation: npt.NDArray[np.int32], value: npt.NDArray[np.int32]
) -> npt.NDArray[np.int64]:
    """Place in COLOUR_NAMES by hue, or `_UNSURE`."""
    chosen = np.full(degrees.shape, _UNSURE)
    for start, end, place in _HUES:
        chosen[(degrees >= start) & (degrees < end)] = place
    warm = (degrees < 42) | (degrees >= 349)
    # Pale reds are pink to some, and a little dull is not yet brown.
    chosen[warm & ((value < 172) | (saturation < 140))] = _UNSURE
    chosen[warm & (value < 148) & (saturation < 205) & (saturation > 60)] = _BROWN
    pale = (saturation < 60) | (saturation * value < 24 * 255)
    chosen[pale] = _UNSURE
    return chosen
