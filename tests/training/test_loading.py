"""Loader processes that fail end a run with a reason, and never leave it waiting."""

from __future__ import annotations

import os
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from internvid.core.errors import InternvidError, StorageError, TrainingStoppedError
from internvid.training.data.clip_sources import ArraySource
from internvid.training.data.loader import Batch, LoaderRecipe, batches
from internvid.training.data.samples import ClipTable, FrameChoice, FramesArray
from internvid.training.loop import train
from tests.hostile import THIRD, hostile, marks
from tests.training.tiny import recipe, source


@dataclass(frozen=True)
class Troubled:
    """A source whose reading makes trouble for the process that reads."""

    inner: ArraySource
    trouble: str

    def table(self) -> ClipTable:
        return self.inner.table()

    def read(self, clip: int, choose: FrameChoice) -> FramesArray:
        if self.trouble == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.trouble == "refused":
            raise StorageError("the cache is gone", hint="make it anew")
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        return self.inner.read(clip, choose)


class Blank:
    """A reader that reads nothing."""

    def __getitem__(self, step: int) -> Batch:
        return Batch(step, 0, torch.zeros(1), None, torch.zeros(1))


@pytest.mark.parametrize(
    ("trouble", "kind", "words"),
    [
        ("killed", TrainingStoppedError, "a loader process ended"),
        ("limited", TrainingStoppedError, "cannot hand its batch over"),
        ("refused", StorageError, "the cache is gone"),
    ],
)
def test_trouble_in_a_loader_process_is_told(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    trouble: str,
    kind: type[InternvidError],
    words: str,
) -> None:
    with pytest.raises(kind, match=words) as found:
        train(recipe("data.loader.workers=1"), Troubled(source(), trouble), tmp_path)
    assert found.value.hint
    assert "Traceback" not in capfd.readouterr().err


def test_a_loader_process_runs_nothing_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What this process has not had yet it would take from there itself, as a notebook does.
    folder = hostile(tmp_path / "desk", *((sys.stdlib_module_names | THIRD) - set(sys.modules)))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    (batch,) = batches(cast("Any", Blank()), cast("Any", [0]), LoaderRecipe(1))
    assert batch.step == 0
    assert marks(folder) == ""
    assert sys.path[0] == ""
    assert "PYTHONSAFEPATH" not in os.environ
