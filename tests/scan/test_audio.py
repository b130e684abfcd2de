"""Sound lies beside the pictures that it is heard with."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from internvid.scan.scan import ScanRecipe, scan_video
from internvid.synthetic.encode import VideoFormat, write_video
from internvid.synthetic.scripts.sound_tracks import SAMPLE_RATE

FPS = 25


@pytest.mark.parametrize("parts", [1, 3])
def test_sound_of_joined_recordings_goes_on_as_their_pictures_do(
    parts: int, tmp_path: Path
) -> None:
    """Each part is silent for a second, and loud for another."""
    pictures = (np.full((96, 128, 3), 60 + at, np.uint8) for at in range(2 * FPS))
    tone = np.sin(np.arange(2 * SAMPLE_RATE) * 0.1).astype(np.float32)
    tone[:SAMPLE_RATE] = 0
    one = tmp_path / "one.ts"
    write_video(one, pictures, VideoFormat("h264", 128, 96, Fraction(FPS)), sound=tone)
    path = tmp_path / "joined.ts"
    path.write_bytes(one.read_bytes() * parts)
    timeline = scan_video(path, ScanRecipe(observers=("content",))).timeline
    loudness = timeline.column("loudness")
    assert len(loudness) == 2 * FPS * parts
    seconds = timeline.pts_seconds
    for part in range(parts):
        silent = (seconds > 2 * part + 0.3) & (seconds < 2 * part + 0.7)
        loud = (seconds > 2 * part + 1.3) & (seconds < 2 * part + 1.7)
        assert loudness[silent].max() < -40
        assert loudness[loud].min() > -20
