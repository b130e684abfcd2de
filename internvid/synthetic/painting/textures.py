"""Building blocks of painted backgrounds: smooth noise, gradients, ridges, dots.

All functions take a NumPy generator and give float32 arrays; colours are 0-255 floats.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

FloatArray = npt.NDArray[np.float32]
Colour = tuple[float, float, float]


def noise(
    rng: np.random.Generator, height: int, width: int, cell: tuple[float, float], octaves: int = 4
) -> FloatArray:
    """Return multi-octave value noise with mean about 0 and standard deviation 1.

    Args:
        rng: source of randomness.
        height: rows in pixels.
        width: columns in pixels.
        cell: (vertical, horizontal) size of the coarsest grain in pixels.
        octaves: how many times the grain is halved; finer grains are weaker (factor 0.7).

    Returns:
        Array (height, width), float32.
    """
    total = np.zeros((height, width), dtype=np.float32)
    weight = 1.0
    for octave in range(octaves):
        rows = max(2, round(height / max(1.0, cell[0] / 2**octave)) + 1)
        columns = max(2, round(width / max(1.0, cell[1] / 2**octave)) + 1)
        grid = rng.standard_normal((min(rows, height), min(columns, width))).astype(np.float32)
        total += np.float32(weight) * enlarge(grid, height, width)
        weight *= 0.7
    spread = float(total.std()) or 1.0
    normalised: FloatArray = (total - total.mean()) / np.float32(spread)
    return normalised


def enlarge(grid: FloatArray, height: int, width: int) -> FloatArray:
    """Return a 2-D array resized smoothly to (height, width)."""
    picture = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture, dtype=np.float32)


def blend(low: FloatArray | Colour, high: FloatArray | Colour, weight: FloatArray) -> FloatArray:
    """Mix two colours or pictures by a weight map (H, W) in [0, 1]; gives (H, W, 3)."""
    a = np.asarray(low, dtype=np.float32)
    b = np.asarray(high, dtype=np.float32)
    mixed: FloatArray = a + (b - a) * weight[..., None]
    return mixed


def vertical(height: int, width: int) -> FloatArray:
    """Return a map (H, W) that runs from 0 at the top to 1 at the bottom."""
    column = np.linspace(0.0, 1.0, height, dtype=np.float32)
    return np.broadcast_to(column[:, None], (height, width))


def ridge(rng: np.random.Generator, width: int, cell: float, octaves: int = 5) -> FloatArray:
    """Return a random skyline (width,), mean 0, standard deviation 1."""
    line: FloatArray = noise(rng, 2, width, (2.0, cell), octaves)[0]
    return line


def below(line: FloatArray, height: int) -> FloatArray:
    """Return a soft mask (H, W): 1 below the line (pixels from the top, one a column), else 0."""
    rows = np.arange(height, dtype=np.float32)[:, None]
    mask: FloatArray = np.clip(rows - line[None, :] + np.float32(0.5), 0, 1).astype(np.float32)
    return mask


def discs(
    rng: np.random.Generator,
    picture: FloatArray,
    count: int,
    radius: tuple[float, float],
    colours: list[Colour],
    alpha: float,
) -> None:
    """Paint soft-edged discs into a picture (H, W, 3), in place."""
    height, width = picture.shape[:2]
    for _ in range(count):
        r = float(rng.uniform(*radius))
        x, y = float(rng.uniform(0, width)), float(rng.uniform(0, height))
        colour = np.asarray(colours[int(rng.integers(len(colours)))], dtype=np.float32)
        top, bottom = max(0, int(y - r - 1)), min(height, int(y + r + 2))
        left, right = max(0, int(x - r - 1)), min(width, int(x + r + 2))
        if top >= bottom or left >= right:
            continue
        rows = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(y)
        columns = np.arange(left, right, dtype=np.float32)[None, :] - np.float32(x)
        distance = np.sqrt(rows * rows + columns * columns)
        weight = np.clip(np.float32(r + 0.5) - distance, 0.0, 1.0)[..., None] * np.float32(alpha)
        patch = picture[top:bottom, left:right]
        patch += (colour - patch) * weight
