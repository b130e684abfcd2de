"""Videos by address: on the web and in a store, one by one, by folder, by pattern, in tables."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import internvid
from internvid.core.errors import MisuseError, SourceMissingError
from internvid.dataset.stores.source_path import SourcePath, source_path
from internvid.dataset.stores.store_path import located
from internvid.pipeline.sources import find_sources
from tests.stores.file_server import FileServer

pytestmark = pytest.mark.cluster


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("INTERNVID_CACHE", str(folder))
    # The servers of these tests are on this machine.
    monkeypatch.setenv("INTERNVID_ALLOW_PRIVATE", "1")
    return folder


@pytest.fixture
def server(world_videos: list[Path]) -> Iterator[FileServer]:
    served = FileServer(world_videos[0].parent)
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    yield served
    served.shutdown()
    served.server_close()
    thread.join()


def _clips(root: Path | str) -> list[Any]:
    query = "select video_id, start_pts, end_pts from clips order by all"
    return internvid.open(root).sql(query).fetchall()


def test_a_table_of_web_addresses_makes_the_same_clips(
    world_videos: list[Path],
    dataset: internvid.Dataset,
    server: FileServer,
    cache: Path,
    tmp_path: Path,
) -> None:
    addresses = [f"{server.address}/{path.name}?key=a%2Fb" for path in world_videos]
    # One breaks off after each 100 kB, and is gone on with.
    addresses[0] = f"{server.address}/breaks/{world_videos[0].name}"
    bad = {f"{server.address}/status/{code}/x.mp4": code for code in (404, 410, 403)}
    table = tmp_path / "videos.csv"
    table.write_text("uri,title\n" + "".join(f"{uri},t\n" for uri in [*addresses, *bad]))
    summary = internvid.build(str(table), tmp_path / "data", workers=2)
    assert summary.failures == len(bad)
    assert _clips(tmp_path / "data") == _clips(dataset.root)
    rows = internvid.open(tmp_path / "data").sql("select uri, status, reason from videos")
    found = {uri: (status, reason) for uri, status, reason in rows.fetchall()}
    assert {found[uri] for uri, code in bad.items() if code != 403} == {("failed", "missing")}
    assert {found[uri] for uri, code in bad.items() if code == 403} == {("failed", "permission")}
    assert set(found) == {*addresses, *bad}
    # Nothing stays of what was fetched to be scanned.
    assert not [path for path in cache.rglob("*") if path.is_file()]
    # A build after it reads no video again.
    before = dict(server.sent)
    again = internvid.build(str(table), tmp_path / "data", workers=2)
    assert again.scanned == 0
    grown = {name: server.sent[name] - before[name] for name in before}
    assert max(grown.values()) < 100


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
def test_what_is_not_on_the_internet_is_not_read_for_a_table(
    host: str,
    server: FileServer,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    world_videos: list[Path],
) -> None:
    monkeypatch.delenv("INTERNVID_ALLOW_PRIVATE")
    port = server.address.rpartition(":")[2]
    table = tmp_path / "videos.csv"
    table.write_text(f"uri\nhttp://{host}:{port}/{world_videos[0].name}\n")
    internvid.build(str(table), tmp_path / "data", workers=1)
    ((status, reason, error),) = (
        internvid.open(tmp_path / "data").sql("select status, reason, error from videos").fetchall()
    )
    assert (status, reason) == ("failed", "permission")
    assert error
    assert not any(server.sent.values())


def test_a_host_that_does_not_answer_is_a_row(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("internvid.dataset.stores.web_files._TRIES", 1)
    uri = "http://127.0.0.1:9/v.mp4"
    with pytest.raises(TimeoutError):
        source_path(uri).stat()
    summary = internvid.build(uri, tmp_path / "data", workers=1)
    assert summary.failures == 1
    ((reason,),) = internvid.open(tmp_path / "data").sql("select reason from videos").fetchall()
    assert reason == "unreachable"


def test_folders_patterns_and_tables_of_a_store(
    world_videos: list[Path], dataset: internvid.Dataset, store: str, tmp_path: Path
) -> None:
    for path in world_videos:
        located(f"{store}/videos/in/{path.name}").write_bytes(path.read_bytes())
    located(f"{store}/videos/.hidden/x.mp4").write_bytes(b"x")
    located(f"{store}/videos/notes.txt").write_bytes(b"x")
    expected = [f"{store}/videos/in/{path.name}" for path in world_videos]
    first = world_videos[0]
    for text in (
        f"{store}/videos",
        f"{store}/videos/",
        f"{store}/videos/in/*",
        f"{store}/**/in/*.*",
    ):
        assert find_sources([text]).table["uri"].to_pylist() == expected
    assert find_sources([expected[0]]).table["uri"].to_pylist() == expected[:1]
    # Names without a folder lie beside the table.
    located(f"{store}/videos/in/list.csv").write_bytes(f"uri,n\n{first.name},1\n".encode())
    sources = find_sources([f"{store}/videos/in/list.csv"])
    assert sources.table["uri"].to_pylist() == expected[:1]
    internvid.build(f"{store}/videos", tmp_path / "data", workers=2)
    assert _clips(tmp_path / "data") == _clips(dataset.root)
    cut = tmp_path / "cut"
    internvid.publish(tmp_path / "data", cut, exporter="folder")
    assert list(cut.rglob("*.mp4"))


def test_addresses_that_name_nothing(store: str) -> None:
    for text, error in (
        (f"{store}/none", SourceMissingError),
        (f"{store}/none/*.mp4", SourceMissingError),
        (f"{store}/none.mp4", SourceMissingError),
        ("s3://no-such-bucket-here/videos", SourceMissingError),
        ("ftp://host/v.mp4", MisuseError),
        ("http:///v.mp4", MisuseError),
        (f"{store}/a//b.mp4", MisuseError),
    ):
        with pytest.raises(error) as caught:
            find_sources([text])
        assert caught.value.hint or caught.value.message


@pytest.mark.parametrize(
    "uri",
    [
        "http://host/v.mp4",
        "https://host:81/a/b%20c//d/../v.webm?x=1&y=a%2Fb#t=1",
        "https://host/" + "long" * 300 + "/v.mp4?token=" + "z" * 900,
    ],
)
def test_any_web_address_is_had_again_from_its_path(uri: str, cache: Path) -> None:
    path = source_path(uri)
    assert isinstance(path, SourcePath)
    assert str(path) == uri
    assert all(len(os.fsencode(step)) < 255 for step in path.parts)
    assert path.suffix == Path(uri.partition("?")[0]).suffix
