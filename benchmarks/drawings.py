"""Drawn footage: pages, scrolled pages, shapes in motion, textures."""

from __future__ import annotations

import numpy as np

from benchmarks.takes import Plane, Stretch


def draw_stretch(random: np.random.Generator, kind: str) -> Stretch:
    """A drawn stretch: `page` (text and boxes), `texture`, or 3 s of `shapes` or `scroll`."""
    if kind in MOVING:
        frames = MOVING[kind](random)
    else:
        frames = [_draw_page(random) if kind == "page" else _draw_texture(random)] * 2
    luma, u, v = (np.stack([f[k] for f in frames]).astype(np.uint8) for k in (0, 1, 2))
    return Stretch(f"{kind}-drawn", luma, u, v, fps=24.0 if kind in MOVING else 4.0)


def _flat(luma: float, u: float, v: float, rows: int = 144) -> list[Plane]:
    shapes = ((rows, 256), (rows // 2, 128), (rows // 2, 128))
    return [np.full(s, level, np.float32) for s, level in zip(shapes, (luma, u, v), strict=True)]


def _draw_page(random: np.random.Generator, rows: int = 144) -> list[Plane]:
    planes = _flat(float(random.choice([235.0, 225.0, 200.0, 40.0])), 128.0, 128.0, rows)
    ink = 30.0 if planes[0][0, 0] > 128 else 210.0
    y = 4
    while y < rows - 6:
        x0 = int(random.integers(4, 200))
        x1 = int(random.integers(x0 + 4, 252))
        if random.random() < 0.15:
            height = int(random.integers(10, 40))
            planes[0][y : y + height, x0:x1] = random.uniform(16, 235)
            for plane in planes[1:]:
                plane[y // 2 : (y + height) // 2, x0 // 2 : x1 // 2] = random.uniform(70, 190)
            y += height + 4
        else:
            letters = random.random((2, x1 - x0)) < 0.6
            planes[0][y : y + 2, x0:x1][letters] = ink
            y += int(random.integers(4, 9))
    return planes


def _draw_texture(random: np.random.Generator) -> list[Plane]:
    planes = _flat(random.uniform(40, 200), random.uniform(90, 166), random.uniform(90, 166))
    for k, plane in enumerate(planes):
        for size in (4, 9, 18, 36, 72):
            noise = random.normal(size=(size, size * 2)).astype(np.float32)
            y = (np.arange(plane.shape[0]) * size // plane.shape[0])[:, None]
            x = (np.arange(plane.shape[1]) * size * 2 // plane.shape[1])[None]
            plane[...] += noise[y, x] * ((22.0 if k == 0 else 6.0) / size**0.35)
        np.clip(plane, 16, 235, out=plane)
    return planes


def _draw_shapes(random: np.random.Generator) -> list[list[Plane]]:
    ground = _draw_texture(random)
    if random.random() < 0.6:
        ground = _flat(random.uniform(30, 235), *random.uniform(80, 176, 2))
    shapes = []
    for _ in range(int(random.integers(2, 8))):
        born = int(random.integers(0, 72)) if random.random() < 0.4 else 0
        at, way, size = (
            random.uniform(0, 1, 2),
            random.normal(0, 0.012, 2),
            random.uniform(0.05, 0.3),
        )
        shapes.append((at, way, size, (random.uniform(16, 235), *random.uniform(60, 200, 2)), born))
    frames = []
    for t in range(72):
        planes = [plane.copy() for plane in ground]
        for at, way, size, tones, born in shapes:
            for plane, tone in zip(planes, tones, strict=True):
                rows, columns = plane.shape
                y = np.abs(np.arange(rows) / rows - (at[1] + way[1] * t) % 1.2)[:, None]
                x = np.abs(np.arange(columns) / columns - (at[0] + way[0] * t) % 1.2)[None] * 1.6
                inside = np.hypot(x, y) < size if tones[0] > 120 else np.maximum(x, y) < size
                if t >= born:
                    plane[inside] = tone
        frames.append(planes)
    return frames


def _draw_scroll(random: np.random.Generator) -> list[list[Plane]]:
    """A page of some screens that is scrolled in steps, under a bar that stays."""
    page = _draw_page(random, rows=144 * 5)
    bar = 2 * int(random.choice([0, 0, random.integers(4, 14)]))
    places, at = np.zeros(72), 0.0
    start = 0
    while start < 72:
        rest, length = int(random.integers(2, 30)), int(random.integers(3, 18))
        way = float(random.uniform(0.15, 1.0)) * 144 * (1 if random.random() < 0.8 else -1)
        part = np.clip((np.arange(72) - start - rest) / length, 0, 1)
        aim = float(np.clip(at + way, 0, 144 * 4))
        places[start:] = at + (aim - at) * (part * part * (3 - 2 * part))[start:]
        at, start = aim, start + rest + length
    frames = []
    for place in places:
        row, shown = 2 * int(place / 2), []
        for plane, k in zip(page, (1, 2, 2), strict=True):
            picture = plane[row // k : (row + 144) // k].copy()
            picture[: bar // k] = plane[: bar // k]
            shown.append(picture)
        frames.append(shown)
    return frames


MOVING = {"shapes": _draw_shapes, "scroll": _draw_scroll}
