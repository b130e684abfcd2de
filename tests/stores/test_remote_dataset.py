"""A dataset in a real S3 server: the same bytes as one in a folder, and all that reads it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest
from starlette.testclient import TestClient

import internvid
from internvid.browse.server.access import TOKEN_HEADER, Access, Gate
from internvid.browse.server.application import make_application
from internvid.browse.server.desk import Desk
from internvid.core.errors import DatasetFormatError, MisuseError
from internvid.dataset.layout import MANIFESTS, Layout
from internvid.dataset.stores import remote_tables
from internvid.dataset.stores.store_path import StorePath, located
from internvid.synthetic.fakes import EchoCaptioner
from tests.cli.speaking import Capture, read_json, spoken
from tests.trees import digest_tree

pytestmark = pytest.mark.cluster
PORT = 8766
HOME = f"http://127.0.0.1:{PORT}"


def tables(root: Path) -> dict[str, str]:
    """What a dataset holds, by name: all but the record and who writes."""
    own = ("lock", MANIFESTS, "dataset.json")
    return {name: mark for name, mark in digest_tree(root).items() if name.split("/")[0] not in own}


def same(here: Path, there: str) -> None:
    """Two datasets have the same tables, the same record, and nothing half written."""
    remote = located(there)
    assert isinstance(remote, StorePath)
    remote.remote.forget_lists()
    report = {"report.html"}  # it names the folder
    found, expected = tables(remote), tables(here)
    assert {name: found[name] for name in found if name not in report} == {
        name: expected[name] for name in expected if name not in report
    }
    assert Layout(remote).record_path.read_bytes() == (here / "dataset.json").read_bytes()
    cache = Path(os.environ["INTERNVID_CACHE"])
    assert not [path for path in cache.rglob("*.writing") if path.is_file()]


def test_a_dataset_in_a_store_is_the_one_in_a_folder(
    world_videos: list[Path], store: str, tmp_path: Path, capsys: Capture
) -> None:
    here, there = tmp_path / "data", f"{store}/sets/data"
    for place in (str(here), there):
        code, _, err = spoken(capsys, "build", *world_videos, "-o", place, "--workers", 2)
        assert code == 0, err
    same(here, there)
    rows: list[Any] = []
    for place in (str(here), there):
        internvid.caption(place, EchoCaptioner(), name="echo")
        internvid.score(place, "health", text="echo")
        internvid.select(place, "where", "long", argument="duration_seconds > 1")
        read_json(capsys, "describe", place)
        assert spoken(capsys, "report", place)[0] == 0
        exported = tmp_path / ("here" if place == str(here) else "there")
        internvid.publish(place, exported, exporter="folder", subset="long")
        opened = internvid.open(place)
        rows.append(opened.sql("select * from clips order by clip_id").fetchall())
        listed = read_json(capsys, "list", place)
        rows[-1].append([row["clip_id"] for row in listed])
    assert rows[0] == rows[1]
    published = [digest_tree(tmp_path / name) for name in ("here", "there")]
    clips = [{n: d for n, d in each.items() if n.endswith(".mp4")} for each in published]
    assert clips[0] == clips[1]
    assert clips[0]
    assert located(f"{there}/report.html").read_text().replace(there, "PLACE") == (
        here / "report.html"
    ).read_text().replace(str(here), "PLACE")
    # A removal writes parts anew, and takes objects away.
    for place in (str(here), there):
        shutil.rmtree(tmp_path / ("here" if place == str(here) else "there"))
        internvid.remove(place, uris=str(world_videos[0]))
    # Notes of exports are named by where these lie.
    left = [
        {n for n in tables(root) if not n.startswith("exports/")} for root in (here, located(there))
    ]
    assert left[0] == left[1]
    assert len(internvid.open(there)) == len(internvid.open(here))


@pytest.fixture
def remote_data(dataset: internvid.Dataset, store: str) -> str:
    """A dataset in a store, put there as it lies."""
    root = located(f"{store}/data")
    for path in sorted(dataset.root.rglob("*")):
        name = path.relative_to(dataset.root)
        if path.is_file() and name.parts[0] != "lock":
            name = Path(MANIFESTS, "00000001.json") if name.name == "dataset.json" else name
            (root / str(name)).write_bytes(path.read_bytes())
    return str(root)


def test_pictures_are_read_by_ranges_and_queries_reach_nothing_else(
    remote_data: str,
    dataset: internvid.Dataset,
    store: str,
    store_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote_tables, "_SMALL_BYTES", 0)
    located(f"{store}/other/secret.parquet").write_bytes(b"PAR1")
    opened = internvid.open(remote_data)
    for clip in list(dataset):
        assert list(opened.jpegs(clip.clip_id)) == list(dataset.jpegs(clip.clip_id))
    query = "select count(*), sum(octet_length(jpeg)) from picks"
    assert opened.sql(query).fetchall() == dataset.sql(query).fetchall()
    assert opened.unlocked().execute(query).fetchall() == dataset.sql(query).fetchall()
    bucket = store.removeprefix("s3://")
    kept = [path for path in store_cache.rglob("*") if f"/{bucket}/" in str(path)]
    assert any(path.parent.name == "clips" for path in kept)
    assert not [path for path in kept if path.is_file() and path.parent.name == "picks"]
    for place in (f"{store}/other/secret.parquet", f"{remote_data}/{MANIFESTS}/00000001.json"):
        with pytest.raises(duckdb.PermissionException):
            opened.sql(f"select * from read_parquet('{place}')").fetchall()
    with pytest.raises(MisuseError):
        opened.sql(f"copy (select 1) to '{store}/x.parquet'")


def test_pages_show_it_and_verdicts_are_appended(remote_data: str, tmp_path: Path) -> None:
    desk = Desk(internvid.open(remote_data), tmp_path, "tester")
    try:
        desk.table.build()
        access = Access(PORT, token="secret", is_read_only=False)
        client = TestClient(Gate(make_application(desk, access), access), base_url=HOME)
        client.cookies.set(access.cookie, "secret", domain="127.0.0.1")
        clip = str(desk.dataset.clips()["clip_id"][0].as_py())
        shown = client.get("/api/clips").json()
        assert clip in str(shown)
        writing = {"origin": HOME, TOKEN_HEADER: "secret"}
        for verdict in ("keep", "reject"):
            answer = client.post(f"/api/verdict/{clip}", json={"verdict": verdict}, headers=writing)
            assert answer.status_code == 200, answer.text
    finally:
        desk.close()
    log = located(f"{remote_data}/verdicts/log.jsonl")
    lines = log.read_text().splitlines()
    assert len(lines) == 2
    ((verdict,),) = (
        internvid.open(remote_data)
        .sql(f"select verdict from clips where clip_id = '{clip}'")
        .fetchall()
    )
    assert verdict == "reject"


def test_an_old_copy_is_never_shown(remote_data: str, store_cache: Path) -> None:
    path = located(f"{remote_data}/note.txt")
    assert isinstance(path, StorePath)
    path.write_bytes(b"first")
    kept = Path(os.fspath(path))
    assert kept.read_bytes() == b"first"
    path.write_bytes(b"other")  # of the same length
    assert Path(os.fspath(path)).read_bytes() == b"other"
    # A copy that somebody changed here is not taken for the object's.
    kept.write_bytes(b"wrong")
    with path.open("rb") as file:
        assert file.read() == b"other"
    path.unlink()
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        path.open("rb")


def test_a_lost_record_is_made_again(remote_data: str, capsys: Capture) -> None:
    before = internvid.open(remote_data)
    count = len(before)
    path = before.layout.record_path
    path.write_bytes(b"{")
    with pytest.raises(DatasetFormatError, match="is damaged"):
        internvid.open(remote_data)
    assert spoken(capsys, "repair", remote_data)[0] == 0
    assert len(internvid.open(remote_data)) == count
    assert located(f"{remote_data}/dataset.json.damaged").read_bytes() == b"{"
