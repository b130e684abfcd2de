"""Copies of videos as they are found on the web: encoded anew, cropped, mirrored, with bars."""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

SHORT_SIDE = 360
KINDS = (
    "crf35", "half", "fps", "mpeg4", "vp9", "letterbox", "pillarbox", "crop5", "crop10",
    "mirror", "logo",
)  # fmt: skip
PARTS = 3
_SECONDS = (4.0, 12.0)


def frames_of(path: Path, start: float = 0.0, stop: float = float("inf")):
    """(seconds from `start`, RGB picture) of the frames between two times."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        first = None
        for frame in container.decode(stream):
            if frame.pts is None:
                continue
            seconds = float(frame.pts * frame.time_base)
            first = seconds if first is None else first
            if seconds - first < start:
                continue
            if seconds - first >= stop:
                return
            scale = min(1.0, SHORT_SIDE / min(frame.width, frame.height))
            width, height = (
                max(16, round(side * scale / 2) * 2) for side in (frame.width, frame.height)
            )
            picture = frame.reformat(width, height, "rgb24", interpolation="BICUBIC")
            yield seconds - first - start, picture.to_ndarray()


def write(path: Path, frames: Iterator, codec: str = "libx264", crf: int = 28, scale: int = 1):
    """Encode pictures with their times."""
    ticks = 1000 if codec == "mpeg4" else 90_000  # MPEG-4 counts in 16 bits
    options = {
        "libx264": {"crf": str(crf), "preset": "veryfast"},
        "mpeg4": {"b": "400k"},
        "libvpx-vp9": {"crf": "38", "b": "0", "deadline": "realtime", "cpu-used": "8"},
    }[codec]
    with av.open(str(path), "w") as container:
        stream = None
        for seconds, picture in frames:
            height, width = (side // (2 * scale) * 2 for side in picture.shape[:2])
            whole = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame = whole.reformat(width, height, "yuv420p", interpolation="AREA")
            if stream is None:
                stream = container.add_stream(codec, rate=30, options=options)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.time_base = stream.codec_context.time_base = Fraction(1, ticks)
            frame.pts, frame.time_base = round(seconds * ticks), Fraction(1, ticks)
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode(None))


def changed(picture: np.ndarray, kind: str) -> np.ndarray:
    """A picture as a copy of that kind shows it."""
    height, width = picture.shape[:2]
    if kind == "letterbox":
        bar = int(height * 0.18) // 2 * 2
        return np.pad(picture, ((bar, bar), (0, 0), (0, 0)))
    if kind == "pillarbox":
        bar = int(width * 0.18) // 2 * 2
        return np.pad(picture, ((0, 0), (bar, bar), (0, 0)))
    if kind in ("crop5", "crop10"):
        share = 0.025 if kind == "crop5" else 0.05
        top, left = int(height * share), int(width * share)
        inner = picture[top : height - top, left : width - left]
        return inner[: inner.shape[0] // 2 * 2, : inner.shape[1] // 2 * 2]
    if kind == "mirror":
        return picture[:, ::-1]
    if kind == "logo":
        marked = picture.copy()
        tall, wide = height // 8, width // 6
        top, left = height // 16, width - width // 20 - wide
        marked[top : top + tall, left : left + wide] = (230, 40, 40)
        marked[top + tall // 3 : top + 2 * tall // 3, left + wide // 5 : left + 4 * wide // 5] = 255
        return marked
    return picture


def make_copies(source: Path, folder: Path, seed: int) -> dict[Path, str]:
    """Every kind of copy of a video and some parts of it; file -> kind."""
    made = {}
    for kind in KINDS:
        path = folder / f"{source.stem}__{kind}{'.webm' if kind == 'vp9' else '.mp4'}"
        frames = ((seconds, changed(each, kind)) for seconds, each in frames_of(source))
        if kind == "fps":
            frames = (each for number, each in enumerate(frames) if number % 2 == 0)
        codec = {"mpeg4": "mpeg4", "vp9": "libvpx-vp9"}.get(kind, "libx264")
        write(path, frames, codec, 35 if kind == "crf35" else 28, 2 if kind == "half" else 1)
        made[path] = kind
    with av.open(str(source)) as container:
        total = float((container.duration or 0) / av.time_base)
    draw = random.Random(seed)
    for number in range(PARTS if total >= _SECONDS[0] + 2 else 0):
        length = draw.uniform(_SECONDS[0], min(_SECONDS[1], total - 1))
        start = draw.uniform(0, total - length)
        path = folder / f"{source.stem}__part{number}.mp4"
        write(path, frames_of(source, start, start + length))
        made[path] = "part"
    return made
