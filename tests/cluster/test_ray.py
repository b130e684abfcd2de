"""The same build on a Ray cluster of several nodes, of which some are killed."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import internvid
from internvid.core.errors import ConfigInvalidError, StorageError
from internvid.core.system.temporary import is_temporary
from internvid.pipeline.build import build
from internvid.pipeline.recipe import CutRecipe, Recipe
from internvid.run.executor import LocalExecutor
from internvid.run.executors import opened_executor
from internvid.run.ray_executor import RayExecutor
from internvid.scan.scan import ScanRecipe
from internvid.shots.content import ContentDetector
from tests.cluster.ray_traps import Traps
from tests.cluster.tasks import double
from tests.media import write_video, write_videos
from tests.pipeline.answers import small_recipe
from tests.trees import digest_tree

ray = pytest.importorskip("ray", reason="Ray is not installed (pip install 'internvid[cluster]')")
pytestmark = pytest.mark.cluster

LIMITS = {"hang_cpu_seconds": 60.0, "hang_wall_seconds": 8.0}


class Nodes:
    """A head without room for work, and nodes of one CPU each that come and go."""

    def __init__(self, count: int) -> None:
        from ray.cluster_utils import Cluster

        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        self.nodes = [self.cluster.add_node(num_cpus=1) for _ in range(count)]
        self.cluster.wait_for_nodes()

    def kill_one(self, rng: random.Random) -> None:
        """Kill a node with all that runs on it."""
        node = self.nodes.pop(rng.randrange(len(self.nodes)))
        self.cluster.remove_node(node, allow_graceful=False)

    def add_one(self) -> None:
        """Add a node; in the main thread, as Ray handles signals there."""
        self.nodes.append(self.cluster.add_node(num_cpus=1))


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    started = Nodes(3)
    ray.init(address=started.cluster.address, log_to_driver=False)
    yield started
    ray.shutdown()
    started.cluster.shutdown()


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    cut = CutRecipe(detector=ContentDetector(), signals=("audio",), filters=())
    scan = ScanRecipe(observers=("content", "luma", Traps()))
    return small_recipe(Recipe("test", cut, scan))


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    write_videos(folder, 10)
    write_video(folder / "white.mp4", level=250)
    write_video(folder / "grey.mp4", level=170)
    return folder


@pytest.fixture(scope="module")
def local(videos: Path, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("local") / "data"
    build([str(videos)], root, recipe, executor=LocalExecutor(2, **LIMITS))
    return root


def test_an_item_has_the_words_of_one_machine_for_what_went_wrong(nodes: Nodes) -> None:
    executor = RayExecutor(limits={"hang_cpu_seconds": 60.0, "hang_wall_seconds": 3.0})
    seen: list[tuple[int, Any]] = []
    items = ["a", "crash", "hang", "bug", "b"]
    results = {
        result.index: result
        for result in executor.map(double, items, lambda *shown: seen.append(shown))
    }
    here = {result.index: result for result in LocalExecutor(2, **LIMITS).map(double, items[:2])}
    assert [results[at].value for at in (0, 4)] == ["aa", "bb"]
    assert results[1] == here[1]
    reasons = [results[at].failure for at in (1, 2, 3)]
    assert [each.reason for each in reasons if each is not None] == ["crashed", "hung", "bug"]
    assert {index for index, _ in seen} == set(range(5))
    with pytest.raises(StorageError, match="disk is full") as stopped:
        list(executor.map(double, ["stop"]))
    assert stopped.value.hint == "free space"
    executor.close()
    assert list(RayExecutor().map(double, [])) == []


def test_items_are_taken_when_there_is_room(nodes: Nodes) -> None:
    taken: list[int] = []

    def items() -> Iterator[str]:
        for number in range(1000):
            taken.append(number)
            yield "a"

    executor = RayExecutor(workers=2)
    results = executor.map(double, items())
    next(results)
    assert len(taken) <= 4
    results.close()
    executor.close()


def test_workers_of_a_name_leave_their_room_to_others(nodes: Nodes) -> None:
    with opened_executor("ray") as executor:
        assert [result.value for result in executor.map(double, ["a"])] == ["aa"]
        assert ray.available_resources().get("CPU", 0) < len(nodes.nodes)
    until = time.monotonic() + 30
    while ray.available_resources().get("CPU", 0) < len(nodes.nodes):
        assert time.monotonic() < until
        time.sleep(0.2)
    mine = RayExecutor()
    with opened_executor(mine) as executor:
        assert executor is mine


def test_no_cluster_and_no_gpu_are_said(nodes: Nodes) -> None:
    with pytest.raises(ConfigInvalidError, match="has no node with 1 GPUs"):
        list(RayExecutor(gpus=1).map(double, ["a"]))
    with pytest.raises(ConfigInvalidError, match="no executor is called 'rya'"):
        internvid.build("x.mp4", "data", executor="rya")


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_nodes_change_no_byte(
    nodes: Nodes, videos: Path, recipe: Recipe, local: Path, tmp_path: Path, kills: int
) -> None:
    rng = random.Random(7)
    failed: list[BaseException] = []
    for attempt in range(kills):
        root = tmp_path / f"data{attempt}"
        moment = rng.uniform(0.5, 8.0)

        def kill(after: float = moment) -> None:
            try:
                time.sleep(after)
                nodes.kill_one(rng)
            except BaseException as error:
                failed.append(error)

        killer = threading.Thread(target=kill)
        killer.start()
        executor = RayExecutor(limits=LIMITS)
        build([str(videos)], root, recipe, executor=executor)
        executor.close()
        killer.join()
        assert failed == []
        nodes.add_one()
        # A worker of a killed node may be at its last step still.
        time.sleep(1)
        build([str(videos)], root, recipe, workers=1)
        assert digest_tree(root) == digest_tree(local)
        assert [path for path in root.rglob("*") if is_temporary(path.name)] == []
    rows = internvid.open(local).videos().to_pylist()
    assert sorted(row["reason"] for row in rows if row["status"] == "failed") == ["crashed", "hung"]
