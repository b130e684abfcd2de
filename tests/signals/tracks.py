"""Timelines of moving pictures, made without any video: planes go straight to the observers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from internvid.core.types import Timeline
from internvid.scan.observers.camera import CameraObserver
from internvid.scan.observers.luma import LumaObserver
from internvid.video.planes import PlaneBatch

Float = npt.NDArray[np.float32]
# Where the view is at a time: widths right, heights down, log zoom.
Way = Callable[[float], tuple[float, float, float]]

ROWS, COLUMNS = 72, 128


def make_texture(seed: int) -> Float:
    """A smooth random landscape [720, 1280], levels 30 to 220, that repeats at its edges."""
    random = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(random.standard_normal((720, 1280)))
    rows, columns = np.fft.fftfreq(720)[:, None] * 720, np.fft.rfftfreq(1280) * 1280
    spectrum *= 1 / (1 + (rows**2 + columns**2) / 30**2)
    field = np.fft.irfft2(spectrum, s=(720, 1280))
    low, high = field.min(), field.max()
    return np.asarray((field - low) / (high - low) * 190 + 30, np.float32)


def view(texture: Float, right: float, down: float, zoom: float) -> Float:
    """What the camera sees [72, 128]: bilinear samples of the landscape."""
    scale = 4 / np.exp(zoom)
    y = (np.arange(ROWS) - (ROWS - 1) / 2) * scale + 360 + down * ROWS * 4
    x = (np.arange(COLUMNS) - (COLUMNS - 1) / 2) * scale + 640 + right * COLUMNS * 4
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    part_y, part_x = (y - top)[:, None], (x - left)[None]
    corners = [texture[np.ix_((top + a) % 720, (left + b) % 1280)] for a in (0, 1) for b in (0, 1)]
    upper = corners[0] * (1 - part_x) + corners[1] * part_x
    lower = corners[2] * (1 - part_x) + corners[3] * part_x
    return np.asarray(upper * (1 - part_y) + lower * part_y, np.float32)


def make_frames(way: Way, times: Sequence[float], seed: int = 0) -> Float:
    """Luma planes [T, 72, 128] of a camera on its way over one landscape."""
    texture = make_texture(seed)
    return np.stack([view(texture, *way(time)) for time in times])


def make_times(seconds: float, fps: float) -> list[float]:
    """Even frame times."""
    return [number / fps for number in range(round(seconds * fps))]


def observe(luma: Float, times: Sequence[float], batch: int = 32) -> Timeline:
    """The timeline that the camera and luma observers leave of given planes."""
    observers = (CameraObserver(), LumaObserver())
    for start in range(0, len(luma), batch):
        part = luma[start : start + batch]
        grey = np.full(part.shape, 128, np.uint8)
        seconds = np.asarray(times[start : start + batch], np.float64)
        planes = PlaneBatch(luma=part, u=grey, v=grey, pts_seconds=seconds)
        for observer in observers:
            observer.observe(planes)
    specs = {**CameraObserver.columns, **LumaObserver.columns}
    values = {name: column for one in observers for name, column in one.finish().items()}
    ticks = np.rint(np.asarray(times) * 90000).astype(np.int64)
    step = times[-1] - times[-2] if len(times) > 1 else 0.04
    return Timeline(
        video_id="0" * 32,
        pts=ticks,
        time_base=Fraction(1, 90000),
        duration_seconds=times[-1] + step,
        stored={name: specs[name].encode(column) for name, column in values.items()},
        specs=specs,
    )
