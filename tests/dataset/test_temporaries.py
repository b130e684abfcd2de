"""Files being written: nobody else has their names, and those of the living are left alone."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import socket
import time
from pathlib import Path

import pytest

from internvid.core.errors import DatasetBusyError, StorageError
from internvid.core.system.temporary import is_temporary, new_temporary
from internvid.dataset.parts import commit_bytes, committed, discard_temporaries, held
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
