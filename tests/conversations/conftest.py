"""Datasets of conversations: a library of topics, and the rendered world with its signals."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import internvid
from internvid.dataset.store import Dataset
from internvid.pipeline.annotate.annotate import annotate
from tests.conversations.library import Transcriber, build_library, write_library


@pytest.fixture(scope="session")
def library_videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_library(tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="session")
def library(library_videos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Six videos of three topics, for tests that only read, or add subsets."""
    return build_library(tmp_path_factory.mktemp("built") / "data", library_videos)


@pytest.fixture(scope="session")
def filmed(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The world with its signals and measured captions, and words in some clips."""
    root = tmp_path_factory.mktemp("filmed") / "data"
    shutil.copytree(dataset.root, root, ignore=shutil.ignore_patterns("exports"))
    annotate(root, Transcriber(), "transcript", workers=1)
    return internvid.open(root)


@pytest.fixture
def own(library: Dataset, tmp_path: Path) -> Dataset:
    """A copy of the library, to change."""
    shutil.copytree(library.root, tmp_path / "own", ignore=shutil.ignore_patterns("exports"))
    return internvid.open(tmp_path / "own")
