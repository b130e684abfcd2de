"""Anti-aliased coverage masks of the eight shapes, as plain array arithmetic."""

import math

import numpy as np
import numpy.typing as npt

from internvid.core.errors import InternvidError
from internvid.synthetic.scripts.world_words import SHAPES

FloatArray = npt.NDArray[np.float32]


def coverage(
    shape: str, x: FloatArray, y: FloatArray, radius: FloatArray | float, inset: float = 0.0
) -> FloatArray:
    """Return how much of each pixel a shape covers.

    Args:
        shape: one of `SHAPES`.
        x: horizontal distance from the centre in pixels, any broadcastable shape, right is
            positive.
        y: vertical distance from the centre in pixels, down is positive.
        radius: size in pixels, broadcastable against x and y.
        inset: pixels to take away all around.

    Returns:
        Values in [0, 1], broadcast shape of the inputs, float32.
    """
    distance = _distance(shape, x, y, radius)
    cover: FloatArray = np.clip(np.float32(0.5 - inset) - distance, np.float32(0), np.float32(1))
    return cover


def _distance(shape: str, x: FloatArray, y: FloatArray, radius: FloatArray | float) -> FloatArray:
    """Return an approximate signed distance in pixels, negative inside."""
    r = np.asarray(radius, dtype=np.float32)
    result: FloatArray
    if shape == "circle":
        result = np.sqrt(x * x + y * y) - r
    elif shape == "ring":
        result = np.abs(np.sqrt(x * x + y * y) - np.float32(0.75) * r) - np.float32(0.25) * r
    elif shape == "square":
        result = np.maximum(np.abs(x), np.abs(y)) - np.float32(0.86) * r
    elif shape == "diamond":
        result = (np.abs(x) * np.float32(1.25) + np.abs(y) * np.float32(0.8)) * np.float32(
            0.75
        ) - np.float32(0.68) * r
    elif shape == "cross":
        ax, ay = np.abs(x), np.abs(y)
        arm = np.float32(0.34) * r
        result = np.minimum(np.maximum(ax - r, ay - arm), np.maximum(ay - r, ax - arm))
    elif shape == "triangle":
        slope = np.float32(math.sqrt(3.0) / 2.0)
        half = np.float32(0.55) * r
        lifted = y - np.float32(0.2) * r
        result = np.maximum(lifted - half, np.abs(x) * slope - lifted * np.float32(0.5) - half)
    elif shape == "star":
        result = _star(x, y, r)
    elif shape == "heart":
        result = _heart(x, y, r)
    else:
        raise InternvidError(f"unknown shape {shape!r}", hint=f"use one of {', '.join(SHAPES)}")
    return result


def _star(x: FloatArray, y: FloatArray, r: FloatArray) -> FloatArray:
    """A pentagram: inside four of five half planes, so the second largest distance counts."""
    first: FloatArray | None = None
    second: FloatArray | None = None
    for k in range(5):
        angle = math.pi / 2 + 2 * math.pi * k / 5
        plane = x * np.float32(math.cos(angle)) + y * np.float32(math.sin(angle))
        if first is None:
            first = plane
        elif second is None:
            first, second = np.maximum(first, plane), np.minimum(first, plane)
        else:
            second = np.maximum(second, np.minimum(first, plane))
            first = np.maximum(first, plane)
    if second is None:
        raise InternvidError("a star has five points")
    result: FloatArray = second - np.float32(0.345) * r
    return result


def _heart(x: FloatArray, y: FloatArray, r: FloatArray) -> FloatArray:
    """A rotated square with a disc on each of its two upper sides."""
    ax = np.abs(x)
    lowered = y - np.float32(0.14) * r
    square = (ax + np.abs(lowered)) * np.float32(math.sqrt(0.5)) - np.float32(0.57) * r
    offset = np.float32(0.40) * r
    dx, dy = ax - offset, lowered + offset
    disc = np.sqrt(dx * dx + dy * dy) - np.float32(0.57) * r
    result: FloatArray = np.minimum(square, disc)
    return result
