"""Planned work, done share by share: the same bytes as by one process, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import internvid
from internvid.api.cluster.working import prepare, prepare_columns, work
from internvid.core.errors import (
    ConfigInvalidError,
    DatasetBusyError,
    MisuseError,
    PlanMismatchError,
)
from internvid.dataset.layout import Layout
from internvid.dataset.shared import turns
from internvid.pipeline.annotate.jobs import ColumnRequest
from internvid.pipeline.build import build
from internvid.pipeline.recipe import Recipe
from internvid.pipeline.shares.work_plan import read_plan
from tests.cluster.datasets import prepared
from tests.media import write_video
from tests.pipeline.annotators import Narrator, TextLength
from tests.trees import digest_tree


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven videos in four parts, two of them with the bytes of an earlier one."""
    folder = tmp_path_factory.mktemp("videos")
    for number in range(5):
        write_video(folder / f"v{number}.mp4", level=40 + 20 * number, frames=40, seed=number)
    shutil.copyfile(folder / "v0.mp4", folder / "v5.mp4")
    shutil.copyfile(folder / "v4.mp4", folder / "w6.mp4")
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return prepared(tmp_path / "data")


def build_here(videos: Path, root: Path, recipe: Recipe) -> Path:
    build([str(videos)], prepared(root), recipe, workers=1)
    return root


def test_shares_in_any_order_make_what_one_build_makes(
    videos: Path, data: Path, recipe: Recipe, tmp_path: Path
) -> None:
    plan = prepare(videos, data, recipe)
    assert (plan.sources, plan.parts, plan.pending) == (7, 4, 4)
    assert internvid.status(data)["videos"]["pending"] == 7
    last = work(data, "2/2", workers=1)
    assert not last.done
    assert (last.parts, last.cut) == (2, 0)
    assert "part-00000" in " ".join(last.waits)
    first = work(data, "1/2", workers=1)
    assert not first.done
    assert first.scanned + last.scanned == 7
    # The parts of the other share can be sealed now.
    summary = work(data, "2/2", workers=1)
    while not summary.done:
        summary = work(data, "1/2", workers=1)
    assert digest_tree(data) == digest_tree(build_here(videos, tmp_path / "one", recipe))
    assert not (data / "staged").exists()
    again = work(data, "1/2", workers=1)
    assert (again.done, again.scanned) == (True, 0)


def test_columns_are_planned_with_the_build_that_they_read(
    videos: Path, data: Path, recipe: Recipe, tmp_path: Path
) -> None:
    told, length = Narrator(), TextLength()
    prepare(videos, data, recipe)
    requests = [ColumnRequest("told", told), ColumnRequest("length", length, text="told")]
    assert prepare_columns(data, requests).columns == ("told", "length")
    done = [work(data, f"{share}/2", workers=1).done for share in (2, 1, 2, 1)]
    assert done == [False, False, False, True]
    one = build_here(videos, tmp_path / "one", recipe)
    internvid.caption(one, told, name="told", workers=1)
    internvid.score(one, length, name="length", text="told", workers=1)
    assert digest_tree(data) == digest_tree(one)


def test_columns_of_a_finished_dataset(
    videos: Path, recipe: Recipe, data: Path, tmp_path: Path
) -> None:
    one = build_here(videos, tmp_path / "one", recipe)
    shutil.copytree(one, data, dirs_exist_ok=True)
    prepare_columns(data, [ColumnRequest("length", TextLength(), text="echo")])
    assert not work(data, "1/2", workers=1).done
    summary = work(data, "2/2", workers=1)
    assert summary.done
    assert set(summary.answered) == {"length"}
    internvid.score(one, TextLength(), name="length", text="echo", workers=1)
    assert digest_tree(data) == digest_tree(one)


def change(path: Path, **entries: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def test_another_version_and_other_code_are_refused(
    videos: Path, data: Path, recipe: Recipe
) -> None:
    prepare(videos, data, recipe)
    before = (data / "work.json").read_text()
    change(data / "work.json", version="0.0.1")
    with pytest.raises(PlanMismatchError, match=r"planned by internvid 0\.0\.1"):
        work(data, workers=1)
    (data / "work.json").write_text(before)
    planned = json.loads(before)["build"]
    change(data / "work.json", build={**planned, "scan": "0" * 12})
    with pytest.raises(PlanMismatchError, match="was planned"):
        work(data, workers=1)
    (data / "work.json").write_text("{")
    with pytest.raises(internvid.core.errors.DatasetFormatError, match="damaged"):
        work(data, workers=1)
    # Planned anew, all is well.
    prepare(videos, data, recipe)
    assert (data / "work.json").read_text() == before
    assert work(data, workers=1).done


def test_what_cannot_be_planned_is_refused(videos: Path, data: Path, recipe: Recipe) -> None:
    with pytest.raises(MisuseError, match="no work is planned"):
        work(data, workers=1)
    for share in ("0/2", "3/2", "1", "a/b", "1/0"):
        with pytest.raises(ConfigInvalidError, match="no share"):
            work(data, share)
    local = dataclasses.make_dataclass("Local", [], namespace={"caption": lambda _, clips: clips})
    with pytest.raises(ConfigInvalidError, match="cannot be planned"):
        prepare(videos, data, dataclasses.replace(recipe, captioners={"local": local()}))
    assert read_plan(Layout(data)) is None


def test_a_process_that_writes_alone_is_waited_for_and_named(
    videos: Path, data: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(videos, data, recipe)
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 0.1)
    with Layout(data).locked(), pytest.raises(DatasetBusyError):
        work(data, workers=1)
    # And who writes alone does not begin beside workers.
    with Layout(data).joined(), pytest.raises(DatasetBusyError):
        build([str(videos)], data, recipe, workers=1)
    with Layout(data).joined():
        assert work(data, workers=1).done
