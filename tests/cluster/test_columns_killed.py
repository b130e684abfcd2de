"""A planned column whose writers overlap and are killed: the same bytes, hardly a clip twice."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

import internvid
from internvid.pipeline.build import build
from internvid.pipeline.recipe import Recipe
from tests.cluster.datasets import prepared
from tests.cluster.test_work_killed import NOT_DONE, start
from tests.media import write_video
from tests.pipeline.annotators import Narrator
from tests.pipeline.answers import small_recipe
from tests.trees import digest_tree

pytestmark = pytest.mark.cluster
WINDOW = 4


def test_a_column_by_overlapping_processes_that_are_killed(recipe: Recipe, tmp_path: Path) -> None:
    for number in range(4):
        path = tmp_path / "in" / f"v{number}.mp4"
        write_video(path, level=40 + 20 * number, frames=60, seed=number)
    one, data, log = prepared(tmp_path / "one"), tmp_path / "data", tmp_path / "log"
    build([str(tmp_path / "in")], one, small_recipe(recipe), workers=1)
    shutil.copytree(one, data)
    internvid.caption(one, Narrator(), name="told")
    sets = [f"window={WINDOW}", "seconds=0.3", f"log={log}"]
    options = [part for each in sets for part in ("--set", each)]
    captioner = "tests.pipeline.annotators:Narrator"
    plan = start("caption", data, "--captioner", captioner, "--as", "told", *options, "--prepare")
    assert plan.wait() == 0
    pair = [start("work", data, "--share", share) for share in ("1/1", "2/2")]
    while not (log.exists() and len(log.read_text().split()) > 2 * WINDOW):
        assert any(process.poll() is None for process in pair)
        time.sleep(0.05)
    for process in pair:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    pair = [start("work", data, "--share", share) for share in ("1/2", "1/1")]
    codes = [process.wait() for process in pair]
    assert set(codes) <= {0, NOT_DONE}
    assert start("work", data).wait() == 0
    assert digest_tree(data) == digest_tree(one)
    asked = Counter(log.read_text().split())
    del asked["setup"]
    # Twice only what a killed process had not written down yet.
    assert set(asked) == set(internvid.open(data).clips()["clip_id"].to_pylist())
    assert max(asked.values()) <= 2
