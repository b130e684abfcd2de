"""Files being written: nobody else has their names, and those of the living are left alone."""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from internvid.core.errors import DatasetBusyError, StorageError
from internvid.core.system.temporary import is_temporary, new_temporary
from internvid.dataset.left_temporaries import discard_temporaries
from internvid.dataset.parts import commit_bytes, committed, held
from tests.leftovers import leftover


def test_writers_with_one_process_id_do_not_share_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As two hosts may have it on a network folder; even of one name, as containers may."""
    monkeypatch.setattr(os, "getpid", lambda: 7)
    monkeypatch.setattr(socket, "gethostname", lambda: "worker")
    with committed(tmp_path / "part") as first:
        first.write_bytes(b"first")
        with committed(tmp_path / "part") as second:
            assert first != second
            second.write_bytes(b"the second")
        assert (tmp_path / "part").read_bytes() == b"the second"
        assert first.read_bytes() == b"first"
    assert (tmp_path / "part").read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["part"]


def test_a_name_says_whose_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "a/host.of:mine")
    name = new_temporary(tmp_path / "part.parquet").name
    pattern = rf"part\.parquet\.a-host-of-mine[-0-9a-f]*\.{os.getpid()}\.[0-9a-f]{{12}}\.writing"
    assert re.fullmatch(pattern, name)
    assert is_temporary(name)


@pytest.mark.parametrize("name", ["n" * 255, "\N{SNOWMAN}" * 85])
def test_the_longest_names_can_be_written(name: str, tmp_path: Path) -> None:
    commit_bytes(tmp_path / name, b"whole")
    assert (tmp_path / name).read_bytes() == b"whole"
    assert os.listdir(tmp_path) == [name]


def test_only_what_the_dead_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep").mkdir()
    dead = leftover(tmp_path / "deep" / "dead")
    living = new_temporary(tmp_path / "deep" / "living")
    earlier = tmp_path / f"earlier.{os.getpid()}.writing"  # as 0.1.0 called them
    earlier.touch()
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
    theirs, theirs_long_ago = (new_temporary(tmp_path / name) for name in ("theirs", "long-ago"))
    monkeypatch.undo()
    ago = time.time() - 90_000
    os.utime(theirs_long_ago, (ago, ago))
    discard_temporaries(tmp_path)
    assert not dead.exists()
    assert not theirs_long_ago.exists()
    for path in (living, theirs, earlier):
        assert path.exists(), path


def test_a_file_system_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StorageError, match="no locks available") as caught:  # noqa: SIM117
        with held(tmp_path / "lock", DatasetBusyError("busy")):
            pass
    assert "with locks" in str(caught.value.hint)


def _numbered(folder: Path) -> Iterator[Path]:
    return (folder / f"part.g{number:03}" for number in itertools.count())


def _append(folder: Path, text: str) -> None:
    names = _numbered(folder)
    with committed(next(names), otherwise=names) as temporary:
        temporary.write_text(text)


def _refuse_links(*_: object) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.mark.parametrize("has_links", [True, False])
def test_a_name_that_is_taken_is_never_replaced(
    has_links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_links:
        monkeypatch.setattr(os, "link", _refuse_links)
    for text in ("first", "second", "third"):
        _append(tmp_path, text)
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found == {"part.g000": "first", "part.g001": "second", "part.g002": "third"}


def test_writers_at_once_lose_nothing_of_each_other(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(partial(_append, tmp_path), map(str, range(48))))
    found = sorted(tmp_path.iterdir())
    assert [path.name for path in found] == [f"part.g{number:03}" for number in range(48)]
    assert sorted(int(path.read_text()) for path in found) == list(range(48))


def test_an_answer_that_was_lost_on_the_way_makes_no_second_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a network folder: the link is made, its answer lost, and the second try refused."""
    real = os.link

    def twice(source: Path, target: Path) -> None:
        real(source, target)
        real(source, target)

    _append(tmp_path, "first")
    monkeypatch.setattr(os, "link", twice)
    _append(tmp_path, "second")
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found == {"part.g000": "first", "part.g001": "second"}


def test_other_trouble_with_a_name_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StorageError, match="no space left"):
        _append(tmp_path, "text")
    assert not os.listdir(tmp_path)
