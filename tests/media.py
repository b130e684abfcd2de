"""Tiny videos for questions about bookkeeping: a few grey frames, made in milliseconds."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame


def write_video(
    path: Path,
    *,
    level: int = 90,
    frames: int = 30,
    size: tuple[int, int] = (64, 48),
    seed: int = 0,
) -> Path:
    """A flat picture of that grey level with a few random cells, 10 fps, MPEG-4."""
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(10))
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for _ in range(frames):
            picture = np.full((size[1], size[0], 3), level, np.uint8)
            rows, columns = rng.integers(0, size[1], 20), rng.integers(0, size[0], 20)
            picture[rows, columns] = rng.integers(0, 60)
            container.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def write_videos(folder: Path, count: int) -> list[Path]:
    """Different dark videos `v000.mp4`, ..."""
    return [
        write_video(folder / f"v{number:03d}.mp4", level=40 + number % 90, seed=number, frames=12)
        for number in range(count)
    ]
