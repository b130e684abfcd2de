"""A worker's memory is bounded, whatever the size and length of its source."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from tests.media import write_video

_SCAN = """
import sys
from pathlib import Path
from internvid import recipes
from internvid.pipeline.scanning import ScanTask, scan_source
recipe = recipes.default().complete_scan()
row = scan_source(ScanTask(sys.argv[1], Path(sys.argv[2], "00000"), recipe), lambda value: None)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
print(row["status"], row.get("reason"), row.get("frames"), int(peak) // 1024)
"""


def scan(video: Path, stage: Path) -> tuple[str, str, str, int]:
    """Status, reason, frames and peak memory in MB of a process that scans one video."""
    if not Path("/proc/self/status").exists():
        pytest.skip("peak memory is read from /proc")
    command = [sys.executable, "-c", _SCAN, str(video), str(stage)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    status, reason, frames, peak = done.stdout.split()
    print(f"{video.name}: {status}, {frames} frames, peak {peak} MB")
    return status, reason, frames, int(peak)


def write_large(path: Path, width: int, height: int, frames: int) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(30))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "40", "refs": "1"}
        for number in range(frames):
            luma = np.full((height * 3 // 2, width), 40 + 20 * (number % 8), np.uint8)
            container.mux(stream.encode(VideoFrame.from_ndarray(luma, format="yuv420p")))
        container.mux(stream.encode(None))
    return path


def test_4k_takes_less_than_500_megabytes(tmp_path: Path) -> None:
    video = write_large(tmp_path / "4k.mp4", 3840, 2160, 12)
    status, _, frames, peak = scan(video, tmp_path)
    assert (status, frames) == ("ok", "12")
    assert peak <= 500


@pytest.mark.parametrize(("name", "size"), [("8k.mp4", (7680, 4320)), ("12k.ts", (12000, 12000))])
def test_larger_pictures_are_refused_before_they_take_memory(
    name: str, size: tuple[int, int], tmp_path: Path
) -> None:
    status, reason, _, peak = scan(write_large(tmp_path / name, *size, 1), tmp_path)
    assert (status, reason) == ("failed", "too_large")
    assert peak <= 300


@pytest.mark.slow
def test_memory_stays_below_250_bytes_a_frame(tmp_path: Path) -> None:
    short = write_video(tmp_path / "short.mp4", frames=2_000)
    long = write_video(tmp_path / "long.mp4", frames=52_000)
    peaks = [scan(video, tmp_path / video.stem)[3] for video in (short, long)]
    # Mostly the rows being written, of which there are never more than 2^18.
    # Peaks are whole megabytes.
    assert peaks[1] - peaks[0] <= 250 * 50_000 / 1e6 + 1
