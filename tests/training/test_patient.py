"""Logs on a full disk."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from internvid.training.run.log import CsvWriter
from internvid.training.run.resilient_log import ResilientLog

Limit = Callable[[int], None]


@pytest.fixture
def limit() -> Iterator[Limit]:
    """Files of this process may grow to so many bytes; Python ignores the signal of it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_does_not_fit_waits_for_room(tmp_path: Path, limit: Limit) -> None:
    path = tmp_path / "log"
    file = ResilientLog(path, b"head\n")
    limit(12)
    file.add(b"one\n")
    file.add(b"two\n")
    assert path.read_bytes() == b"head\none\n", "no half line"
    limit(resource.RLIM_INFINITY)
    file.add(b"three\n")
    file.close()
    assert path.read_bytes() == b"head\none\ntwo\nthree\n"


def test_what_never_fits_is_told_at_the_end(tmp_path: Path, limit: Limit) -> None:
    file = ResilientLog(tmp_path / "log", b"head\n")
    limit(6)
    file.add(b"one\n")
    with pytest.raises(OSError, match=r"space|large"):
        file.close()
    assert (tmp_path / "log").read_bytes() == b"head\n"


def test_a_full_disk_leaves_the_log_of_before(tmp_path: Path, limit: Limit) -> None:
    first = CsvWriter(tmp_path, 0)
    for step in (1, 2, 3):
        first.write(step, {"loss": 1.0, "stage": "masked"})
    first.close()
    before = (tmp_path / "log.csv").read_text("utf-8").splitlines()
    limit((tmp_path / "log.csv").stat().st_size)
    second = CsvWriter(tmp_path, 2)
    assert (tmp_path / "log.csv").read_text("utf-8").splitlines() == before[:3]
    for step in (3, 4):
        second.write(step, {"loss": 1.0, "stage": "masked"})
    limit(resource.RLIM_INFINITY)
    second.close()
    rows = (tmp_path / "log.csv").read_text("utf-8").splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "1", "2", "3", "4"]
