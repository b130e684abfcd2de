"""Real frames set in motion: a window that pans, tilts, zooms, shakes or rests on a photograph.

The picture comes from a folder of real videos; the camera, the thing that moves before it, the
noise and the compression are made here, so that the truth is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

from internvid.synthetic.encode import VideoFormat, write_video

Picture = npt.NDArray[np.uint8]

SIZES = ((640, 360), (480, 270), (360, 640), (854, 480), (320, 240))
RATES = (Fraction(15), Fraction(24), Fraction(25), Fraction(30), Fraction(60))
KINDS = (
    "still", "static", "pan", "pan", "tilt", "tilt", "zoom", "zoom", "shake", "slideshow",
)  # fmt: skip


@dataclass(frozen=True)
class Move:
    """What a made clip shows.

    Attributes:
        kind: still, static, pan, tilt, zoom, shake or slideshow.
        direction: left, right, up, down, in, out or "".
        speed: widths, heights or growth per second; deviation in widths for a shake.
        seconds: length.
        fps: frames per second.
        size: (width, height) in pixels.
        passenger: radius of a patch that moves before the scene, in short sides; 0 for none.
        quality: constant rate factor of the encoder.
        style: hard, soft or ken-burns, of a slideshow.
    """

    kind: str
    direction: str
    speed: float
    seconds: float
    fps: Fraction
    size: tuple[int, int]
    passenger: float
    quality: int
    style: str = ""


def draw_move(random: np.random.Generator, kind: str) -> Move:
    """A random move of that kind."""
    directions = {"pan": ("left", "right"), "tilt": ("up", "down"), "zoom": ("in", "out")}
    ranges = {
        "pan": (0.025, 0.9), "tilt": (0.035, 0.6), "zoom": (0.035, 0.4), "shake": (0.006, 0.035),
    }  # fmt: skip
    low, high = ranges.get(kind, (0.0, 0.0))
    speed = float(np.exp(random.uniform(np.log(low), np.log(high)))) if high else 0.0
    lively = kind == "static" or (kind in ranges and random.random() < 0.5)
    return Move(
        kind=kind,
        direction=str(random.choice(directions[kind])) if kind in directions else "",
        speed=speed,
        seconds=float(random.uniform(2.0, 4.0)) if kind != "slideshow" else 8.0,
        fps=RATES[int(random.integers(len(RATES)))],
        size=SIZES[int(random.integers(len(SIZES)))],
        passenger=float(random.uniform(0.1, 0.2)) if lively else 0.0,
        quality=int(random.integers(20, 31)),
        style=str(random.choice(("hard", "soft", "ken-burns"))) if kind == "slideshow" else "",
    )


def load_photograph(path: Path, part: float) -> Picture:
    """The frame at a share of a video's length: RGB [H, W, 3], at most 1280 wide."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        wanted = int(part * (stream.frames or 100))
        frame = None
        for number, decoded in enumerate(container.decode(stream)):
            frame = decoded
            if number >= wanted:
                break
        if frame is None:
            raise ValueError(f"{path} has no frames")
        image = Image.fromarray(frame.to_ndarray(format="rgb24"))
    if image.width > 1280:
        image = image.resize((1280, round(image.height * 1280 / image.width)))
    return np.asarray(image)


def load_varied(path: Path, random: np.random.Generator) -> Picture:
    """A frame with something on it: half of the time another than the first try."""
    for part in random.uniform(0.1, 0.9, 3):
        picture = load_photograph(path, float(part))
        if picture.std() > 25:
            break
    return picture


def write_clip(path: Path, move: Move, photographs: Sequence[Picture], seed: int) -> None:
    """Render a move over the first photograph (a slideshow: over all) and encode it."""
    how = VideoFormat(
        "h264", move.size[0], move.size[1], move.fps,
        options={"crf": str(move.quality), "preset": "veryfast"},
    )  # fmt: skip
    random = np.random.default_rng(seed)
    if move.kind == "slideshow":
        write_video(path, show_slides(move, photographs, random), how)
    else:
        write_video(path, _frames(move, photographs, random), how)


def _frames(
    move: Move, photographs: Sequence[Picture], random: np.random.Generator
) -> Iterator[Picture]:
    count = max(2, round(move.seconds * move.fps))
    seconds = np.arange(count) / float(move.fps)
    right, down, scale = _course(move, seconds, random)
    canvas, window = _canvas(move, photographs[0], right, down)
    patch, mask = _passenger(move, photographs[-1])
    way = random.uniform(-0.3, 0.3, 2)
    grain = 0.0 if move.kind == "still" else random.uniform(0, 2)
    for at in range(count):
        picture = _view(canvas, window, move.size, right[at], down[at], scale[at])
        if move.passenger:
            part = at / count - 0.5
            _paste(picture, patch, mask, 0.5 + way[0] * part * 2, 0.5 + way[1] * part)
        if grain:
            noise = random.standard_normal(picture.shape[:2])[..., None] * grain
            picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
        yield picture


def _course(
    move: Move, seconds: npt.NDArray[np.float64], random: np.random.Generator
) -> tuple[npt.NDArray[np.float64], ...]:
    """Where the window is: widths right, heights down, enlargement; one value a frame."""
    none = np.zeros_like(seconds)
    way = seconds * move.speed * (-1 if move.direction in ("left", "up") else 1)
    if move.kind == "pan":
        return way - way.min(), none, none + 1
    if move.kind == "tilt":
        return none, way - way.min(), none + 1
    if move.kind == "zoom":
        growth = np.exp(seconds * np.log1p(move.speed))
        scale = growth if move.direction == "in" else growth[-1] / growth
        return none, none, scale
    if move.kind == "shake":
        knots = np.arange(0, seconds[-1] + 1, 1 / random.uniform(3, 8))
        paths = []
        for ratio in (1.0, move.size[0] / move.size[1]):
            path = np.interp(seconds, knots, random.standard_normal(len(knots)))
            path = (path - path.mean()) / (path.std() or 1.0) * move.speed * ratio
            paths.append(path - path.min())
        return paths[0], paths[1], none + 1
    return none, none, none + 1


def _canvas(
    move: Move,
    photograph: Picture,
    right: npt.NDArray[np.float64],
    down: npt.NDArray[np.float64],
) -> tuple[Image.Image, tuple[float, float]]:
    """The photograph, mirrored on as far as the window goes, and the window's size in it."""
    height, width = photograph.shape[:2]
    window_height = min(height, width * move.size[1] / move.size[0]) * 0.9
    window_width = window_height * move.size[0] / move.size[1]
    across = int(np.ceil((right.max() + 1.02) * window_width / width))
    below = int(np.ceil((down.max() + 1.02) * window_height / height))
    row = np.concatenate([photograph[:, :: 1 if n % 2 == 0 else -1] for n in range(across)], axis=1)
    tiled = np.concatenate([row[:: 1 if n % 2 == 0 else -1] for n in range(below)], axis=0)
    return Image.fromarray(tiled), (window_width, window_height)


def _view(
    canvas: Image.Image,
    window: tuple[float, float],
    size: tuple[int, int],
    right: float,
    down: float,
    scale: float,
) -> Picture:
    wide, tall = window[0] / scale, window[1] / scale
    left = right * window[0] + (window[0] - wide) / 2
    top = down * window[1] + (window[1] - tall) / 2
    box = (left, top, min(left + wide, canvas.width), min(top + tall, canvas.height))
    return np.array(canvas.resize(size, Image.Resampling.BICUBIC, box=box))


def _passenger(move: Move, photograph: Picture) -> tuple[Picture, npt.NDArray[np.float64]]:
    side = max(4, round(2 * move.passenger * min(move.size)))
    patch = np.asarray(Image.fromarray(photograph).resize((side, side)))
    grid = np.linspace(-1, 1, side)
    distance = np.sqrt(grid[:, None] ** 2 + grid[None] ** 2)
    return patch, np.clip((1 - distance) * 6, 0, 1)[..., None]


def _paste(
    picture: Picture, patch: Picture, mask: npt.NDArray[np.float64], x: float, y: float
) -> None:
    side = len(patch)
    left, top = round(x * picture.shape[1] - side / 2), round(y * picture.shape[0] - side / 2)
    first, up = max(0, -left), max(0, -top)
    part = picture[max(0, top) : top + side, max(0, left) : left + side]
    high, wide = part.shape[:2]
    covered = slice(up, up + high), slice(first, first + wide)
    body, weight = patch[covered], mask[covered]
    part[...] = (part * (1 - weight) + body * weight).astype(np.uint8)


def show_slides(
    move: Move, photographs: Sequence[Picture], random: np.random.Generator, is_eased: bool = False
) -> Iterator[Picture]:
    """One photograph after another; soft ones dissolve, ken-burns ones glide as well.

    Args:
        move: its size, rate, length and style.
        photographs: shown for equally long.
        random: draws glides and the length of dissolves.
        is_eased: glides start and end gently, as slideshow software makes them.
    """
    count = max(len(photographs), round(move.seconds * move.fps))
    each = count // len(photographs)
    mixed = 0 if move.style == "hard" else max(1, round(random.uniform(0.3, 0.8) * move.fps))
    views = []
    for photograph in photographs:
        kind = str(random.choice(("pan", "zoom"))) if move.style == "ken-burns" else "still"
        directions = {"pan": ("left", "right"), "zoom": ("in", "out"), "still": ("",)}[kind]
        direction, speed = str(random.choice(directions)), float(random.uniform(0.03, 0.08))
        glide = Move(kind, direction, speed, 0, move.fps, move.size, 0, 0)
        seconds = np.arange(each + mixed) / float(move.fps)
        if is_eased:
            part = seconds / seconds[-1]
            seconds = seconds[-1] * (part - np.sin(2 * np.pi * part) / (2 * np.pi))
        course = _course(glide, seconds, random)
        canvas, window = _canvas(glide, photograph, course[0], course[1])
        views.append((canvas, window, course))
    for at in range(each * len(photographs)):
        number, step = divmod(at, each)
        picture = _show(views[number], move.size, step)
        if number and step < mixed:
            weight = (step + 1) / (mixed + 1)
            old = _show(views[number - 1], move.size, each + step)
            picture = (old * (1 - weight) + picture * weight).astype(np.uint8)
        yield picture


def _show(
    view: tuple[Image.Image, tuple[float, float], tuple[npt.NDArray[np.float64], ...]],
    size: tuple[int, int],
    step: int,
) -> Picture:
    canvas, window, course = view
    return _view(canvas, window, size, *(float(line[step]) for line in course))
