"""A folder as the manual's examples find it: videos/, film.mp4 and data/, built of the videos."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import internvid
from internvid.synthetic.world import render_world


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stocked")
    world = render_world(folder / "videos", seed=1, videos=1, seconds=8, copies=False)
    (folder / "videos" / "truth.json").unlink()
    shutil.copyfile(folder / "videos" / world.videos[0].name, folder / "film.mp4")
    internvid.build([str(folder / "videos")], folder / "data", internvid.recipes.default())
    return folder


@pytest.fixture
def desk(stocked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of it, as the current folder, from which modules can be imported."""
    folder = tmp_path / "desk"
    shutil.copytree(stocked, folder)
    (folder / "labels.txt").write_text("playing guitar\nArchery\nPlay the guitar\nnude\n")
    (folder / "other.txt").write_text("play guitar\nboxing\n")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for path in folder.glob("*.py"):
        sys.modules.pop(path.stem, None)
