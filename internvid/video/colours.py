"""Named colours of a picture."""

from __future__ import annotations

import functools

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
# Kinds of pixels: named by hue; warm ones too dull for a name; warm ones that are brown; others.
_PLAIN, _DULL, _DARK, _NAMELESS, _UNLIT, _NEUTRAL, _BRIGHT = range(7)


def colour_shares(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Share of the pixels that are clearly of each of COLOUR_NAMES, in 255ths.

    A pixel between two names counts for neither, so that the shares need not reach the whole.

    Args:
        pixels: uint8 [H, W, 4]: red, green, blue and one more. Few, each the mean of an area:
            what the picture shows counts, not its noise.
    """
    packed = np.ascontiguousarray(pixels).view("<u4").reshape(-1)
    places = (packed >> 2) & 63
    places |= (packed >> 4) & (63 << 6)
    places |= (packed >> 6) & (63 << 12)
    counts = np.bincount(_names()[places], minlength=_UNSURE + 1)[:_UNSURE]
    return bytes(np.rint(counts * (255 / len(packed))).astype(np.uint8))


@functools.cache
def _names() -> npt.NDArray[np.uint8]:
    """Place in COLOUR_NAMES, or `_UNSURE`, of each colour in steps of four levels: [64^3].

    One look-up a pixel is ten times faster than the rules it holds. Hue, saturation and value are
    Pillow's. The place of a colour is red + 64 green + 4096 blue, in steps.
    """
    levels = np.arange(2, 256, 4, dtype=np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels, indexing="ij")[::-1], axis=-1)
    image = Image.fromarray(cube.reshape(512, 512, 3)).convert("HSV")
    hue, saturation, value = (np.asarray(band).reshape(-1) for band in image.split())
    kinds, names = _rules()
    return np.asarray(names[kinds[saturation, value], hue], np.uint8)


def _rules() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Kind [256, 256] of a pixel by saturation and value, and its colour [7, 256] by kind, hue."""
    saturation, value = np.indices((256, 256))
    kinds = np.full((256, 256), _PLAIN, np.uint8)
    # Pale reds are pink to some, and a little dull is not yet brown.
    kinds[(value < 172) | (saturation < 140)] = _DULL
    kinds[(value < 148) & (saturation < 205) & (saturation > 60)] = _DARK
    kinds[(saturation < 60) | (saturation * value < 24 * 255)] = _NAMELESS
    is_grey = (saturation < 30) | (saturation * value < 12 * 255)
    kinds[is_grey] = _NAMELESS
    kinds[is_grey & (value > 60) & (value < 200)] = _NEUTRAL
    kinds[is_grey & (value > 217)] = _BRIGHT
    kinds[value < 55] = _NAMELESS
    kinds[value < 38] = _UNLIT
    degrees = np.arange(256) * 360 // 255
    by_hue = np.full(256, _UNSURE, np.uint8)
    for start, end, place in _HUES:
        by_hue[(degrees >= start) & (degrees < end)] = place
    is_warm = (degrees < 42) | (degrees >= 349)
    names = np.tile(by_hue, (7, 1))
    names[_DULL, is_warm] = _UNSURE
    names[_DARK, is_warm] = _BROWN
    names[_NAMELESS], names[_UNLIT] = _UNSURE, _BLACK
    names[_NEUTRAL], names[_BRIGHT] = _GREY, _WHITE
    return kinds, names
