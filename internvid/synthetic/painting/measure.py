"""Measures how a rendered frame looks: brightness, tone, dominant colours."""

import colorsys
from dataclasses import dataclass

import numpy as np

from internvid.synthetic.painting.shot_rendering import LUMA, FrameArray
from internvid.synthetic.truth import Borders

DOMINANT_SHARE = 1.0 / 6.0
"""A colour is dominant if it fills this share of the picture."""
DARK_BELOW = 0.28
BRIGHT_ABOVE = 0.62

_HUES: tuple[tuple[float, str], ...] = (
    (15.0, "red"),
    (45.0, "orange"),
    (68.0, "yellow"),
    (165.0, "green"),
    (200.0, "cyan"),
    (258.0, "blue"),
    (300.0, "purple"),
    (345.0, "pink"),
    (361.0, "red"),
)


@dataclass(frozen=True)
class Look:
    """How a picture looks: mean luma 0 to 1, dark / medium / bright, dominant colour names."""

    brightness: float
    tone: str
    colours: tuple[str, ...]


def look_at(picture: FrameArray, borders: Borders) -> Look:
    """Measure a frame inside its black bars.

    Args:
        picture: RGB (H, W, 3), uint8.
        borders: bars that are left out.
    """
    height, width = picture.shape[:2]
    inside = picture[borders.top : height - borders.bottom, borders.left : width - borders.right]
    brightness = float((inside.reshape(-1, 3).astype(np.float32) @ LUMA).mean()) / 255.0
    tone = (
        "dark" if brightness < DARK_BELOW else "bright" if brightness > BRIGHT_ABOVE else "medium"
    )
    names = [
        colour_name((int(r), int(g), int(b))) for r, g, b in inside[4::12, 4::12].reshape(-1, 3)
    ]
    counts = {name: names.count(name) for name in sorted(set(names))}
    large = [name for name in counts if counts[name] >= DOMINANT_SHARE * len(names)]
    return Look(round(brightness, 4), tone, tuple(sorted(large, key=lambda name: -counts[name])))


def colour_name(rgb: tuple[int, int, int]) -> str:
    """Return the name of a colour (0-255): black, grey, white, brown, or one of eight hues."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255.0 for channel in rgb))
    if value < 0.16 or (value < 0.3 and saturation < 0.3):
        return "black" if value < 0.2 else "grey"
    if saturation < 0.16:
        return "white" if value > 0.82 else "grey"
    name = next(name for limit, name in _HUES if hue * 360.0 < limit)
    if name == "pink" and value < 0.5:
        return "purple"
    return "brown" if name in ("orange", "red") and value < 0.62 and saturation < 0.85 else name
