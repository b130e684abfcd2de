"""Painted backgrounds with a name: mountains, a city, the sea ... at any canvas size.

Every backdrop has detail along both axes, so that a pan, a tilt and a zoom can be seen in it. A
backdrop comes in palettes (day, dusk, night ...), which decide how bright it is.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from internvid.synthetic.painting.textures import (
    Colour,
    FloatArray,
    below,
    blend,
    discs,
    noise,
    ridge,
    vertical,
)

Palette = tuple[Colour, ...]
Painter = Callable[[np.random.Generator, int, int, float, Palette], FloatArray]


def _clouded(
    rng: np.random.Generator, height: int, width: int, unit: float, low: Colour, high: Colour
) -> FloatArray:
    sky = blend(high, low, vertical(height, width))
    cloud = noise(rng, height, width, (unit * 0.22, unit * 0.5), 5)
    return sky + (np.clip(cloud, -1.2, 2.5) * np.float32(14.0))[..., None]


def _ridges(
    rng: np.random.Generator, height: int, width: int, unit: float, palette: Palette
) -> FloatArray:
    """Layers of hills under a sky: mountains or dunes by palette."""
    picture = _clouded(rng, height, width, unit, palette[1], palette[0])
    discs(rng, picture, 1, (unit * 0.07, unit * 0.1), [palette[2]], 0.9)
    for layer, colour in enumerate(palette[3:]):
        level = height * (0.42 + 0.17 * layer)
        line = level + ridge(rng, width, unit * (0.9 - 0.2 * layer)) * np.float32(
            unit * (0.1 - 0.02 * layer)
        )
        texture = noise(rng, height, width, (unit * 0.12, unit * 0.16), 4) * np.float32(13.0)
        ground = np.asarray(colour, dtype=np.float32) + texture[..., None]
        picture = blend(picture, ground, below(line.astype(np.float32), height))
    return picture


def _sea(
    rng: np.random.Generator, height: int, width: int, unit: float, palette: Palette
) -> FloatArray:
    picture = _clouded(rng, height, width, unit, palette[1], palette[0])
    discs(rng, picture, 1, (unit * 0.08, unit * 0.11), [palette[2]], 0.9)
    waves = noise(rng, height, width, (unit * 0.08, unit * 0.3), 5)
    swell = noise(rng, height, width, (unit * 0.4, unit * 0.9), 2)
    water = blend(palette[3], palette[4], np.clip(0.5 + 0.25 * waves + 0.2 * swell, 0, 1))
    water = blend(water, palette[2], np.clip((waves - 1.5) * 0.9, 0, 0.7))
    line = np.full(width, height * 0.45, dtype=np.float32)
    picture = blend(picture, water, below(line, height))
    for _ in range(max(2, int(width / unit * 1.5))):
        _island(rng, picture, unit, palette[5], height * 0.45)
    return picture


def _island(
    rng: np.random.Generator, picture: FloatArray, unit: float, colour: Colour, horizon: float
) -> None:
    """Paint one low rock on the horizon, in place."""
    height, width = picture.shape[:2]
    half = int(unit * rng.uniform(0.1, 0.3))
    middle = int(rng.integers(width))
    left, right = max(0, middle - half), min(width, middle + half)
    if right - left < 4:
        return
    x = (np.arange(left, right, dtype=np.float32) - middle) / half
    line = horizon + 2 - (1 - x * x) * np.float32(unit * rng.uniform(0.05, 0.14))
    mask = below(line.astype(np.float32), height) - below(
        np.full(right - left, horizon + 2, dtype=np.float32), height
    )
    picture[:, left:right] = blend(picture[:, left:right], colour, np.clip(mask, 0, 1))


def _city(
    rng: np.random.Generator, height: int, width: int, unit: float, palette: Palette
) -> FloatArray:
    picture = _clouded(rng, height, width, unit, palette[1], palette[0])
    for layer in (0, 1):
        left = -int(unit * 0.1)
        while left < width:
            wide = int(unit * rng.uniform(0.14, 0.32))
            top = int(height * (0.36 + 0.2 * layer) - unit * rng.uniform(-0.12, 0.2))
            shade = np.asarray(palette[3 + layer], dtype=np.float32) * np.float32(
                rng.uniform(0.75, 1.25)
            )
            picture[max(0, top) :, max(0, left) : max(0, left + wide)] = shade
            _windows(rng, picture, (left, top, wide), unit, palette[2])
            left += wide + int(unit * rng.uniform(0.0, 0.08))
    grime = noise(rng, height, width, (unit * 0.15, unit * 0.15), 4)
    return picture + (grime * np.float32(6.0))[..., None]


def _windows(
    rng: np.random.Generator,
    picture: FloatArray,
    house: tuple[int, int, int],
    unit: float,
    colour: Colour,
) -> None:
    """Light some windows of one house (left, top, width in pixels), in place."""
    left, top, wide = house
    step = max(4, round(unit * 0.045))
    rows = max(0, (picture.shape[0] - top) // step)
    columns = max(0, wide // step - 1)
    lit = rng.random((rows, columns)) < 0.5
    for row, column in np.argwhere(lit):
        y, x = top + step // 2 + int(row) * step, left + step // 2 + int(column) * step
        if x >= 0 and y >= 0:
            picture[y : y + step // 2, x : x + step // 2] = colour


def _meadow(
    rng: np.random.Generator, height: int, width: int, unit: float, palette: Palette
) -> FloatArray:
    grass = noise(rng, height, width, (unit * 0.12, unit * 0.07), 4)
    patches = noise(rng, height, width, (unit * 0.6, unit * 0.8), 2)
    picture = blend(palette[0], palette[1], np.clip(0.5 + 0.2 * grass + 0.2 * patches, 0, 1))
    count = int(width * height / unit**2 * 45)
    discs(rng, picture, count, (unit * 0.012, unit * 0.03), list(palette[2:]), 0.95)
    return picture


def _forest(
    rng: np.random.Generator, height: int, width: int, unit: float, palette: Palette
) -> FloatArray:
    leaves = noise(rng, height, width, (unit * 0.25, unit * 0.25), 5)
    picture = blend(palette[0], palette[1], np.clip(0.5 + 0.3 * leaves, 0, 1))
    x = 0.0
    while x < width:
        wide = unit * float(rng.uniform(0.03, 0.1))
        left, right = int(x), min(width, int(x + wide))
        bark = noise(rng, height, max(1, right - left), (unit * 0.2, unit * 0.03), 3) * np.float32(
            14.0
        )
        round_shade = np.sin(np.linspace(0.4, 2.9, max(1, right - left), dtype=np.float32))
        trunk = (
            np.asarray(palette[2], dtype=np.float32) * round_shade[None, :, None] + bark[..., None]
        )
        picture[:, left:right] = trunk[:, : right - left]
        x += wide + unit * float(rng.uniform(0.08, 0.35))
    front = noise(rng, height, width, (unit * 0.3, unit * 0.4), 5)
    return blend(picture, palette[3], np.clip((front - 0.7) * 3.0, 0, 1))


def _stars(
    rng: np.random.Generator, height: int, width: int, unit: float, palette: Palette
) -> FloatArray:
    cloud = noise(rng, height, width, (unit * 0.5, unit * 0.7), 5)
    other = noise(rng, height, width, (unit * 0.4, unit * 0.4), 4)
    picture = blend(palette[0], palette[1], np.clip(0.35 + 0.35 * cloud, 0, 1))
    picture = blend(picture, palette[2], np.clip(other - 0.6, 0, 0.7))
    count = int(width * height / unit**2 * 70)
    discs(
        rng, picture, count, (unit * 0.003, unit * 0.012), [palette[3], (255.0, 250.0, 230.0)], 0.9
    )
    return picture


def _lights(
    rng: np.random.Generator, height: int, width: int, unit: float, palette: Palette
) -> FloatArray:
    haze = noise(rng, height, width, (unit * 0.5, unit * 0.5), 4)
    picture = blend(palette[0], palette[1], np.clip(0.5 + 0.3 * haze, 0, 1))
    count = int(width * height / unit**2 * 28)
    discs(rng, picture, count, (unit * 0.02, unit * 0.09), list(palette[2:]), 0.65)
    dust = noise(rng, height, width, (unit * 0.08, unit * 0.08), 3)
    return picture + (dust * np.float32(5.0))[..., None]


def _tiles(
    rng: np.random.Generator, height: int, width: int, unit: float, palette: Palette
) -> FloatArray:
    step = max(8, round(unit * float(rng.uniform(0.14, 0.24))))
    rows, columns = height // step + 2, width // step + 2
    colours = np.asarray(palette, dtype=np.float32)
    picks = colours[rng.integers(len(palette), size=(rows, columns))]
    picks = picks + rng.normal(0, 12, (rows, columns, 1)).astype(np.float32)
    picture = picks.repeat(step, axis=0).repeat(step, axis=1)[:height, :width].copy()
    picture[::step] *= np.float32(0.6)
    picture[:, ::step] *= np.float32(0.6)
    wear = noise(rng, height, width, (unit * 0.3, unit * 0.3), 5)
    return picture + (wear * np.float32(10.0))[..., None]


def _bricks(
    rng: np.random.Generator, height: int, width: int, unit: float, palette: Palette
) -> FloatArray:
    tall, wide = max(6, round(unit * 0.075)), max(12, round(unit * 0.19))
    rows, columns = np.arange(height), np.arange(width)
    course = rows // tall
    shifted = columns[None, :] + (course % 2 * wide // 2)[:, None]
    tint = rng.normal(0, 1, (height // tall + 1, (width + wide) // wide + 1)).astype(np.float32)
    tone = tint[course[:, None], shifted // wide]
    picture = blend(palette[0], palette[1], np.clip(0.5 + 0.3 * tone, 0, 1))
    joint = (rows % tall < max(1, tall // 7))[:, None] | (shifted % wide < max(1, tall // 7))
    picture[joint] = palette[2]
    return (
        picture
        + (noise(rng, height, width, (unit * 0.3, unit * 0.3), 5) * np.float32(9.0))[..., None]
    )


def _marble(
    rng: np.random.Generator, height: int, width: int, unit: float, palette: Palette
) -> FloatArray:
    warp = noise(rng, height, width, (unit * 0.5, unit * 0.5), 5)
    base = noise(rng, height, width, (unit * 0.7, unit * 0.4), 3)
    vein = np.abs(np.sin(base * 2.2 + warp * 1.3))
    picture = blend(palette[0], palette[1], np.clip(0.5 + 0.35 * warp, 0, 1))
    return blend(picture, palette[2], np.clip(1.0 - vein * 3.0, 0, 1))


def _clouds(
    rng: np.random.Generator, height: int, width: int, unit: float, palette: Palette
) -> FloatArray:
    puff = noise(rng, height, width, (unit * 0.4, unit * 0.6), 6)
    sky = blend(palette[0], palette[1], vertical(height, width))
    return blend(sky, palette[2], np.clip(0.35 + 0.55 * puff, 0, 1))


PAINTERS: Mapping[str, tuple[Painter, str]] = MappingProxyType(
    {
        "mountains": (_ridges, "in front of {} mountains"),
        "dunes": (_ridges, "over {} sand dunes"),
        "sea": (_sea, "over a {} sea"),
        "city": (_city, "in front of a {} city"),
        "meadow": (_meadow, "over a {} meadow"),
        "forest": (_forest, "in a {} forest"),
        "stars": (_stars, "in front of a {} starry sky"),
        "lights": (_lights, "in front of {} lights"),
        "tiles": (_tiles, "in front of {} tiles"),
        "bricks": (_bricks, "in front of a {} brick wall"),
        "marble": (_marble, "in front of {} marble"),
        "clouds": (_clouds, "in front of {} clouds"),
    }
)
"""Backdrop name -> (painter, phrase with a place for the tone)."""
