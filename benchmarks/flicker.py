"""Real footage under light that flickers, and the same footage as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.galleries import draw_footage
from benchmarks.moved import RATES, SIZES, Picture
from internvid.synthetic.encode import VideoFormat, write_video

# Light that a person calls flickering: it comes and goes at least so often, by so many levels.
LEAST_HERTZ, LEAST_LEVELS = 3.0, 10.0


def write_pair(
    folder: Path, sources: Sequence[Path], random: np.random.Generator
) -> Iterator[tuple[Path, bool]]:
    """Two clips of one stretch of real footage: as it is, and flickering.

    Args:
        folder: where to.
        sources: real videos to draw from.
        random: decides the rest.

    Yields:
        (path, whether its light flickers), one at a time under the same name.
    """
    fps = RATES[int(random.integers(1, len(RATES)))]
    size = SIZES[int(random.integers(len(SIZES)))]
    pictures = draw_footage(sources, 1, fps, size, random)
    how = VideoFormat("h264", size[0], size[1], fps, options={"crf": "23", "preset": "veryfast"})
    seconds = np.arange(len(pictures)) / float(fps)
    lit = [
        _lit(picture, gain)
        for picture, gain in zip(pictures, _gains(seconds, pictures, random), strict=True)
    ]
    for shown, flickers in ((pictures, False), (lit, True)):
        path = folder / "light.mp4"
        write_video(path, iter(shown), how)
        yield path, flickers


def _gains(
    seconds: npt.NDArray[np.float64], pictures: Sequence[Picture], random: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Strobes, failing lamps and projectors: square, random and round courses of the light."""
    rate = float(random.uniform(LEAST_HERTZ, 6.0))
    kind = int(random.integers(3))
    wave = np.sin(2 * np.pi * rate * seconds)
    if kind == 0:
        wave = np.where(wave >= 0, 1.0, -1.0)
    if kind == 1:
        # A new level at every half turn, to alternate sides, of a random strength.
        turns = (seconds * rate * 2).astype(np.int64)
        wave = np.where(turns % 2, 1.0, -1.0) * random.uniform(0.5, 1.0, turns[-1] + 1)[turns]
    mean = max(20.0, float(np.mean([picture.mean() for picture in pictures[::10]])))
    least = LEAST_LEVELS / mean
    depth = float(random.uniform(least, max(0.4, least)))
    return np.asarray(1 - depth * (1 - wave))


def _lit(picture: Picture, gain: float) -> Picture:
    return np.asarray(np.clip(picture.astype(np.float32) * gain, 0, 255), np.uint8)
