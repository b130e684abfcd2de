"""Films with a gallery of photographs in them, made of real frames, and films without one.

A gallery is what the world's slideshows are not: real pictures, of any number and length, with and
without the easing of slideshow software, between shots of real footage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

from benchmarks.moved import RATES, SIZES, Move, Picture, load_varied, show_slides
from internvid.synthetic.encode import VideoFormat, write_video

STYLES = ("hard", "soft", "ken-burns")


@dataclass(frozen=True)
class Film:
    """One made film.

    Attributes:
        style: hard, soft or ken-burns; "" for footage alone.
        fps: frames a second.
        frames: how many.
        gallery: first frame of the gallery and the first after it; equal without one.
    """

    style: str
    fps: Fraction
    frames: int
    gallery: tuple[int, int]


def write_film(
    path: Path, style: str, sources: Sequence[Path], random: np.random.Generator
) -> Film:
    """Render footage, a gallery and footage again; without a style four shots of footage.

    Args:
        path: where to.
        style: of the gallery, or "".
        sources: real videos to draw from.
        random: decides everything else.
    """
    fps = RATES[int(random.integers(len(RATES)))]
    size = SIZES[int(random.integers(len(SIZES)))]
    how = VideoFormat(
        "h264", size[0], size[1], fps,
        options={"crf": str(int(random.integers(20, 31))), "preset": "veryfast"},
    )  # fmt: skip
    shots = 1 if style else 2
    before = draw_footage(sources, shots, fps, size, random)
    slides = list(_gallery(style, sources, fps, size, random)) if style else []
    after = draw_footage(sources, shots, fps, size, random)
    write_video(path, iter([*before, *slides, *after]), how)
    return Film(
        style, fps, len(before) + len(slides) + len(after),
        (len(before), len(before) + len(slides)),
    )  # fmt: skip


def draw_footage(
    sources: Sequence[Path],
    shots: int,
    fps: Fraction,
    size: tuple[int, int],
    random: np.random.Generator,
) -> list[Picture]:
    """Stretches of 1.5 to 4 s of real videos, at the film's rate and size."""
    pictures: list[Picture] = []
    left = shots
    while left:
        source = sources[int(random.integers(len(sources)))]
        wanted = float(random.uniform(1.5, 4.0))
        shown = _read_stretch(source, float(random.uniform(0, 0.6)), wanted, size)
        # Screens and title cards among the sources are no footage.
        if len(shown) < 12 or not _is_alive([picture for _, picture in shown]):
            continue
        left -= 1
        times = np.asarray([seconds for seconds, _ in shown])
        for number in range(round((times[-1] - times[0]) * fps)):
            place = np.searchsorted(times, times[0] + number / float(fps) + 1e-6, "right") - 1
            pictures.append(shown[int(place)][1])
    return pictures


def _is_alive(pictures: Sequence[Picture]) -> bool:
    """Whether something moves from each third of a stretch to the next."""
    chosen = [
        pictures[at].astype(np.int16) for at in np.linspace(0, len(pictures) - 1, 4, dtype=int)
    ]
    return all(np.abs(b - a).mean() >= 1.0 for a, b in pairwise(chosen))


def _read_stretch(
    path: Path, part: float, seconds: float, size: tuple[int, int]
) -> list[tuple[float, Picture]]:
    """Frames (time, RGB of that size) from a share of a video's length on."""
    shown: list[tuple[float, Picture]] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        length = float((container.duration or 0) / av.time_base)
        start = part * max(0.0, length - seconds)
        for number, frame in enumerate(container.decode(stream)):
            now = number / 25 if frame.time is None else float(frame.time)
            if now < start:
                continue
            image = frame.reformat(size[0], size[1], "rgb24").to_ndarray()
            shown.append((now, np.asarray(image, np.uint8)))
            if now >= start + seconds:
                break
    return shown


def _gallery(
    style: str,
    sources: Sequence[Path],
    fps: Fraction,
    size: tuple[int, int],
    random: np.random.Generator,
) -> Iterator[Picture]:
    """Three to seven photographs, equally long; ken-burns ones glide, evenly or eased."""
    chosen = random.choice(len(sources), int(random.integers(3, 8)), replace=False)
    each = float(random.uniform(2.0, 6.0) if style == "ken-burns" else random.uniform(1.2, 5.0))
    move = Move("slideshow", "", 0.0, each * len(chosen), fps, size, 0.0, 0, style)
    photographs = [load_varied(sources[int(at)], random) for at in chosen]
    return show_slides(move, photographs, random, is_eased=bool(random.random() < 0.5))
