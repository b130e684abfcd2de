"""A dataset on which filters have something to do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from internvid.cli.app import main
from internvid.dataset.store import Dataset


@pytest.fixture(scope="session")
def filtered(
    dataset: Dataset, world_videos: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Thirteen clips: seven kept, three too short of which one is pale too, three pale; captions
    in two columns.
    """
    root = tmp_path_factory.mktemp("filtered") / "data"
    shutil.copytree(dataset.root, root)
    limits = ("too_short.minimum=2", "pale.column=brightness", "pale.maximum=0.7")
    settings = [word for limit in limits for word in ("--set", f"cut.filters.{limit}")]
    assert main(["build", str(world_videos[0]), "-o", str(root), "--no-report", *settings]) == 0
    assert main(["caption", str(root), "--captioner", "echo"]) == 0
    return root
