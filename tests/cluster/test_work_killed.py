"""Shares of work that overlap and are killed: the same bytes as of one build."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import internvid
from internvid.core.system.temporary import is_temporary
from tests.cluster.datasets import prepared
from tests.media import write_video
from tests.trees import digest_tree

pytestmark = [pytest.mark.cluster, pytest.mark.media]

TRAP = "scan.observers=content,luma,camera,transitions,tests.cluster.traps:Trapped"
NOT_DONE = 3


def start(*arguments: object) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-m", "tests.cluster.hasty", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)


@pytest.fixture(scope="module")
def videos(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine real videos, a copy of one, one that kills whoever decodes it, one that hangs."""
    folder = tmp_path_factory.mktemp("videos")
    smallest = sorted((media / "videos").glob("panda__*"), key=lambda path: path.stat().st_size)
    for path in smallest[:9]:
        shutil.copyfile(path, folder / path.name)
    # By its name it is the last one, and lies in another part.
    shutil.copyfile(smallest[0], folder / "zz_copy.mp4")
    write_video(folder / "deadly.mp4", level=255, frames=12)
    write_video(folder / "endless.mp4", level=4, frames=12)
    return folder


@pytest.fixture(scope="module")
def whole(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process makes of them."""
    data = prepared(tmp_path_factory.mktemp("whole") / "data")
    build = start("build", videos, "-o", data, "--set", TRAP, "--workers", 2, "--no-report")
    assert build.wait() == 0
    rows = internvid.open(data).videos().to_pylist()
    reasons = sorted(row["reason"] for row in rows if row["status"] != "ok")
    assert reasons == ["crashed", "duplicate", "hung"]
    return data


@pytest.mark.parametrize("seed", [0, *(pytest.param(at, marks=pytest.mark.slow) for at in (1, 2))])
def test_overlapping_shares_that_are_killed_end_in_the_same_bytes(
    seed: int, videos: Path, whole: Path, tmp_path: Path
) -> None:
    draw = random.Random(seed)
    data = prepared(tmp_path / "data")
    assert start("build", videos, "-o", data, "--set", TRAP, "--prepare").wait() == 0
    for _ in range(2):
        pair = [start("work", data, "--share", each, "--workers", 1) for each in ("1/1", "2/2")]
        for process in draw.sample(pair, 2):
            time.sleep(draw.uniform(1.0, 5.0))
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    pair = [start("work", data, "--share", each, "--workers", 1) for each in ("1/2", "1/1")]
    codes = [process.wait() for process in pair]
    assert codes[1] == 0
    assert codes[0] in (0, NOT_DONE)
    assert start("work", data).wait() == 0
    assert digest_tree(data) == digest_tree(whole)
    left = [path for path in data.rglob("*") if is_temporary(path.name)]
    assert left == []
    assert not (data / "staged").exists()
    assert not (data / "work.json").exists()
