"""A server's desk over filtered clips."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import internvid
from internvid.browse.server.desk import Desk


@pytest.fixture
def desk(filtered: Path, tmp_path: Path) -> Iterator[Desk]:
    root = tmp_path / "data"
    shutil.copytree(filtered, root)
    made = Desk(internvid.open(root), tmp_path, "tester")
    made.table.build()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_desk(filtered: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One on which nothing is recorded."""
    made = Desk(internvid.open(filtered), tmp_path_factory.mktemp("shared"), "tester")
    made.table.build()
    yield made
    made.close()
