"""kill -9 at any moment, then the same command again: the same bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.trees import digest_tree


def _start(videos: list[str], dataset: Path, workers: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "internvid", "build", *videos, "-o", str(dataset)]
    command += ["--workers", str(workers)]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


@pytest.fixture(scope="module")
def whole(
    world_videos: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, str], float]:
    """An uninterrupted build's bytes, and how long it took."""
    dataset = tmp_path_factory.mktemp("whole") / "data"
    started = time.monotonic()
    assert _start([str(path) for path in world_videos], dataset, 2).wait() == 0
    return digest_tree(dataset), time.monotonic() - started


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))]
)
def test_killed_builds_end_in_the_same_bytes(
    seed: int, whole: tuple[dict[str, str], float], world_videos: list[Path], tmp_path: Path
) -> None:
    expected, seconds = whole
    draw = random.Random(seed)
    dataset = tmp_path / "data"
    videos = [str(path) for path in world_videos]
    for _ in range(3):
        process = _start(videos, dataset, draw.choice([1, 2, 3]))
        time.sleep(draw.uniform(0.2, 1.1) * seconds)
        # The builder alone is killed: its workers must end by themselves.
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert _start(videos, dataset, draw.choice([1, 2])).wait() == 0
    assert digest_tree(dataset) == expected


def test_ctrl_c_exits_130_and_resumes(
    whole: tuple[dict[str, str], float], world_videos: list[Path], tmp_path: Path
) -> None:
    expected, _ = whole
    dataset = tmp_path / "data"
    videos = [str(path) for path in world_videos]
    process = _start(videos, dataset, 2)
    while not (dataset / "sources").exists() and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert _start(videos, dataset, 2).wait() == 0
    assert digest_tree(dataset) == expected
