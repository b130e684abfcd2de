"""Shared fixtures: a small rendered world, the folder of real videos, a recipe that is quick."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import internvid
from internvid.curate.filters import DEFAULT_FILTERS
from internvid.dataset.store import Dataset
from internvid.pipeline.recipe import CutRecipe, Recipe
from internvid.scan.scan import ScanRecipe
from internvid.shots.content import ContentDetector
from internvid.synthetic.fakes import EchoCaptioner
from internvid.synthetic.truth import World
from internvid.synthetic.world import render_world
from tests.listening import Listener
from tests.models.tiny import TinyModels


def pytest_configure() -> None:
    """A shell's background jobs ignore Ctrl-C, and so would the programs that tests interrupt."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two videos of about 10 seconds with copies, and their truth."""
    return render_world(tmp_path_factory.mktemp("world"), seed=11, videos=2, seconds=10)


@pytest.fixture(scope="session")
def world_videos(world: World) -> list[Path]:
    """The world's files, sorted."""
    return sorted(path for path in world.folder.iterdir() if path.suffix != ".json")


@pytest.fixture(scope="session")
def dataset(world_videos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """What `internvid build` makes of the world; for tests that only read, or add subsets."""
    root = tmp_path_factory.mktemp("built") / "data"
    internvid.build(world_videos, root, workers=2)
    return internvid.open(root)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A readable file that belongs to no dataset."""
    path = tmp_path / "secret.csv"
    path.write_text("a,b\n1,2\n")
    return path


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Hears whether anything connects to it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield Listener(server)


@pytest.fixture(scope="session")
def media() -> Path:
    """The folder of real videos, named by INTERNVID_MEDIA."""
    folder = os.environ.get("INTERNVID_MEDIA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("INTERNVID_MEDIA names no folder of real videos")
    return Path(folder)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    """Random models of the real classes: `tiny_models["blip2"]` is a folder that loads."""
    return TinyModels(tmp_path_factory.mktemp("models"))


@pytest.fixture
def recipe() -> Recipe:
    """A recipe of few parts, so that pipeline tests are about the pipeline."""
    return Recipe(
        name="test",
        scan=ScanRecipe(observers=("content", "luma")),
        cut=CutRecipe(ContentDetector(), signals=("audio",), filters=DEFAULT_FILTERS[:1]),
        captioners={"echo": EchoCaptioner()},
    )


@pytest.fixture(autouse=True)
def no_logged_error(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A logged error fails the test that let it happen."""
    yield
    errors = [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert not errors, [record.getMessage() for record in errors]
