"""Short training clips: one coloured shape, one motion, one camera move, one sentence.

Positions. A moving shape runs round a loop: it leaves the inner field on one side and starts
again on the other. With a uniform start, its position is uniform in EVERY frame whatever the
motion, so that no single frame (first, middle or any other) tells the direction. `paths="inside"`
avoids the jump; then only the middle frame is free of leaks. A triple (colour, shape, motion) is
held out as a whole. Each (colour, shape) misses exactly one of the four directions and one of the
four other motions in training, so a held-out direction is always a new combination.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from internvid.core.errors import MisuseError
from internvid.synthetic.painting.camera_moves import camera_path, look_through
from internvid.synthetic.painting.shapes import coverage
from internvid.synthetic.painting.textures import FloatArray, noise
from internvid.synthetic.scripts.describe import with_article
from internvid.synthetic.scripts.world_words import (
    CAMERA_PHRASES,
    COLOURS,
    MOTION_PHRASES,
    MOTIONS,
    SHAPES,
    TONES,
)
from internvid.synthetic.truth import CameraMove

CLIP_SIZES: tuple[tuple[str, float], ...] = (("small", 0.105), ("large", 0.165))
"""Size words and radii as fractions of the frame height."""
MARGIN = 0.2
"""Centres keep this distance from the frame's edge (fraction of its side)."""
GROWTH = 3.0
"""A growing shape is this many times larger at the end."""
_TONE_LEVELS: tuple[tuple[str, float], ...] = (("dark", 42.0), ("grey", 118.0), ("bright", 206.0))


@dataclass(frozen=True)
class ClipSpec:
    """Everything that decides a training clip, and its words.

    Attributes:
        seed: paints the background and drives the shake.
        colour: a word of `vocabulary.COLOURS`.
        shape: a word of `vocabulary.SHAPES`.
        size: small or large.
        motion: a word of `vocabulary.MOTIONS`, as seen on the screen.
        tone: background: dark, grey or bright.
        camera: the camera move (pan left means: the background moves right).
        x: horizontal place in the inner field at the first frame, 0 to 1.
        y: vertical place in the inner field at the first frame, 0 to 1, down.
        reach: length of the way, as a fraction of the inner field, for left, right, up, down.
    """

    seed: int
    colour: str
    shape: str
    size: str
    motion: str
    tone: str
    camera: CameraMove
    x: float
    y: float
    reach: float

    @property
    def triple(self) -> tuple[str, str, str]:
        """(colour, shape, motion): the unit of the held-out split."""
        return (self.colour, self.shape, self.motion)

    def text(self) -> str:
        """Return the sentence that describes the clip."""
        thing = with_article(f"{self.size} {self.colour} {self.shape}")
        sentence = f"{thing} {MOTION_PHRASES[self.motion]} on {with_article(self.tone)} background"
        if self.camera.kind != "static":
            sentence += f" while {CAMERA_PHRASES[self.camera.kind, self.camera.direction]}"
        return sentence[0].upper() + sentence[1:]


def is_held_out(colour: str, shape: str, motion: str) -> bool:
    """Whether a triple is held out; each colour, shape and motion is so equally often."""
    index = list(COLOURS).index(colour) + 3 * SHAPES.index(shape) + MOTIONS.index(motion)
    return index % 4 == 0


def sample_specs(
    seed: int,
    count: int,
    *,
    held_out: bool | None = False,
    cameras: tuple[str, ...] = ("static", "pan", "zoom", "shake"),
    paths: Literal["loop", "inside"] = "loop",
) -> list[ClipSpec]:
    """Draw clips, every triple equally often (within one).

    Args:
        seed: another seed gives other clips of the same distribution.
        count: how many.
        held_out: False for training triples, True for the held-out quarter, None for all.
        cameras: kinds to draw from, equally often: static, pan, tilt, zoom, shake;
            `("static",)` is the easiest world.
        paths: loop or inside, see the module's text.

    Returns:
        `count` specs in random order.

    Raises:
        MisuseError: an unknown camera kind or a negative count.
    """
    known = {kind for kind, _ in CAMERA_PHRASES}
    if count < 0 or not cameras or not set(cameras) <= known:
        raise MisuseError(
            f"cannot draw {count} clips with cameras {cameras}",
            hint=f"count >= 0, cameras out of {', '.join(sorted(known))}",
        )
    triples = [
        (colour, shape, motion)
        for colour in COLOURS
        for shape in SHAPES
        for motion in MOTIONS
        if held_out is None or is_held_out(colour, shape, motion) == held_out
    ]
    rng = np.random.default_rng((seed, 11))
    specs: list[ClipSpec] = []
    while len(specs) < count:
        for index in rng.permutation(len(triples))[: count - len(specs)]:
            specs.append(_draw(rng, triples[index], cameras, paths))
    return specs


def _draw(
    rng: np.random.Generator, triple: tuple[str, str, str], cameras: tuple[str, ...], paths: str
) -> ClipSpec:
    colour, shape, motion = triple
    reach = float(rng.uniform(0.42, 0.56))
    x, y = float(rng.random()), float(rng.random())
    if paths == "inside":
        x, y = (reach / 2 + place * (1 - reach) for place in (x, y))
        x -= reach / 2 * ((motion == "right") - (motion == "left"))
        y -= reach / 2 * ((motion == "down") - (motion == "up"))
    return ClipSpec(
        seed=int(rng.integers(2**31)),
        colour=colour,
        shape=shape,
        size=CLIP_SIZES[int(rng.integers(len(CLIP_SIZES)))][0],
        motion=motion,
        tone=TONES[int(rng.integers(len(TONES)))],
        camera=_draw_camera(rng, cameras[int(rng.integers(len(cameras)))]),
        x=round(x, 4),
        y=round(y, 4),
        reach=round(reach, 4),
    )


def _draw_camera(rng: np.random.Generator, kind: str) -> CameraMove:
    slowest, fastest = {
        "static": (0.0, 0.0),
        "pan": (0.12, 0.5),
        "tilt": (0.12, 0.5),
        "zoom": (0.12, 0.25),
        "shake": (0.015, 0.04),
    }[kind]
    directions = [direction for other, direction in CAMERA_PHRASES if other == kind]
    direction = directions[int(rng.integers(len(directions)))]
    return CameraMove(kind, direction, round(float(rng.uniform(slowest, fastest)), 4))


def render_clip(
    spec: ClipSpec,
    frames: int = 8,
    size: int = 64,
    fps: float = 4.0,
    *,
    others: Sequence[ClipSpec] = (),
) -> npt.NDArray[np.uint8]:
    """Render one clip.

    Args:
        spec: what to show.
        frames: T, at least 2.
        size: height and width in pixels, at least 16.
        fps: only sets how far the camera moves between frames; the shape's way spans the clip.
        others: further things, painted over the first; their backgrounds and cameras are not used.

    Returns:
        RGB frames (T, H, W, 3), uint8.

    Raises:
        MisuseError: too few frames or pixels.
    """
    if frames < 2 or size < 16 or fps <= 0:
        raise MisuseError(
            f"cannot render {frames} frames of {size} pixels at {fps} fps",
            hint="frames >= 2, size >= 16, fps > 0",
        )
    rng = np.random.default_rng((spec.seed, 12))
    path = camera_path(spec.camera, rng, frames, fps, size, size)
    canvas = _background(rng, spec.tone, path.canvas_height, path.canvas_width, size)
    if spec.camera.kind == "static":
        video = np.broadcast_to(np.asarray(canvas), (frames, size, size, 3)).astype(np.float32)
    else:
        views = [look_through(path, canvas, index, size, size) for index in range(frames)]
        video = np.stack(views).astype(np.float32)
    zoom = path.scale / np.sqrt(path.scale.max())
    for each in (spec, *others):
        x, y, radius = _ways(each, frames)
        x = (x - 0.5) * zoom * size + 0.5 * size + path.shift_x
        y = (y - 0.5) * zoom * size + 0.5 * size + path.shift_y
        _paint(video, each, x, y, radius * zoom * size)
    return (video + np.float32(0.5)).astype(np.uint8)


def _background(
    rng: np.random.Generator, tone: str, height: int, width: int, size: int
) -> Image.Image:
    level = dict(_TONE_LEVELS)[tone]
    cell = size * float(rng.uniform(0.15, 0.5))
    grain = noise(rng, height, width, (cell, cell), 3) * np.float32(13.0)
    tint = rng.uniform(-9, 9, 3).astype(np.float32)
    picture = grain[..., None] + (np.float32(level) + tint)
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def _ways(spec: ClipSpec, frames: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return centre and radius as fractions of the frame's side, (T,) each."""
    part = np.linspace(0.0, 1.0, frames, dtype=np.float32)
    x, y = np.full(frames, spec.x, dtype=np.float32), np.full(frames, spec.y, dtype=np.float32)
    radius = np.full(frames, dict(CLIP_SIZES)[spec.size], dtype=np.float32)
    way = part * np.float32(spec.reach)
    if spec.motion in ("left", "right"):
        x = (x + (way if spec.motion == "right" else -way)) % np.float32(1.0)
    elif spec.motion in ("up", "down"):
        y = (y + (way if spec.motion == "down" else -way)) % np.float32(1.0)
    elif spec.motion in ("grow", "shrink"):
        radius = radius * np.float32(GROWTH) ** (
            (part - 0.5) * (1 if spec.motion == "grow" else -1)
        )
    elif spec.motion == "blink":
        period = max(2, frames // 2)
        radius = np.where(np.arange(frames) % period < period / 2, radius, np.float32(-1.0))
    field = np.float32(1 - 2 * MARGIN)
    return np.float32(MARGIN) + x * field, np.float32(MARGIN) + y * field, radius.astype(np.float32)


def _paint(
    video: FloatArray, spec: ClipSpec, x: FloatArray, y: FloatArray, radius: FloatArray
) -> None:
    """Paint the shape into all frames (T, H, W, 3), in place; a negative radius hides it."""
    size = video.shape[1]
    grid = np.arange(size, dtype=np.float32) + np.float32(0.5)
    dx = grid[None, None, :] - x.astype(np.float32)[:, None, None]
    dy = grid[None, :, None] - y.astype(np.float32)[:, None, None]
    sizes = np.maximum(radius, np.float32(0.0)).astype(np.float32)[:, None, None]
    cover = coverage(spec.shape, dx, dy, sizes)
    cover[radius < 0] = 0.0
    colour = np.asarray(COLOURS[spec.colour], dtype=np.float32)
    video += (colour - video) * cover[..., None]
