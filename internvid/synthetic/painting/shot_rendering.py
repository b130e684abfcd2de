"""Renders one planned shot, any frame at any time."""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from internvid.synthetic.painting.backdrops import PAINTERS
from internvid.synthetic.painting.camera_moves import camera_path, look_through
from internvid.synthetic.painting.palettes import PALETTES
from internvid.synthetic.painting.shapes import coverage
from internvid.synthetic.scripts.video_plan import ObjectPlan, ShotPlan
from internvid.synthetic.scripts.world_words import COLOURS, SIZES

FrameArray = npt.NDArray[np.uint8]

LUMA = np.asarray((0.299, 0.587, 0.114), dtype=np.float32)
GRAIN_FRAMES = 5


def paint_backdrop(plan: ShotPlan, height: int, width: int, unit: float) -> FrameArray:
    """Paint the canvas of a shot.

    Args:
        plan: says what to paint.
        height: rows of the canvas.
        width: columns of the canvas.
        unit: the frame height in canvas pixels, which sets the size of the details.

    Returns:
        RGB picture (height, width, 3), uint8.
    """
    rng = np.random.default_rng((plan.seed, 1))
    palette = PALETTES[plan.backdrop][plan.mood]
    picture = PAINTERS[plan.backdrop][0](rng, height, width, unit, palette)
    picture = np.clip(picture, 0, 255)
    if plan.tint is not None:
        luma = picture @ LUMA
        spread = float(luma.std()) or 1.0
        luma = np.clip(
            (luma - luma.mean()) / np.float32(spread) * np.float32(24.0) + np.float32(112.0),
            70,
            150,
        )
        colour = np.asarray(TINTS[plan.tint], dtype=np.float32)
        picture = luma[..., None] + (colour - colour @ LUMA)
    if plan.mean_luma is not None:
        mean = float((picture @ LUMA).mean())
        picture = picture * np.float32(plan.mean_luma / max(mean, 1.0))
    painted: FrameArray = np.clip(picture + np.float32(0.5), 0, 255).astype(np.uint8)
    return painted


TINTS = {
    "amber": (176.0, 96.0, 40.0),
    "teal": (44.0, 130.0, 150.0),
    "violet": (130.0, 84.0, 176.0),
    "moss": (84.0, 132.0, 50.0),
}
"""Colours of tinted backdrops; only what remains after taking out the luma is used."""


class ShotRenderer:
    """Gives the frames of one shot, those mixed into transitions included.

    Args:
        plan: what to render.
        frames: number of frames in which the shot is seen, mixed ones included.
        lead: how many of them come before the first clean frame.
        fps: frames per second.
        width: output columns.
        height: output rows.
    """

    def __init__(
        self, plan: ShotPlan, frames: int, lead: int, fps: float, width: int, height: int
    ) -> None:
        self._plan = plan
        self._frames = frames
        self._fps = fps
        self._width = width
        self._height = height
        self.middle = lead + plan.frames // 2
        self._path = camera_path(
            plan.camera, np.random.default_rng((plan.seed, 2)), frames, fps, width, height
        )
        unit = height * self._path.density
        self._canvas = Image.fromarray(
            paint_backdrop(plan, self._path.canvas_height, self._path.canvas_width, unit)
        )
        self._fixed: FrameArray | None = None
        grain = np.random.default_rng((plan.seed, 3))
        shape = (GRAIN_FRAMES, height, width, 1)
        self._grain = np.rint(grain.standard_normal(shape, dtype=np.float32) * plan.grain).astype(
            np.int16
        )

    def frame(self, index: int) -> FrameArray:
        """Return frame `index` as RGB (height, width, 3), uint8; the caller may change it."""
        if self._plan.kind in ("still", "slide") and self._plan.camera.kind == "static":
            if self._fixed is None:
                self._fixed = self._render(self.middle)
            return self._fixed.copy()
        return self._render(index)

    def _render(self, index: int) -> FrameArray:
        picture = look_through(self._path, self._canvas, index, self._width, self._height)
        moment = index if self._plan.kind == "scene" else self.middle
        for thing in self._plan.objects:
            self._paint(picture, thing, moment, index)
        if self._plan.grain > 0 and self._plan.kind == "scene":
            grain = self._grain[(index * 7 + index // GRAIN_FRAMES) % GRAIN_FRAMES]
            picture = np.clip(picture + grain, 0, 255).astype(np.uint8)
        bars = self._plan.borders
        picture[: bars.top] = 0
        picture[self._height - bars.bottom :] = 0
        picture[:, : bars.left] = 0
        picture[:, self._width - bars.right :] = 0
        return picture

    def _paint(self, picture: FrameArray, thing: ObjectPlan, moment: int, index: int) -> None:
        """Paint one shape, in place; `moment` drives its own motion, `index` the camera."""
        x, y, radius = self._place(thing, moment)
        if radius <= 0:
            return
        path = self._path
        scale = float(path.scale[index]) / math.sqrt(float(path.scale.max()))
        x = (x - 0.5 * self._width) * scale + 0.5 * self._width + float(path.shift_x[index])
        y = (y - 0.5 * self._height) * scale + 0.5 * self._height + float(path.shift_y[index])
        paint_shape(picture, thing.shape, COLOURS[thing.colour], (x, y), radius * scale)

    def _place(self, thing: ObjectPlan, moment: int) -> tuple[float, float, float]:
        """Return centre and radius of a shape in pixels (before the camera); radius 0 hides it."""
        part = moment / max(1, self._frames - 1) - 0.5
        seconds = moment / self._fps
        x, y = thing.x * self._width, thing.y * self._height
        radius = SIZES[thing.size] * self._height
        if thing.motion in ("left", "right"):
            x += part * thing.reach * self._width * (1 if thing.motion == "right" else -1)
        elif thing.motion in ("up", "down"):
            y += part * thing.reach * self._height * (1 if thing.motion == "down" else -1)
        elif thing.motion in ("grow", "shrink"):
            radius *= 3.0 ** (part if thing.motion == "grow" else -part)
        elif thing.motion == "blink":
            radius = radius if (seconds * 1.6) % 1.0 < 0.62 else 0.0
        elif thing.motion == "circle":
            x += math.cos(seconds * 3.6) * 0.22 * self._height
            y += math.sin(seconds * 3.6) * 0.22 * self._height
        elif thing.motion == "bounce":
            y -= (abs(math.sin(seconds * 4.2)) - 0.5) * 0.4 * self._height
        return x, y, radius


def paint_shape(
    picture: FrameArray,
    shape: str,
    colour: tuple[int, int, int],
    centre: tuple[float, float],
    radius: float,
) -> None:
    """Paint a shaded, outlined shape with a soft shadow into a picture (H, W, 3), in place."""
    reach = radius * 1.35 + 3
    top, bottom = max(0, int(centre[1] - reach)), min(picture.shape[0], int(centre[1] + reach) + 1)
    left, right = max(0, int(centre[0] - reach)), min(picture.shape[1], int(centre[0] + reach) + 1)
    if top >= bottom or left >= right:
        return
    x = np.arange(left, right, dtype=np.float32)[None, :] - np.float32(centre[0])
    y = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(centre[1])
    outer = coverage(shape, x, y, radius)[..., None]
    inner = coverage(shape, x, y, radius, max(1.0, 0.09 * radius))[..., None]
    drop = np.float32(0.1 * radius)
    shadow = coverage(shape, x - drop, y - drop, radius)[..., None]
    patch = picture[top:bottom, left:right].astype(np.float32)
    paint = np.asarray(colour, dtype=np.float32)
    light = (np.float32(1.0) - y / np.float32(radius) * np.float32(0.16))[..., None]
    patch *= np.float32(1.0) - np.float32(0.35) * shadow
    patch += (paint * np.float32(0.55) - patch) * outer
    patch += (np.minimum(paint * light, 255) - patch) * inner
    picture[top:bottom, left:right] = np.clip(patch + np.float32(0.5), 0, 255).astype(np.uint8)
