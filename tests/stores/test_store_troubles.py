"""Stores that refuse, vanish, lag or are locked: typed errors with a hint, and nothing lost."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import internvid
from internvid.core.errors import (
    DatasetBusyError,
    DatasetFormatError,
    DependencyMissingError,
    MisuseError,
    StorageError,
)
from internvid.dataset.layout import Layout
from internvid.dataset.parts import commit_bytes, committed
from internvid.dataset.stores import remote, store_cache, store_lock
from internvid.dataset.stores.store_commit import NameTakenError
from internvid.dataset.stores.store_path import StorePath, located

pytestmark = pytest.mark.cluster


def at(url: str) -> StorePath:
    path = located(url)
    assert isinstance(path, StorePath)
    return path


@pytest.mark.parametrize(
    "address", ["s3:", "s3:/", "s3://", "gs://", "s3:///", "s3://b", "s3://b/.."]
)
def test_an_address_without_a_folder_is_no_folder_here(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # As the command line hands it on, and as it is written.
    for given in (address, Path(address)):
        with pytest.raises(MisuseError, match="names no folder in a bucket"):
            located(given)
    with pytest.raises(MisuseError):
        internvid.build("videos", address)
    assert list(tmp_path.iterdir()) == []


class _Forbidding(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _answer


@pytest.fixture
def forbidding(store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Forbidding)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
    yield store
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_bucket_without_rights(forbidding: str, world_videos: list[Path]) -> None:
    with pytest.raises(StorageError, match="access denied") as caught:
        internvid.build(world_videos, f"{forbidding}/data", workers=1)
    assert "AWS_ACCESS_KEY_ID" in str(caught.value.hint)
    with pytest.raises(StorageError, match="access denied"):
        internvid.open(f"{forbidding}/data")


def test_a_bucket_that_is_not_there(store: str, world_videos: list[Path]) -> None:
    for call in (
        lambda: internvid.open("s3://no-such-bucket/data"),
        lambda: internvid.build(world_videos, "s3://no-such-bucket/data", workers=1),
    ):
        with pytest.raises(StorageError, match="no such bucket") as caught:
            call()
        assert caught.value.hint
    with pytest.raises(DatasetFormatError, match="is not a dataset"):
        internvid.open(f"{store}/nothing")


def test_a_bucket_that_vanishes_under_a_dataset(store: str, store_port: int) -> None:
    layout = Layout(located(f"{store}/data"))
    record = layout.create()
    path = layout.record_path
    assert isinstance(path, StorePath)
    for each in list(path.remote.keys_below("")):
        path.remote.remove(each)
    bucket = store.removeprefix("s3://")
    address = f"http://127.0.0.1:{store_port}/{bucket}"
    urllib.request.urlopen(urllib.request.Request(address, method="DELETE")).close()
    for call in (layout.read_record, lambda: layout.write_record(record)):
        with pytest.raises(StorageError, match="no such bucket"):
            call()


def test_a_server_that_is_not_there(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("internvid.dataset.stores.store_errors._TRIES", 1)
    with pytest.raises(StorageError, match="cannot list") as caught:
        internvid.open(f"{store}/data")
    assert "can be reached" in str(caught.value.hint)


@pytest.mark.parametrize(
    "url", ["s3://", "s3://bucket", "s3://bucket/", "s3://bucket/a/../b", "http://host/data"]
)
def test_addresses_that_no_dataset_can_have(store: str, url: str) -> None:
    del store
    with pytest.raises(MisuseError) as caught:
        internvid.open(url)
    assert caught.value.hint


def test_without_the_extra_the_hint_names_it(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(DependencyMissingError, match="obstore") as caught:
        internvid.open(f"{store}/data")
    assert "internvid[s3]" in str(caught.value.hint)


class _Lagging:
    """A store whose lists show what was there at the beginning, for good."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._seen: dict[Any, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def list_with_delimiter(self, key: Any) -> Any:
        if key not in self._seen:
            self._seen[key] = self._store.list_with_delimiter(key)
        return self._seen[key]


def test_lists_that_lag_lose_nothing(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(located(f"{store}/data"))
    path = at(f"{store}/other/one.json")
    bucket = path.remote
    monkeypatch.setattr(bucket, "_store", _Lagging(bucket._store))
    assert not path.exists()
    commit_bytes(path, b"1")
    bucket.forget_lists()
    assert path.is_file()
    record = layout.create()
    for number in range(4):
        record.metadata = {f"key{number}": "BIGINT"}
        layout.write_record(record)
        bucket.forget_lists()
        assert layout.read_record().metadata == record.metadata
    stale = layout.read_record()
    stale.metadata = {"late": "BIGINT"}
    layout.write_record(record)
    with pytest.raises(DatasetBusyError):
        layout.write_record(stale)


def test_a_name_is_taken_once(store: str) -> None:
    path, other = at(f"{store}/data/x.json"), at(f"{store}/data/y.json")
    with committed(path, otherwise=()) as temporary:
        temporary.write_bytes(b"mine")
    with pytest.raises(NameTakenError), committed(path, otherwise=()) as temporary:
        temporary.write_bytes(b"theirs")
    with committed(path, otherwise=[other]) as temporary:
        temporary.write_bytes(b"next")
    assert (path.read_bytes(), other.read_bytes()) == (b"mine", b"next")


def test_what_fails_while_it_is_written_leaves_nothing(store: str) -> None:
    path = at(f"{store}/data/x.bin")

    def fails() -> None:
        with committed(path) as temporary:
            temporary.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert not path.exists()
    assert list(path.remote.keys_below("data")) == []


def test_large_objects_go_in_pieces(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_MULTIPART_BYTES", 6 << 20)
    monkeypatch.setattr(remote, "_CHUNK_BYTES", 5 << 20)
    path, data = at(f"{store}/data/large.bin"), os.urandom(12 << 20)
    commit_bytes(path, data)
    os.unlink(path.plain)
    assert Path(os.fspath(path)).read_bytes() == data


def test_a_full_cache_disk_is_named(store: str, tmp_path: Path) -> None:
    path = at(f"{store}/data/x.bin")
    path.write_bytes(b"x" * 3_000_000)
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("INTERNVID_CACHE", str(disk))
            there = at(f"{store}/data/x.bin")
            with pytest.raises(StorageError, match="no space left") as caught:
                os.fspath(there)
            assert "INTERNVID_CACHE" in str(caught.value.hint)
            with pytest.raises(StorageError, match="no space left"):
                commit_bytes(at(f"{store}/data/y.bin"), b"x" * 3_000_000)
            assert not [each for each in disk.rglob("*") if each.is_file()]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert not at(f"{store}/data/y.bin").exists()
    assert len(path.read_bytes()) == 3_000_000


def test_what_is_kept_is_bounded(store: str, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTERNVID_CACHE", str(tmp_path))
        patch.setenv("INTERNVID_CACHE_GB", "0.002")
        patch.setattr(store_cache, "_IN_USE_SECONDS", 0.0)
        for number in range(8):
            path = at(f"{store}/data/{number}.bin")
            path.write_bytes(bytes([number]) * 500_000)
            assert Path(os.fspath(path)).read_bytes()[0] == number
        kept = sum(each.stat().st_size for each in tmp_path.rglob("*") if each.is_file())
        assert 0 < kept <= 2_500_000
        patch.setenv("INTERNVID_CACHE_GB", "much")
        with pytest.raises(MisuseError, match="INTERNVID_CACHE_GB"):
            store_cache.limit_bytes()


_HOLDER = """
import sys, time
from internvid.dataset.stores import store_lock
store_lock.RENEW_SECONDS = 0.2
from internvid.core.errors import DatasetBusyError
from internvid.dataset.parts import held
from internvid.dataset.stores.store_path import located
with held(located(sys.argv[1]), DatasetBusyError("busy")):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_lock_of_a_process_that_was_killed_is_taken_over(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_lock, "RENEW_SECONDS", 0.2)
    layout = Layout(located(f"{store}/data"))
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, f"{store}/data/lock"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(DatasetBusyError, match="another process is writing"), layout.locked():
        pass
    holder.kill()
    holder.communicate()
    with layout.locked():
        assert isinstance(layout.root, StorePath)
        with pytest.raises(DatasetBusyError), layout.locked():
            pass
    with layout.locked():
        pass  # freed at once
