"""Camera moves as windows on a larger painted canvas."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from internvid.synthetic.painting.textures import FloatArray
from internvid.synthetic.truth import CameraMove

SHAKE_LIMIT = 2.5
"""A shake never leaves this many standard deviations."""


@dataclass(frozen=True)
class CameraPath:
    """Where the camera looks in every frame.

    Attributes:
        canvas_width: columns that have to be painted.
        canvas_height: rows that have to be painted.
        density: canvas pixels per output pixel at scale 1.
        left: left edge of the window in canvas pixels, (frames,).
        top: top edge of the window in canvas pixels, (frames,).
        scale: how much larger content is than at the widest view, (frames,).
        shift_x: extra displacement of everything on the screen in output pixels (shake), (frames,).
        shift_y: the same, vertical.
    """

    canvas_width: int
    canvas_height: int
    density: float
    left: FloatArray
    top: FloatArray
    scale: FloatArray
    shift_x: FloatArray
    shift_y: FloatArray


def camera_path(
    move: CameraMove, rng: np.random.Generator, frames: int, fps: float, width: int, height: int
) -> CameraPath:
    """Lay out the windows of a camera move.

    Args:
        move: what the camera does, see `truth` for the conventions.
        rng: drives the shake.
        frames: number of frames that are shown, mixed ones included.
        fps: frames per second.
        width: output columns.
        height: output rows.

    Returns:
        Windows that all lie inside the canvas.
    """
    time = np.arange(frames, dtype=np.float32) / np.float32(fps)
    left = np.zeros(frames, dtype=np.float32)
    top = np.zeros(frames, dtype=np.float32)
    scale = np.ones(frames, dtype=np.float32)
    shift_x = np.zeros(frames, dtype=np.float32)
    shift_y = np.zeros(frames, dtype=np.float32)
    density = 1.0
    canvas_width, canvas_height = width, height
    if move.kind in ("pan", "tilt"):
        way = time * np.float32(move.speed * width)
        if move.direction in ("left", "up"):
            way = way[-1] - way
        extra = math.ceil(float(way.max())) + 2
        if move.kind == "pan":
            left, canvas_width = way, width + extra
        else:
            top, canvas_height = way, height + extra
    elif move.kind == "zoom":
        growth = np.exp(time * np.float32(math.log1p(move.speed)))
        scale = growth if move.direction == "in" else growth[-1] / growth
        density = min(1.7, float(growth[-1]))
        canvas_width, canvas_height = math.ceil(width * density), math.ceil(height * density)
        left = (canvas_width - width * density / scale) * np.float32(0.5)
        top = (canvas_height - height * density / scale) * np.float32(0.5)
    elif move.kind == "shake":
        deviation = move.speed * width
        margin = math.ceil(SHAKE_LIMIT * deviation) + 1
        shift_x, shift_y = _wobble(rng, frames, deviation), _wobble(rng, frames, deviation)
        left, top = margin - shift_x, margin - shift_y
        canvas_width, canvas_height = width + 2 * margin, height + 2 * margin
    return CameraPath(canvas_width, canvas_height, density, left, top, scale, shift_x, shift_y)


def _wobble(rng: np.random.Generator, frames: int, deviation: float) -> FloatArray:
    """Low-passed random displacement: mean 0, limited to `SHAKE_LIMIT` deviations."""
    raw = rng.standard_normal(frames + 4)
    smooth = np.convolve(raw, (0.15, 0.25, 0.35, 0.25), mode="valid")[:frames]
    smooth = smooth - smooth.mean()
    spread = float(smooth.std()) or 1.0
    limit = SHAKE_LIMIT * deviation
    way: FloatArray = np.clip(smooth * (deviation / spread), -limit, limit).astype(np.float32)
    return way


def look_through(
    path: CameraPath, canvas: Image.Image, index: int, width: int, height: int
) -> npt.NDArray[np.uint8]:
    """Cut the window of one frame out of a painted canvas.

    Args:
        path: the windows.
        canvas: painted picture of (path.canvas_width, path.canvas_height).
        index: frame number.
        width: output columns.
        height: output rows.

    Returns:
        A new RGB picture (height, width, 3), uint8.
    """
    wide = width * path.density / float(path.scale[index])
    tall = height * path.density / float(path.scale[index])
    left = min(max(0.0, float(path.left[index])), path.canvas_width - wide)
    top = min(max(0.0, float(path.top[index])), path.canvas_height - tall)
    box = (left, top, left + wide, top + tall)
    if path.density == 1.0 and box == (
        0.0,
        0.0,
        float(path.canvas_width),
        float(path.canvas_height),
    ):
        return np.array(canvas)
    return np.array(canvas.resize((width, height), Image.Resampling.BILINEAR, box=box))
