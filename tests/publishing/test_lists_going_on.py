"""An export with lists that is killed while they are written ends the same to the byte."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import internvid
from internvid.core.contracts import Exporter
from internvid.dataset.store import Dataset
from internvid.publishing.exporters.captions_json import CaptionsJsonExporter
from internvid.publishing.exporters.chat_lists import ChatExporter
from internvid.publishing.exporters.open_sora import OpenSoraExporter
from internvid.publishing.publish import publish
from internvid.video.cutting.cut_plan import CutPlan
from tests.dying import die_before
from tests.trees import digest_tree

CUT = CutPlan(fps=8, maximum_frames=9, size="48", sound="none")
EXPORTERS = [CaptionsJsonExporter(cut=CUT), OpenSoraExporter(cut=CUT), ChatExporter(cut=CUT)]
# Changes of the folder from the last clip on: lists, notes on them, the manifest, the clean-up.
LAST_STEPS = 10


@pytest.fixture(scope="module")
def two(dataset: Dataset) -> str:
    """A subset of two clips."""
    internvid.select(dataset, "random", "two-for-lists", 2, seed=4)
    return "two-for-lists"


def changes_until(
    step: int, dataset: Dataset, folder: Path, exporter: Exporter, subset: str
) -> int | None:
    """How many changes an export in its own process makes; None where it died at `step`."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        taken = die_before(step)
        try:
            # A connection of the parent is of no use here.
            publish(internvid.open(dataset.root), folder, exporter, subset)
            os.write(write, str(taken()).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    counted = os.read(read, 100).decode()
    os.close(read)
    return int(counted) if counted else None


@pytest.mark.parametrize("exporter", EXPORTERS, ids=["captions-json", "open-sora", "chat"])
def test_killed_while_lists_are_written(
    dataset: Dataset, two: str, tmp_path: Path, exporter: Exporter
) -> None:
    total = changes_until(0, dataset, tmp_path / "whole", exporter, two)
    assert total is not None
    assert total > LAST_STEPS
    whole = digest_tree(tmp_path / "whole")
    killed = 0
    for step in range(total - LAST_STEPS + 1, total + 1, 2):
        folder = tmp_path / "parts"
        shutil.rmtree(folder, ignore_errors=True)
        killed += changes_until(step, dataset, folder, exporter, two) is None
        if not (folder / "manifest.json").is_file():
            publish(dataset, folder, exporter, two)
        finished = digest_tree(folder)
        assert {name: finished[name] for name in whole} == whole, step
    assert killed == LAST_STEPS // 2
