"""Small pictures that differ."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def picture(seed: int, width: int = 60, height: int = 40) -> Image.Image:
    """Noise in coarse squares, so that JPEG keeps it."""
    squares = np.random.default_rng(seed).integers(0, 255, (5, 8, 3), dtype=np.uint8)
    return Image.fromarray(squares).resize((width, height), Image.Resampling.NEAREST)


def jpeg(seed: int, width: int = 60, height: int = 40) -> bytes:
    """The same, stored."""
    file = io.BytesIO()
    picture(seed, width, height).save(file, "JPEG", quality=90)
    return file.getvalue()
