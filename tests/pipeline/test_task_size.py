"""A task holds one source, however many parts the dataset has; what is known is not decoded."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from internvid.dataset.layout import Layout
from internvid.dataset.store import open_dataset
from internvid.pipeline import scanning
from internvid.pipeline.build import build
from internvid.pipeline.recipe import CutRecipe, Recipe
from internvid.pipeline.scanning import ScanTask
from internvid.run.executor import Result, run_here
from internvid.scan.scan import ScanRecipe
from internvid.shots.content import ContentDetector
from tests.media import write_video
from tests.pipeline.answers import small_recipe
from tests.trees import digest_tree


class Noting:
    """Does tasks in this process and keeps those of scans as they would be sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def map(
        self, function: Callable[..., Any], items: Iterable[Any], progress: Any = None
    ) -> Iterator[Result]:
        del progress
        return run_here(function, (self._noted(item) for item in items))

    def _noted(self, item: Any) -> Any:
        if isinstance(item, ScanTask):
            self.sent.append(pickle.dumps(item))
        return item


@pytest.fixture
def recipe() -> Recipe:
    cut = CutRecipe(detector=ContentDetector(), signals=("audio",), filters=())
    return small_recipe(Recipe("test", cut, ScanRecipe(observers=("content", "luma"))))


def test_a_task_does_not_grow_with_the_parts_and_known_bytes_are_not_decoded(
    recipe: Recipe, data: Path, stock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = tmp_path / "added"
    write_video(added / "new.mp4", seed=90)
    for number in range(3):
        shutil.copy(stock.parent / "videos" / f"v{number}.mp4", added / f"copy{number}.mp4")
    shutil.copytree(data, tmp_path / "plain")
    build([str(added)], tmp_path / "plain", recipe, workers=2)
    noting, decoded, real = Noting(), [], scanning._scan

    def scan(task: ScanTask, *rest: Any) -> Any:
        decoded.append(task.uri)
        return real(task, *rest)

    monkeypatch.setattr(scanning, "_scan", scan)
    build([str(added)], data, recipe, executor=noting)
    assert [Path(uri).name for uri in decoded] == ["new.mp4"]
    known = {pickle.loads(sent).known for sent in noting.sent}
    (path,) = known
    assert path.parent == data
    assert not path.exists()
    here = max(map(len, noting.sent))
    assert digest_tree(data) == digest_tree(tmp_path / "plain")
    # So many more parts.
    more = tmp_path / "more"
    for number in range(8):
        write_video(more / f"m{number}.mp4", seed=100 + number)
    build([str(more)], data, recipe, executor=noting)
    assert len(Layout(data).read_record().parts) == 9
    noting.sent.clear()
    write_video(added / "one.mp4", seed=200)
    build([str(added)], data, recipe, executor=noting)
    assert len(noting.sent) == 1
    assert len(noting.sent[0]) <= here < 2000
    assert open_dataset(data).videos().num_rows == 18
