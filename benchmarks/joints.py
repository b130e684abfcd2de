"""Ways in which one take turns into the next: dissolves, fades, wipes, slides."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from benchmarks.takes import Planes

FloatArray = npt.NDArray[np.float32]
Change = Callable[[Planes, float], Planes]
Mix = Callable[[Planes, Planes, float], Planes]


def blend(one: Planes, other: Planes, weight: float | FloatArray, power: float = 1.0) -> Planes:
    """one * (1 - weight) + other * weight; a weight [72, 128] is halved for chroma."""
    mixed = []
    for k, (a, b) in enumerate(zip(one, other, strict=True)):
        part = weight[::2, ::2] if isinstance(weight, np.ndarray) and k else weight
        if k == 0 and power != 1.0:
            low = (
                np.clip((a - 16) / 219, 0, 1) ** power * (1 - part)
                + np.clip((b - 16) / 219, 0, 1) ** power * part
            )
            mixed.append(low ** (1 / power) * 219 + 16)
        else:
            mixed.append(a + (b - a) * part)
    return mixed[0].astype(np.float32), mixed[1].astype(np.float32), mixed[2].astype(np.float32)


def make_tone(luma: float) -> Planes:
    return (
        np.full((72, 128), luma, np.float32),
        np.full((36, 64), 128, np.float32),
        np.full((36, 64), 128, np.float32),
    )


def _wipe_weight(random: np.random.Generator) -> Callable[[float], FloatArray]:
    """A wipe: progress 0 to 1 -> weight of the new picture [72, 128]."""
    y, x = np.mgrid[0:72, 0:128].astype(np.float32)
    y, x = (y + 0.5) / 72, (x + 0.5) / 128
    style = str(
        random.choice(["line", "iris", "clock", "blinds", "diagonal", "box", "doors", "blocks"])
    )
    angle = (
        random.choice([0, 0.5, 1, 1.5]) * np.pi
        if style in ("line", "doors")
        else random.uniform(0, 2 * np.pi)
    )
    along = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)
    if style in ("line", "diagonal"):
        order = along
    elif style == "doors":
        order = np.abs(along)
    elif style == "iris":
        order = np.hypot((x - 0.5) * 1.78, y - 0.5)
    elif style == "box":
        order = np.maximum(np.abs(x - 0.5), np.abs(y - 0.5))
    elif style == "clock":
        order = np.arctan2(y - 0.5, x - 0.5)
    elif style == "blinds":
        order = (x if random.random() < 0.5 else y) * random.integers(4, 9) % 1
    else:
        order = random.random((9, 16))[(y * 9).astype(int), (x * 16).astype(int)]
    order = (order - order.min()) / (np.ptp(order) + 1e-6)
    order = order if random.random() < 0.7 else 1 - order
    soft = random.choice([0.01, 0.03, 0.1, 0.25])
    return lambda progress: np.clip((progress * (1 + soft) - order) / soft, 0, 1).astype(np.float32)


def _slide(random: np.random.Generator) -> Mix:
    """Push or cover from one side."""
    axis, sign, is_push = (
        int(random.integers(2)),
        int(random.choice([-1, 1])),
        random.random() < 0.6,
    )

    def show(old: Planes, new: Planes, progress: float) -> Planes:
        shown = []
        for a, b in zip(old, new, strict=True):
            size = a.shape[axis]
            k = round(progress * size)
            left, right = (a, b) if sign > 0 else (b, a)
            if is_push:
                strip = np.concatenate([left, right], axis=axis)
                start = k if sign > 0 else size - k
                shown.append(np.take(strip, np.arange(start, start + size), axis=axis))
            else:
                moved = np.roll(b, size - k if sign > 0 else k - size, axis=axis)
                place = np.arange(size) >= size - k if sign > 0 else np.arange(size) < k
                shown.append(np.where(place[:, None] if axis == 0 else place[None, :], moved, a))
        return shown[0], shown[1], shown[2]

    return show


def _magnify(picture: Planes, size: float) -> Planes:
    """The middle of a picture, `size` (0 to 1) of it, blown up to the whole."""
    shown = []
    for plane in picture:
        rows, columns = (
            ((np.arange(n) + 0.5 - n / 2) * size + n / 2).astype(np.int64) for n in plane.shape
        )
        shown.append(plane[rows[:, None], columns[None, :]])
    return shown[0], shown[1], shown[2]


def _zoom(random: np.random.Generator) -> Mix:
    """The old picture rushes at the viewer, the new one comes out of it."""
    reach, sharpness = random.uniform(0.3, 0.8), random.uniform(1.0, 5.0)

    def show(old: Planes, new: Planes, progress: float) -> Planes:
        weight = float(np.clip((progress - 0.5) * sharpness + 0.5, 0, 1))
        one = _magnify(old, 1 - reach * progress)
        return blend(one, _magnify(new, 1 - reach * (1 - progress)), weight)

    return show


def _flare(random: np.random.Generator) -> Mix:
    """Light floods the picture, unevenly, and another is there when it goes."""
    angle, strength = random.uniform(0, 2 * np.pi), random.uniform(0.5, 1.3)
    y, x = np.mgrid[0:72, 0:128].astype(np.float32)
    slope = random.uniform(0, 0.8)
    place = ((x / 64 - 1) * np.cos(angle) + (y / 36 - 1) * np.sin(angle)) * slope
    luma, u, v = make_tone(235.0)
    tone = luma, u + random.normal(0, 15), v + random.normal(0, 15)
    width = random.uniform(0.1, 0.8)

    def show(old: Planes, new: Planes, progress: float) -> Planes:
        mixed = blend(old, new, float(np.clip((progress - 0.5) / width + 0.5, 0, 1)))
        light = np.clip(strength * (1 - abs(2 * progress - 1)) * (1 + place), 0, 1)
        return blend(mixed, tone, light.astype(np.float32))

    return show


def _ease(random: np.random.Generator) -> Callable[[float], float]:
    return (lambda p: p) if random.random() < 0.6 else (lambda p: p * p * (3 - 2 * p))


def make_joint(random: np.random.Generator, kind: str) -> tuple[Mix, float]:
    """How two takes are mixed at progress 0 to 1, and for how many seconds."""
    ease = _ease(random)
    seconds = float(np.exp(random.uniform(np.log(0.15), np.log(2.0))))
    if kind == "short dissolve":
        seconds = random.uniform(0.06, 0.2)
    if kind in ("dissolve", "near dissolve", "short dissolve"):
        power = float(random.choice([1.0, 1.0, 2.2, 1.6]))
        return lambda old, new, p: blend(old, new, ease(p), power), seconds
    if kind == "fade":
        tone = make_tone(float(random.choice([16.0, 16.0, 235.0])))
        hold = random.uniform(0.02, 0.5)
        seconds = float(np.exp(random.uniform(np.log(0.15), np.log(2.2))))

        def fade(old: Planes, new: Planes, p: float) -> Planes:
            half = (1 - hold) / 2
            return (
                blend(old, tone, min(1.0, p / half))
                if p < 0.5
                else blend(new, tone, min(1.0, (1 - p) / half))
            )

        return fade, seconds
    if kind in ("zoom", "flare"):
        show = _zoom(random) if kind == "zoom" else _flare(random)
        return lambda old, new, p: show(old, new, ease(p)), float(random.uniform(0.12, 0.8))
    seconds = max(0.2, min(seconds, 1.6))
    if kind == "slide":
        slide = _slide(random)
        return lambda old, new, p: slide(old, new, ease(p)), seconds
    weight = _wipe_weight(random)
    return lambda old, new, p: blend(old, new, weight(ease(p))), seconds


def make_whip(reach: float, pace: float) -> Change:
    """Both shots race sideways, blurred, fastest where they meet."""

    def change(picture: Planes, t: float) -> Planes:
        nearness = 1 - abs(t - reach) / reach
        share = pace * (t - reach) * nearness * 2
        out = []
        for plane in picture:
            width = plane.shape[1]
            blur = max(1, int(abs(pace) * nearness * width / 30))
            offsets = np.unique(np.linspace(0, blur, min(blur, 8)).astype(int))
            out.append(
                np.mean(
                    [np.roll(plane, int(share * width) + k, axis=1) for k in offsets], axis=0
                ).astype(np.float32)
            )
        return out[0], out[1], out[2]

    return change
