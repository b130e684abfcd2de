"""Changes of the picture that are no shot boundary."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.casting import make_take
from benchmarks.joints import Change
from benchmarks.takes import Planes, Stretch

# Light changes most often of all these in life, and looks most like a dissolve.
NAMES = (
    "light",
    "light",
    "flash",
    "strobe",
    "flicker",
    "body",
    "title",
    "inset",
    "scroll",
    "light",
    "noise",
    "glitch",
    "smear",
    "blur",
    "ramp",
    "tint",
    "comb",
    "whip",
)


def make_events(pool: list[Stretch]) -> Callable[[np.random.Generator], tuple[str, Change, float]]:
    """A maker of random events; insets show other footage of `pool`."""

    def make(random: np.random.Generator) -> tuple[str, Change, float]:
        name = str(random.choice(NAMES))
        if name == "inset":
            return _inset(random, pool)
        return MAKERS[name](random)

    return make


def _lift(picture: Planes, gain: float, add: float) -> Planes:
    luma, u, v = picture
    return np.clip((luma - 16) * gain + 16 + add, 16, 235), u, v


def _flash(random: np.random.Generator) -> tuple[str, Change, float]:
    add, gain = random.uniform(30, 240), random.choice([1.0, 1.5, 0.3])
    length = random.choice([0.04, 0.07, 0.12, 0.2])
    decays = random.random() < 0.5
    return (
        "flash",
        lambda p, t: _lift(p, gain, add * (1 - t / length if decays else 1)),
        float(length),
    )


def _strobe(random: np.random.Generator) -> tuple[str, Change, float]:
    rate, add = random.uniform(3, 14), random.uniform(-120, 120)
    return (
        "strobe",
        lambda p, t: _lift(p, 1.0, add) if int(t * rate) % 2 else p,
        float(random.uniform(0.5, 2.5)),
    )


def _flicker(random: np.random.Generator) -> tuple[str, Change, float]:
    gains = np.clip(random.normal(1, random.uniform(0.1, 0.45), 200), 0.2, 2.2)
    return (
        "flicker",
        lambda p, t: _lift(p, float(gains[int(t * 25) % 200]), 0),
        float(random.uniform(0.5, 3)),
    )


def _body(random: np.random.Generator) -> tuple[str, Change, float]:
    y, x = np.mgrid[0:72, 0:128].astype(np.float32)
    x = x / 72
    y = y / 72
    size, seconds = random.uniform(0.25, 1.1), random.uniform(0.1, 0.9)
    luma, chroma = random.uniform(16, 220), random.uniform(90, 166, 2)
    sign, height = random.choice([-1, 1]), random.uniform(0.2, 0.9)
    texture = random.normal(0, random.choice([0, 18]), (9, 16)).astype(np.float32)[
        (y * 8.9).astype(int), (x * 8.9).astype(int)
    ]
    returns = random.random() < 0.3

    def change(picture: Planes, t: float) -> Planes:
        way = np.sin(np.pi * t / seconds) * 0.5 if returns else t / seconds
        centre = -size + way * (1.78 + 2 * size)
        centre = centre if sign > 0 else 1.78 - centre
        mask = np.clip((1 - np.hypot((x - centre) / size, (y - height) / (size * 1.3))) * 6, 0, 1)
        small = mask[::2, ::2]
        out = [picture[0] + (luma + texture - picture[0]) * mask]
        out += [
            plane + (value - plane) * small
            for plane, value in zip(picture[1:], chroma, strict=True)
        ]
        return out[0], out[1], out[2]

    return "body", change, float(seconds)


def _title(random: np.random.Generator) -> tuple[str, Change, float]:
    mask = np.zeros((72, 128), np.float32)
    is_big = random.random() < 0.35
    for _ in range(int(random.integers(1, 5))):
        height = int(random.integers(8, 22)) if is_big else int(random.integers(3, 7))
        y0 = int(random.integers(4, 70 - height) if is_big else random.integers(46, 70 - height))
        x0, x1 = sorted(random.integers(4, 124, 2))
        letters = (random.random((1, 128)) < 0.65).repeat(height, 0)
        mask[y0 : y0 + height, x0:x1] = letters[:, x0:x1]
    if random.random() < 0.3:
        y0 = int(random.integers(20, 60))
        mask[y0 : y0 + int(random.integers(8, 22))] = random.uniform(0.5, 1)
    luma = random.choice([235.0, 20.0, 180.0])
    fade = random.choice([0.0, 0.3, 0.7, 1.2])
    seconds = random.uniform(max(0.8, 2 * fade), 3.2)

    def change(picture: Planes, t: float) -> Planes:
        weight = mask * (min(1.0, t / fade, (seconds - t) / fade) if fade else 1.0)
        small = weight[::2, ::2]
        return (
            picture[0] + (luma - picture[0]) * weight,
            picture[1] + (128 - picture[1]) * small,
            picture[2] + (128 - picture[2]) * small,
        )

    return "title", change, float(seconds)


def _inset(random: np.random.Generator, pool: list[Stretch]) -> tuple[str, Change, float]:
    seconds = random.uniform(0.6, 3)
    takes = [make_take(random, pool, seconds) for _ in range(2)]
    change_at = random.uniform(0, seconds) if random.random() < 0.5 else seconds
    rows, columns = int(random.integers(8, 19)) * 2, int(random.integers(12, 32)) * 2
    y, x = (
        int(random.integers(0, (72 - rows) // 2)) * 2,
        int(random.integers(0, (128 - columns) // 2)) * 2,
    )
    slides = random.random() < 0.4

    def change(picture: Planes, t: float) -> Planes:
        shown = takes[0].show(t) if t < change_at else takes[1].show(t)
        part = min(1.0, t / 0.3) if slides else 1.0
        out = []
        for outer, inner, k in zip(picture, shown, (1, 2, 2), strict=True):
            plane = outer.copy()
            h, w = rows // k, int(columns // k * part)
            if h and w:
                pick = inner[
                    np.arange(h)[:, None] * inner.shape[0] // h, np.arange(w) * inner.shape[1] // w
                ]
                plane[y // k : y // k + h, x // k : x // k + w] = pick
            out.append(plane)
        return out[0], out[1], out[2]

    return "inset", change, float(seconds)


def _scroll(random: np.random.Generator) -> tuple[str, Change, float]:
    """The picture rolls by like a page, fast, and stops elsewhere."""
    seconds, way = random.uniform(0.12, 0.9), random.uniform(0.2, 0.9)
    axis = 0 if random.random() < 0.6 else 1
    if random.random() < 0.4:
        # Whole turns end at the same picture: a long pan or scroll in one direction.
        turns, seconds = (
            int(random.integers(1, 4)) * random.choice([-1, 1]),
            random.uniform(0.4, 2.0),
        )
        return "scroll", lambda p, t: _turn(p, turns * t / seconds, axis), float(seconds)

    def change(picture: Planes, t: float) -> Planes:
        part = t / seconds
        share = way * part * part * (3 - 2 * part)
        return _turn(picture, share, axis)

    # It has to end where it began, or the end itself would look like a cut.
    return "scroll", lambda p, t: change(p, min(t, 2 * seconds - t)), float(2 * seconds)


def _turn(picture: Planes, share: float, axis: int) -> Planes:
    """The picture rolled by a share of its size."""
    rolled = [np.roll(plane, int(share * plane.shape[axis]), axis=axis) for plane in picture]
    return rolled[0], rolled[1], rolled[2]


def _light(random: np.random.Generator) -> tuple[str, Change, float]:
    gain = random.choice([random.uniform(0.25, 0.7), random.uniform(1.3, 2.0)])
    rise, seconds = random.choice([0.0, 0.08, 0.3, 0.6, 1.0]), random.uniform(1.0, 3.5)
    # Light dims colours as it dims brightness; what a camera makes of them may not.
    share = float(random.choice([1.0, 1.0, random.uniform(0, 1)]))

    def change(picture: Planes, t: float) -> Planes:
        part = min(1.0, t / rise, max(0.0, seconds - t) / rise) if rise else 1.0
        now = 1 + (gain - 1) * part
        luma, u, v = _lift(picture, now, 0)
        tint = 1 + (now - 1) * share
        return luma, (u - 128) * tint + 128, (v - 128) * tint + 128

    return "light", change, float(seconds)


def _noise(random: np.random.Generator) -> tuple[str, Change, float]:
    amount = random.uniform(3, 20)
    local = np.random.default_rng(int(random.integers(1 << 30)))
    return (
        "noise",
        lambda p, t: (p[0] + local.normal(0, amount, (72, 128)).astype(np.float32), p[1], p[2]),
        float(random.uniform(0.5, 3)),
    )


def _glitch(random: np.random.Generator) -> tuple[str, Change, float]:
    tone = random.choice([16.0, 235.0, 120.0])
    rows = int(random.choice([72, 36, 20]))

    def change(picture: Planes, t: float) -> Planes:
        luma, u, v = (plane.copy() for plane in picture)
        luma[-rows:], u[-rows // 2 :], v[-rows // 2 :] = tone, 128, 128
        return luma, u, v

    return "glitch", change, float(random.choice([0.03, 0.07, 0.1]))


def _smear(random: np.random.Generator) -> tuple[str, Change, float]:
    """A damaged stream: one row runs down over all that is below it, then all is well again."""
    first, sway = int(random.integers(0, 26)) * 2, float(random.normal(0, 15))

    def change(picture: Planes, t: float) -> Planes:
        shown = []
        for plane, k in zip(picture, (1, 2, 2), strict=True):
            damaged = plane.copy()
            damaged[first // k :] = damaged[first // k] + sway / k
            shown.append(damaged)
        return shown[0], shown[1], shown[2]

    return "smear", change, float(random.uniform(0.04, 0.4))


def _blur(random: np.random.Generator) -> tuple[str, Change, float]:
    seconds = random.uniform(0.4, 2)

    def change(picture: Planes, t: float) -> Planes:
        reach = int(6 * np.sin(np.pi * t / seconds))
        if reach < 1:
            return picture
        luma = picture[0]
        for axis in (0, 1):
            luma = np.mean([np.roll(luma, k, axis=axis) for k in range(-reach, reach + 1)], axis=0)
        return luma.astype(np.float32), picture[1], picture[2]

    return "blur", change, float(seconds)


def _ramp(random: np.random.Generator) -> tuple[str, Change, float]:
    seconds, gain, add = random.uniform(0.3, 2.5), random.uniform(0.3, 2.2), random.uniform(-60, 60)

    def change(picture: Planes, t: float) -> Planes:
        part = np.sin(np.pi * t / seconds)
        return _lift(picture, 1 + (gain - 1) * part, add * part)

    return "ramp", change, float(seconds)


def _tint(random: np.random.Generator) -> tuple[str, Change, float]:
    seconds, shift = random.uniform(0.3, 2.5), random.normal(0, 18, 2)
    sudden = random.random() < 0.2
    shift = shift * 0.3 if sudden else shift

    def change(picture: Planes, t: float) -> Planes:
        part = 1.0 if sudden else np.sin(np.pi * t / seconds)
        return picture[0], picture[1] + shift[0] * part, picture[2] + shift[1] * part

    return "tint", change, float(seconds)


def _comb(random: np.random.Generator) -> tuple[str, Change, float]:
    shift = int(random.integers(2, 8))

    def change(picture: Planes, t: float) -> Planes:
        luma = picture[0].copy()
        luma[::2] = np.roll(luma[::2], shift if int(t * 30) % 2 else 0, axis=1)
        return luma, picture[1], picture[2]

    return "comb", change, float(random.uniform(0.3, 2))


def _whip(random: np.random.Generator) -> tuple[str, Change, float]:
    """A blurred roll there and back."""
    seconds, way = random.uniform(0.2, 0.6), random.uniform(0.4, 1.5)

    def change(picture: Planes, t: float) -> Planes:
        share = way * np.sin(np.pi * t / seconds)
        out = []
        for plane in picture:
            reach = max(
                1, int(abs(np.cos(np.pi * t / seconds)) * way * plane.shape[1] / seconds / 30 * 2)
            )
            offsets = np.unique(np.linspace(0, reach, min(reach, 8)).astype(int))
            out.append(
                np.mean(
                    [np.roll(plane, int(share * plane.shape[1]) + k, axis=1) for k in offsets],
                    axis=0,
                ).astype(np.float32)
            )
        return out[0], out[1], out[2]

    return "whip", change, float(seconds)


MAKERS: dict[str, Callable[[np.random.Generator], tuple[str, Change, float]]] = {
    "flash": _flash,
    "strobe": _strobe,
    "flicker": _flicker,
    "body": _body,
    "title": _title,
    "scroll": _scroll,
    "light": _light,
    "noise": _noise,
    "glitch": _glitch,
    "smear": _smear,
    "blur": _blur,
    "ramp": _ramp,
    "tint": _tint,
    "comb": _comb,
    "whip": _whip,
}
