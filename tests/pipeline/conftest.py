"""A dataset to annotate."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from internvid.dataset.layout import Layout
from internvid.pipeline.build import build
from internvid.pipeline.recipe import CutRecipe, Recipe
from internvid.scan.scan import ScanRecipe
from internvid.shots.content import ContentDetector
from tests.media import write_video
from tests.pipeline.answers import small_recipe


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of five videos in three parts, forty clips or so, without any column."""
    folder = tmp_path_factory.mktemp("stock")
    for number in range(5):
        path = folder / "videos" / f"v{number}.mp4"
        write_video(path, level=40 + 20 * number, frames=60 + 20 * number, seed=number)
    layout = Layout(folder / "data")
    record = layout.create()
    record.sources_per_part = 2
    layout.write_record(record)
    cut = CutRecipe(detector=ContentDetector(), signals=("audio",), filters=())
    recipe = Recipe("test", cut, ScanRecipe(observers=("content", "luma")))
    build([str(folder / "videos")], folder / "data", small_recipe(recipe), workers=2)
    return folder / "data"


@pytest.fixture
def data(stock: Path, tmp_path: Path) -> Path:
    shutil.copytree(stock, tmp_path / "data")
    return tmp_path / "data"
