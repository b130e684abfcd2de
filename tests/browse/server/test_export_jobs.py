"""Exports that a page starts: a name and choices come from it, and nothing else gets through."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import internvid
from internvid.browse.server.access import Access, Gate
from internvid.browse.server.application import make_application
from internvid.browse.server.desk import Desk
from internvid.browse.server.subsets.export_jobs import exports_root
from internvid.core.errors import MisuseError
from internvid.dataset.store import Dataset
from tests.browse.server.test_access import HOME, PORT, WRITING

FEW = [["exporter", "folder"], ["subset", "few"], ["cut.size", "96"], ["cut.sound", "none"]]
EVERY = [["exporter", "folder"], ["cut.size", ""], ["cut.sound", "none"]]


@pytest.fixture(scope="module")
def desk(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("exporting")
    root = folder / "data of ours"
    shutil.copytree(dataset.root, root)
    data = internvid.open(root)
    internvid.select(data, "random", "few", 3, seed=1)
    made = Desk(data, folder, "tester", exports=exports_root(folder / "exports", root))
    made.table.build()
    yield made
    made.close()


def client(desk: Desk, *, read_only: bool = False) -> TestClient:
    access = Access(PORT, token="secret", is_read_only=read_only)
    gate = Gate(make_application(desk, access), access)
    made = TestClient(gate, base_url=HOME, raise_server_exceptions=False)
    made.cookies.set(access.cookie, "secret", domain="127.0.0.1")
    return made


def start(page: TestClient, name: Any, choice: Any) -> Any:
    return page.post("/api/exports", json={"name": name, "choice": choice}, headers=WRITING)


def ended(page: TestClient) -> dict[str, Any]:
    while True:
        job: dict[str, Any] = page.get("/api/exports").json()["job"]
        if job["state"] != "running":
            return job
        time.sleep(0.1)


def written(desk: Desk) -> set[str]:
    assert desk.exports.root is not None
    return {path.name for path in desk.exports.root.iterdir()}


def test_the_command_that_is_shown_is_what_runs(desk: Desk, tmp_path: Path) -> None:
    page = client(desk)
    shown = page.get("/api/exports/command", params=[tuple(pair) for pair in FEW])
    words = shlex.split(shown.json()["command"])
    assert words[:3] == ["internvid", "publish", str(desk.dataset.root)]
    assert words[3] == "FOLDER"
    job = start(page, "three", FEW).json()["job"]
    assert shlex.split(job["command"])[4:] == words[4:]
    job = ended(page)
    assert job["state"] == "done"
    assert desk.exports.root is not None
    folder = desk.exports.root / "three"
    assert job["folder"] == str(folder)
    assert internvid.verify(folder, dataset=desk.dataset).ok
    expected = desk.dataset.clips("few")["clip_id"].to_pylist()
    assert sorted(path.stem for path in folder.glob("*.mp4")) == sorted(expected)
    # In a shell, word by word, it writes the same.
    other = tmp_path / "by hand"
    words[3] = str(other)
    subprocess.run([sys.executable, "-m", *words], check=True, capture_output=True)
    for path in folder.glob("*.mp4"):
        assert (other / path.name).read_bytes() == path.read_bytes()


def test_the_plan_is_that_of_the_command(desk: Desk) -> None:
    page = client(desk)
    fields = [("exporter", "folder"), ("preset", "wan"), ("cut.frames", "81")]
    planned = page.get("/api/exports/plan", params=fields).json()
    expected = internvid.plan_publication(
        desk.dataset, exporter="folder", preset="wan", settings=["cut.frames=81"]
    )
    for name in ("clips", "windows", "hours", "dropped"):
        assert planned[name] == json.loads(json.dumps(expected[name]))
    assert planned["dropped"]["too_short_for_grid"] > 0
    # A preset counts where a choice needs it.
    slid = [("exporter", "folder"), ("preset", "ltx"), ("cut.windows", "slide")]
    assert page.get("/api/exports/plan", params=slid).json()["windows"] > 0
    assert page.get("/api/exports/plan", params=slid[::2]).status_code == 400
    refused = page.get("/api/exports/plan", params={"exporter": "folder", "caption": "nothing"})
    assert refused.status_code == 400
    assert "nothing" in refused.json()["error"]


@pytest.mark.parametrize(
    "name",
    ["", "../out", "..", ".", ".hidden", "/tmp/out", "a/b", "a\\b", "-x", "a b", "x" * 101, "a\n",
     "a\0b", "~", "$HOME", "é", None, ["a"], {"a": 1}],
)  # fmt: skip
def test_a_name_is_a_name(desk: Desk, name: Any) -> None:
    before = written(desk)
    answer = start(client(desk), name, FEW)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert written(desk) == before


@pytest.mark.parametrize(
    "choice",
    [
        None,
        "folder",
        [["exporter"]],
        [["exporter", "no-such"]],
        [["exporter", "os:system"]],
        [["exporter", "folder"], ["preset", "--help"]],
        [["exporter", "internvid"], ["preset", "wan"]],
        [["exporter", "folder"], ["subset", "../x"]],
        [["exporter", "folder"], ["tokenizer", "/etc"]],
        [["exporter", "json-list"], ["base_path", "/etc"]],
        [["exporter", "folder"], ["cut", "x"]],
        [["exporter", "folder"], ["cut.fps", "fast"]],
        [["exporter", "folder"], ["cut.windows", "all"]],
        [["exporter", "folder"], ["caption", "a;rm -rf"]],
        [["exporter", "folder"], ["prefix", "x" * 201]],
        [["exporter", "folder"], ["prefix", "a\x1b[2J"]],
        [["exporter", "webdataset"], ["clips_per_shard", "-1"]],
    ],
)
def test_a_choice_is_among_those_that_there_are(desk: Desk, choice: Any) -> None:
    before = written(desk)
    assert start(client(desk), "never", choice).status_code == 400
    assert written(desk) == before


def test_nothing_that_is_there_is_written_over(desk: Desk, tmp_path: Path) -> None:
    root, page = desk.exports.root, client(desk)
    assert root is not None
    (root / "empty").mkdir()
    (root / "file").write_text("mine")
    (root / "link").symlink_to(tmp_path / "nowhere")
    (root / "full").mkdir()
    (root / "full" / "mine.txt").write_text("mine")
    for name in ("empty", "file", "link", "full"):
        answer = start(page, name, FEW)
        assert answer.status_code == 400
        assert "exists" in answer.json()["error"]
    assert list((root / "empty").iterdir()) == []
    assert (root / "file").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_one_at_a_time_cancelled_and_gone_on_with(desk: Desk) -> None:
    page = client(desk)
    assert start(page, "whole", EVERY).status_code == 200
    second = start(page, "other", FEW)
    assert second.status_code == 400
    assert "is running" in second.json()["error"]
    assert "other" not in written(desk)
    assert page.post("/api/exports/cancel", json={}, headers=WRITING).status_code == 200
    job = ended(page)
    assert job["state"] == "cancelled"
    assert job["can_go_on"]
    assert desk.exports.root is not None
    assert not (desk.exports.root / "whole" / "manifest.json").exists()
    # Of other clips it is not the same export.
    assert "exists" in start(page, "whole", FEW).json()["error"]
    assert start(page, "whole", EVERY).status_code == 200
    job = ended(page)
    assert job["state"] == "done"
    assert any(f"/{len(desk.dataset)}" in line for line in job["lines"])
    assert internvid.verify(desk.exports.root / "whole").ok
    assert "exists" in start(page, "whole", EVERY).json()["error"]


def test_read_only_and_a_server_without_a_folder_start_nothing(desk: Desk, tmp_path: Path) -> None:
    before = written(desk)
    assert start(client(desk, read_only=True), "never", FEW).status_code == 403
    cancelled = client(desk, read_only=True).post("/api/exports/cancel", json={}, headers=WRITING)
    assert cancelled.status_code == 403
    assert written(desk) == before
    other = Desk(desk.dataset, tmp_path, "tester")
    try:
        other.table.build()
        answer = start(client(other), "never", FEW)
        assert answer.status_code == 400
        assert "--exports" in answer.json()["hint"]
    finally:
        other.close()


def test_the_folder_for_exports_is_none_of_the_dataset(dataset: Dataset, tmp_path: Path) -> None:
    for inside in (dataset.root, dataset.root / "exports", dataset.root / "a" / ".." / "b"):
        with pytest.raises(MisuseError, match="inside the dataset"):
            exports_root(inside, dataset.root)
    (tmp_path / "file").write_text("")
    with pytest.raises(MisuseError, match="no folder"):
        exports_root(tmp_path / "file", dataset.root)
    assert exports_root(tmp_path / "new" / "one", dataset.root).is_dir()
