"""Stages and parts that several processes write: one row stands, late ones leave nothing."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

import internvid
from internvid.api.cluster.working import prepare, work
from internvid.core.errors import ConfigInvalidError, DatasetBusyError
from internvid.dataset.layout import Layout
from internvid.dataset.parts import commit_json
from internvid.dataset.shared.once import put_json
from internvid.pipeline import scanning
from internvid.pipeline.build import build
from internvid.pipeline.recipe import Recipe
from internvid.pipeline.scanning import ScanTask, scan_source, stage_failure
from internvid.pipeline.shares.share import share_of
from internvid.pipeline.shares.stages import PartStage
from internvid.pipeline.source_parts import set_part_size
from internvid.run.executor import Failure
from tests.cluster.datasets import prepared
from tests.media import write_video, write_videos
from tests.trees import digest_tree


def nothing(_: Any) -> None:
    pass


def test_of_many_writers_one_has_its_file_stand(tmp_path: Path) -> None:
    path, won, start = tmp_path / "row.json", [], threading.Barrier(8)

    def write(number: int) -> None:
        start.wait()
        if put_json(path, {"by": number}):
            won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [json.loads(path.read_text())["by"]] == won
    assert [each.name for each in tmp_path.iterdir()] == ["row.json"]


@pytest.fixture
def task(tmp_path: Path, recipe: Recipe) -> ScanTask:
    """A source of a part of one, that is scanned."""
    video = write_video(tmp_path / "in" / "a.mp4")
    layout = Layout(prepared(tmp_path / "data"))
    prepare(video, layout.root, recipe)
    stage = PartStage.of(layout, recipe.scan_fingerprint(), "part-00000")
    return ScanTask(str(video), stage.stage(0), recipe.complete_scan(), sealed=stage.sealed)


def test_who_stages_second_takes_what_stands(
    task: ScanTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = scanning._scan
    others: list[Any] = []

    def slow(*rest: Any) -> Any:
        # Another process stages the same source meanwhile.
        monkeypatch.setattr(scanning, "_scan", real)
        others.append(scan_source(task, nothing))
        return real(*rest)

    monkeypatch.setattr(scanning, "_scan", slow)
    mine = scan_source(task, nothing)
    assert mine == {**others[0], "stamp": list(others[0]["stamp"])}
    assert len(list(task.stage.parent.iterdir())) == 3
    # A failure that comes after it changes nothing.
    assert stage_failure(task, Failure("crashed", "it died"))["status"] == "ok"
    assert len(list(task.stage.parent.iterdir())) == 3


@pytest.mark.parametrize("at", ["before", "while", "failed"])
def test_who_comes_when_the_part_is_sealed_leaves_nothing(
    at: str, task: ScanTask, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = task.sealed.parents[3]  # type: ignore[union-attr]
    real = scanning._scan

    def late(*rest: Any) -> Any:
        # All others of the part are done, and it is sealed and cleared while this one decodes.
        monkeypatch.setattr(scanning, "_scan", real)
        assert work(data, workers=1).done
        return real(*rest)

    if at == "before":
        assert work(data, workers=1).done
    else:
        monkeypatch.setattr(scanning, "_scan", late)
    if at == "failed":
        late_task = ScanTask(task.uri, task.stage, task.recipe, sealed=task.sealed)
        monkeypatch.setattr(scanning, "_scan", real)
        assert work(data, workers=1).done
        stage_failure(late_task, Failure("hung", "it made no progress"))
    else:
        scan_source(task, nothing)
    assert not (data / "staged" / recipe.scan_fingerprint()).exists()
    assert internvid.open(data).videos()["status"].to_pylist() == ["ok"]


def test_what_a_late_process_left_when_it_died_goes_with_the_next(
    task: ScanTask, recipe: Recipe
) -> None:
    data = task.sealed.parents[3]  # type: ignore[union-attr]
    assert work(data, workers=1).done
    expected = digest_tree(data)
    commit_json(task.stage.with_name("00000.json"), {"uri": task.uri, "status": "failed"})
    build([task.uri], data, recipe, workers=1)
    assert digest_tree(data) == expected


def test_removals_of_sources_that_workers_have_staged(recipe: Recipe, tmp_path: Path) -> None:
    videos = write_videos(tmp_path / "in", 4)
    data = prepared(tmp_path / "data")
    prepare(tmp_path / "in", data, recipe)
    assert not work(data, "2/2", workers=1).done
    with Layout(data).joined():  # while a worker is at it: hidden, and purged by the next
        with pytest.raises(DatasetBusyError):
            internvid.remove(data, uris=str(videos[2]))
        assert list(data.glob("removals/pending/request-*"))
    assert not work(data, "1/2", workers=1).done
    assert work(data, workers=1).done
    uris = [Path(uri).name for uri in internvid.open(data).videos()["uri"].to_pylist()]
    assert uris == ["v000.mp4", "v001.mp4", "v003.mp4"]
    assert not list((data / "removals").glob("pending"))


def test_parts_by_megabytes(recipe: Recipe, tmp_path: Path) -> None:
    videos = write_videos(tmp_path / "in", 3)
    for video in videos:
        with video.open("ab") as file:  # a long tail of nothing that a decoder reads
            file.truncate(2_000_000)
    plan = prepare(tmp_path / "in", tmp_path / "data", recipe, part_mb=1)
    assert (plan.parts, plan.sources) == (3, 3)
    record = Layout(tmp_path / "data").read_record()
    assert record.megabytes_per_part == 1
    with pytest.raises(ConfigInvalidError, match="parts of 1 MB already"):
        set_part_size(record, 2)
    with pytest.raises(ConfigInvalidError, match="parts of 0 MB"):
        prepare(tmp_path / "in", tmp_path / "none", recipe, part_mb=0)
    with pytest.raises(ConfigInvalidError, match="parts of 0 MB"):
        build([str(videos[0])], tmp_path / "none", recipe, workers=1, part_mb=0)
    assert not (tmp_path / "none").exists()
    build([str(videos[0])], tmp_path / "old", recipe, workers=1)
    with pytest.raises(ConfigInvalidError, match="64 sources already"):
        build([str(videos[0])], tmp_path / "old", recipe, workers=1, part_mb=3)
    assert "megabytes_per_part" not in (tmp_path / "old" / "dataset.json").read_text()


SLURM = {
    "SLURM_ARRAY_TASK_ID": "7",
    "SLURM_ARRAY_TASK_MIN": "3",
    "SLURM_ARRAY_TASK_COUNT": "5",
    "SLURM_ARRAY_TASK_STEP": "2",
}


@pytest.mark.parametrize(
    ("environment", "share"),
    [
        ({}, (0, 1)),
        (SLURM, (2, 5)),
        ({**SLURM, "SLURM_ARRAY_TASK_STEP": ""}, None),
        ({"SLURM_ARRAY_TASK_ID": "7"}, None),
        ({**SLURM, "SLURM_ARRAY_TASK_ID": "13"}, None),
        ({"JOB_COMPLETION_INDEX": "4", "INTERNVID_SHARES": "8"}, (4, 8)),
        ({"JOB_COMPLETION_INDEX": "4"}, None),
        ({"JOB_COMPLETION_INDEX": "8", "INTERNVID_SHARES": "8"}, None),
    ],
)
def test_schedulers_say_which_share_it_is(
    environment: dict[str, str], share: tuple[int, int] | None
) -> None:
    assert share_of("2/8", environment) == (1, 8)
    if share is None:
        with pytest.raises(ConfigInvalidError):
            share_of(None, environment)
    else:
        assert share_of(None, environment) == share
