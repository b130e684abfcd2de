"""Small planes of real and drawn footage: what the transition world is mixed from.

Pictures are read by path and kept in memory as planes of 144 x 256; a *take* shows part of
one under a moving crop, so that pans, zooms and shake sample as a decoder's picture would.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]
Planes = tuple[Plane, Plane, Plane]
MOST_FRAMES = 900
ALSO_SINGLE = (
    "imio__cockatoo_yuv420.mp4",
    "lnext__code.mp4",
    "exo__sample.mp4",
    "exo__sample_portrait.mp4",
    "exo__sample_sef_slow_motion.mp4",
    "mpy__pigs_in_a_polka.gif",
)
NOT_USED = ("decord__", "dj__", "mpy__no_duration", "psd__", "tcodec__h26", "mdn__pig.webm")
FAMILIES = ("intel__", "skv__", "tcodec__", "exo__", "lnext", "mdn__")


def sample_positions(length: int, count: int) -> npt.NDArray[np.int64]:
    """First of two neighbouring samples at each of `count` even places of `length`."""
    places = (np.arange(count) + 0.5) * length / count - 0.5
    first: npt.NDArray[np.int64] = np.clip(np.floor(places).astype(np.int64), 0, max(0, length - 2))
    return first


def read_grid(path: Path, rows: int, columns: int) -> Iterator[tuple[float, UInt8, UInt8, UInt8]]:
    """Frames of a video on a grid: (seconds, Y mean of 2 x 2, U and V point samples)."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for number, decoded in enumerate(container.decode(stream)):
            is_planar = decoded.format.name in ("yuv420p", "yuvj420p")
            frame = decoded if is_planar else decoded.reformat(format="yuv420p")
            planes = []
            for plane in frame.planes:
                flat = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
                planes.append(flat[:, : plane.width])
            y = sample_positions(frame.height, rows)[:, None]
            x = sample_positions(frame.width, columns)[None, :]
            below, right = np.minimum(y + 1, frame.height - 1), np.minimum(x + 1, frame.width - 1)
            luma = planes[0][y, x].astype(np.uint16) + planes[0][below, x]
            luma = luma + planes[0][y, right] + planes[0][below, right]
            cy = np.minimum(y // 2, planes[1].shape[0] - 1)
            cx = np.minimum(x // 2, planes[1].shape[1] - 1)
            seconds = number / 25 if decoded.time is None else float(decoded.time)
            yield seconds, ((luma + 2) >> 2).astype(np.uint8), planes[1][cy, cx], planes[2][cy, cx]


@dataclass
class Stretch:
    """One single-shot stretch of footage.

    Attributes:
        name: file it comes from.
        luma: uint8 [T, 144, 256]. u, v: uint8 [T, 72, 128].
        fps: frames a second.
    """

    name: str
    luma: UInt8
    u: UInt8
    v: UInt8
    fps: float


def load_stretch(path: Path) -> list[Stretch]:
    """The beginning of a file as one stretch; none of files with under 12 frames."""
    frames = []
    for seconds, luma, u, v in read_grid(path, 144, 256):
        frames.append((seconds, luma, u[::2, ::2], v[::2, ::2]))
        if len(frames) >= MOST_FRAMES:
            break
    if len(frames) < 12:
        return []
    lasted = max(frames[-1][0] - frames[0][0], 0.1)
    luma, u, v = (np.stack([np.asarray(f[k], np.uint8) for f in frames]) for k in (1, 2, 3))
    return [Stretch(path.name, luma, u, v, fps=float(np.clip((len(frames) - 1) / lasted, 4, 120)))]


def render_stretches(seed: int) -> list[Stretch]:
    """Shots of a rendered world, without what is mixed: scenes that no camera took."""
    from internvid.synthetic.world import render_world

    found = []
    with tempfile.TemporaryDirectory() as folder:
        for video in render_world(folder, seed, copies=False).videos:
            planes = list(read_grid(Path(folder) / video.name, 144, 256))
            # The first and the last shot may fade in and out.
            for shot in video.shots[1:-1]:
                frames = planes[shot.clean_start_frame : shot.clean_end_frame]
                if len(frames) >= 12:
                    luma, u, v = (np.stack([f[k] for f in frames]) for k in (1, 2, 3))
                    u, v = u[:, ::2, ::2], v[:, ::2, ::2]
                    found.append(Stretch(f"world-{video.theme}", luma, u, v, float(video.fps)))
    return found


def list_single_shots(media: Path) -> list[Path]:
    """Files of which a person said that they show exactly one shot, in a fixed order."""
    found = []
    with (media / "MANIFEST.csv").open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            name = Path(row["file"]).name
            is_seen = row["n_hard_cuts"] == "0" or row["file"].startswith("labelled/")
            if (is_seen or name in ALSO_SINGLE) and not name.startswith(NOT_USED):
                found.append(media / row["file"])
    return sorted(found)


def group_of(name: str) -> str:
    """Scene family of a file name: takes of one place and person never stand on both sides."""
    return next((family for family in FAMILIES if name.startswith(family)), name)


@dataclass
class Take:
    """A way to show a stretch: where it starts, how fast, under which crop and light.

    Attributes:
        path: float [K, 3], crop centre x, y (0 to 1) and size (1 = all) at even instants.
        seconds: how long `path` lasts.
        held_fps: rate at which the picture changes, 0 for every frame.
        updates: the only instants at which it changes, the first 0; empty for all.
        shake: float [J, 2], offsets of the crop at 30 a second.
    """

    stretch: Stretch
    start_seconds: float
    seconds: float
    path: npt.NDArray[np.float64]
    speed: float = 1.0
    is_mirrored: bool = False
    gain: float = 1.0
    gamma: float = 1.0
    chroma: tuple[float, float, float] = (1.0, 0.0, 0.0)
    held_fps: float = 0.0
    updates: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    shake: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((1, 2)))

    def show(self, seconds: float) -> Planes:
        """Planes float32 (Y [72, 128], U and V [36, 64]) at an instant of the take."""
        moment = seconds
        if self.held_fps:
            moment = float(np.floor(seconds * self.held_fps + 1e-6) / self.held_fps)
        if len(self.updates):
            moment = float(self.updates[np.searchsorted(self.updates, moment, "right") - 1])
        count = len(self.stretch.luma)
        place = int((self.start_seconds + moment * self.speed) * self.stretch.fps + 1e-6)
        # Back and forth: short clips last as long as asked without a jump.
        place = abs(place) % max(1, 2 * count - 2)
        place = min(place, 2 * count - 2 - place) if count > 1 else 0
        window = self._window_at(moment)
        luma = _crop(self.stretch.luma[place], window, 72, 128)
        u, v = (_crop(plane[place], window, 36, 64) for plane in (self.stretch.u, self.stretch.v))
        if self.is_mirrored:
            luma, u, v = luma[:, ::-1], u[:, ::-1], v[:, ::-1]
        level = np.clip((luma - 16) / 219, 0, 1)
        if self.gamma != 1.0:
            level = level**self.gamma
        scale, shift_u, shift_v = self.chroma
        luma = np.clip(level * 219 * self.gain + 16, 16, 235)
        return luma, (u - 128) * scale + 128 + shift_u, (v - 128) * scale + 128 + shift_v

    def _window_at(self, moment: float) -> tuple[float, float, float]:
        """Crop (y, x, size) at an instant."""
        way = float(np.clip(moment / max(self.seconds, 1e-3), 0, 1)) * (len(self.path) - 1)
        low = min(int(way), len(self.path) - 2)
        x, y, size = self.path[low] + (self.path[low + 1] - self.path[low]) * (way - low)
        jitter = self.shake[int(moment * 30) % len(self.shake)]
        x = np.clip(x + jitter[0], size / 2, 1 - size / 2)
        y = np.clip(y + jitter[1], size / 2, 1 - size / 2)
        return float(y), float(x), float(size)


def _crop(plane: UInt8, window: tuple[float, float, float], rows: int, columns: int) -> Plane:
    y, x, size = window
    height, width = plane.shape
    at_y = np.clip(((np.arange(rows) + 0.5) / rows - 0.5) * size + y, 0, 0.9999) * height
    at_x = np.clip(((np.arange(columns) + 0.5) / columns - 0.5) * size + x, 0, 0.9999) * width
    cropped: Plane = plane[at_y.astype(np.int64)[:, None], at_x.astype(np.int64)].astype(np.float32)
    return cropped
