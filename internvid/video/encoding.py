"""Frames written as a video that players and browsers show."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from internvid.core.errors import MisuseError
from internvid.core.system.temporary import new_temporary

_FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
SUFFIXES = tuple(_FORMATS)


def write_frames(path: Path, frames: npt.NDArray[np.uint8], fps: float, *, crf: int = 15) -> None:
    """Write H.264, complete or not at all; an existing file is replaced.

    Args:
        path: ends in .mp4, .mov or .mkv.
        frames: RGB [T, H, W, 3]; an odd last row or column is cut off.
        fps: frames per second.
        crf: x264's quality; lower is better.

    Raises:
        MisuseError: another ending.
        OSError: it cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise MisuseError(
            f"{path.name} is no video's name", hint=f"let it end in {', '.join(SUFFIXES)}"
        )
    height, width = (side - side % 2 for side in frames.shape[1:3])
    rate = Fraction(fps).limit_denominator(1001)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = new_temporary(path)
    try:
        options = {"movflags": "+faststart", "fflags": "+bitexact"}
        kind = _FORMATS[path.suffix.lower()]
        with av.open(str(beside), "w", format=kind, options=options) as container:
            stream = container.add_stream("libx264", rate=rate)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.thread_count = 1
            # Slower presets were seen to give other bytes from run to run.
            stream.options = {"crf": str(crf), "preset": "superfast"}
            for picture in frames:
                even = np.ascontiguousarray(picture[:height, :width])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
            container.mux(stream.encode(None))
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
