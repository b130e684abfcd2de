"""A run learns, goes on exactly, in any number of processes, and stops for good reasons."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from internvid.core.errors import (
    ConfigInvalidError,
    MisuseError,
    OutputExistsError,
    StorageError,
    TrainingStoppedError,
)
from internvid.models.viclip.model import ViCLIP
from internvid.training.data.clip_sources import ArraySource
from internvid.training.kinds import two_towers
from internvid.training.loop import TrainSummary, train
from internvid.training.run import run_checkpoint as checkpoints
from internvid.training.run.log import LogLine
from internvid.training.run.skipped_log import SkippedLog
from tests.training.tiny import Leaky, curve, losses, recipe, source, weights, without_drop_path
from tests.training.together import needs_fsdp, run_together

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(recipe(), source(), folder)
    return folder


def assert_same(folder: Path, other: Path) -> None:
    columns = ("step", "stage", "loss", "learning_rate", "gradient_norm", "temperature")
    assert curve(folder, *columns) == curve(other, *columns)
    mine, theirs = weights(folder), weights(other)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_a_run_learns_and_leaves_a_model(tmp_path: Path) -> None:
    lines: list[LogLine] = []
    longer = recipe("stages.masked.steps=60", "start.temperature=0.07", "loop.log_steps=10")
    summary = train(longer, source(), tmp_path / "run", progress=lines.append)
    assert isinstance(summary, TrainSummary)
    assert summary.step == summary.total == 64
    assert lines[0].loss > 1.8  # ln 8 is chance
    assert lines[-1].loss < 0.75 * lines[0].loss
    assert [line.step for line in lines] == [10, 20, 30, 40, 50, 60, 64]
    assert all(0 < line.mfu < 1 and 0 <= line.data_wait_share <= 1 for line in lines)
    model = ViCLIP.from_pretrained(tmp_path / "run" / "model")
    red, blue = (
        np.full((2, 16, 16, 3), colour, np.uint8) for colour in ((220, 20, 20), (20, 20, 220))
    )
    scores = model.similarity([red, blue], ["a red picture", "a blue picture"])
    assert scores[0, 0] > scores[0, 1]
    assert scores[1, 1] > scores[1, 0]


@pytest.mark.parametrize("loader", [("1", "processes"), ("3", "threads")])
def test_workers_change_nothing(whole: Path, tmp_path: Path, loader: tuple[str, str]) -> None:
    count, kind = loader
    made = recipe(f"data.loader.workers={count}", f"data.loader.kind={kind}")
    train(made, source(), tmp_path / "run")
    assert_same(tmp_path / "run", whole)


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from internvid.training.run.skipped_log import SkippedLog
from internvid.training.loop import train
from tests.training.tiny import recipe, source

def progress(line):
    if line.step == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    torch.set_num_threads(1)
    train(recipe(*sys.argv[3:]), source(), Path(sys.argv[1]), progress=progress)
"""


@pytest.mark.parametrize(("step", "workers"), [(5, 0), (8, 1)])
def test_a_killed_run_ends_as_if_nothing_had_happened(
    whole: Path, tmp_path: Path, step: int, workers: int
) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    done = subprocess.run(
        [
            sys.executable,
            str(script),
            str(tmp_path / "run"),
            str(step),
            f"data.loader.workers={workers}",
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert len(curve(tmp_path / "run")) == step
    summary = train(recipe(), source(), tmp_path / "run")
    assert summary.step == 10
    assert_same(tmp_path / "run", whole)


def test_a_finished_run_has_nothing_left_to_do(whole: Path) -> None:
    before = weights(whole)
    summary = train(recipe(), source(), whole)
    assert summary.model == whole / "model"
    assert summary.loss is None
    assert all(torch.equal(value, before[name]) for name, value in weights(whole).items())


def test_a_run_can_be_told_to_end_early_and_go_on(whole: Path, tmp_path: Path) -> None:
    early = train(recipe("loop.steps=4"), source(), tmp_path / "run")
    assert (early.step, early.total, early.model) == (4, 10, None)
    train(recipe(), source(), tmp_path / "run")
    assert_same(tmp_path / "run", whole)


def _together(folder: Path, assignments: list[str]) -> None:
    torch.set_num_threads(1)
    train(without_drop_path(recipe(*assignments)), source(), folder)


@pytest.mark.parametrize("sharding", ["ddp", pytest.param("fsdp", marks=needs_fsdp)])
def test_two_processes_make_the_model_of_one(tmp_path: Path, sharding: str) -> None:
    plain = without_drop_path(recipe("stages.masked.peak_lr=1e-4", "stages.unmasked.peak_lr=1e-4"))
    train(plain, source(), tmp_path / "one")
    # The first half alone, the rest in two processes, parts with cached gradients in one stage.
    bf16 = replace(plain, loop=replace(plain.loop, steps=3))
    train(bf16, source(), tmp_path / "two")
    values = ["stages.masked.peak_lr=1e-4", "stages.unmasked.peak_lr=1e-4",
              f"loop.sharding={sharding}", "stages.unmasked.micro_batch=2"]  # fmt: skip
    run_together(_together, tmp_path / "two", values)
    one, two = (np.array(losses(tmp_path / name)) for name in ("one", "two"))
    np.testing.assert_allclose(two, one, rtol=1e-4)
    mine, theirs = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name, value in mine.items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-3, atol=2e-5)


def test_parts_with_cached_gradients_make_the_same_steps(tmp_path: Path) -> None:
    for name, size in (("whole", 0), ("parts", 3)):
        made = without_drop_path(
            recipe(f"stages.masked.micro_batch={size}", "stages.masked.peak_lr=1e-4")
        )
        train(made, source(), tmp_path / name)
    np.testing.assert_allclose(losses(tmp_path / "parts")[:6], losses(tmp_path / "whole")[:6], 1e-4)


def test_a_frozen_text_tower_is_read_from_its_cache(tmp_path: Path) -> None:
    made = recipe("start.freeze_text=true")
    train(made, source(), tmp_path / "run")
    model = ViCLIP.from_pretrained(tmp_path / "run" / "model")
    (path,) = (tmp_path / "run" / "cache").glob("texts-*.f32")
    stored = np.fromfile(path, dtype=np.float32).reshape(-1, model.config.embedding)
    captions = [text.lower() for text in source().captions if text]
    torch.testing.assert_close(
        torch.from_numpy(stored), model.encode_text(captions, normalize=False)
    )
    again = train(made, source(), tmp_path / "run")
    assert again.loss is None


def test_bfloat16_and_recomputed_blocks_run(tmp_path: Path) -> None:
    values = ("loop.dtype=bfloat16", "model.config.checkpointed_blocks=1", "loop.steps=2")
    train(recipe(*values), source(), tmp_path / "run")
    assert all(np.isfinite(losses(tmp_path / "run")))


def test_unreadable_clips_leave_their_place_empty(tmp_path: Path) -> None:
    leaky = Leaky(source(), frozenset({3, 11}))
    summary = train(recipe("data.skip_share=0.5"), leaky, tmp_path / "run")
    rows = [
        json.loads(line) for line in (tmp_path / "run" / "skipped-0.jsonl").read_text().splitlines()
    ]
    assert summary.skipped == len(rows) > 0
    assert {row["clip_id"] for row in rows} <= {"clip-3", "clip-11"}
    assert {row["reason"] for row in rows} == {"gone"}


def test_clips_none_of_which_can_be_read_stop_the_run(tmp_path: Path) -> None:
    leaky = Leaky(source(), frozenset(range(48)))
    few = recipe("stages.masked.batch=4", "loop.log_steps=1", "data.skip_share=1.0")
    with pytest.raises(TrainingStoppedError, match="not one of the 4 clips shown could be read"):
        train(few, leaky, tmp_path / "run")


def test_too_many_unreadable_clips_stop_the_run(tmp_path: Path) -> None:
    leaky = Leaky(source(), frozenset(range(40)))
    with pytest.raises(TrainingStoppedError, match="could not be read"):
        train(recipe(), leaky, tmp_path / "run")


def test_a_loss_that_is_no_number_stops_with_the_clips(tmp_path: Path) -> None:
    wild = recipe("stages.masked.peak_lr=1e30", "loop.checkpoint_steps=1")
    with pytest.raises(TrainingStoppedError, match="the loss of step 2 is nan"):
        train(wild, source(), tmp_path / "run")
    (bad,) = json.loads((tmp_path / "run" / "bad-loss-0.json").read_text())
    assert bad["step"] == 2
    assert len(bad["clips"]) == 8
    names = [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()]
    assert names == ["step-000000001"]


@contextmanager
def no_room() -> Iterator[None]:
    """Files cannot grow beyond a page: what a full disk is to a writer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("full", ["save_model", "save_tensors"])
def test_a_full_disk_leaves_the_last_checkpoint(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    module = two_towers if full == "save_model" else checkpoints
    real, written = getattr(module, full), []

    def write(*arguments: Any) -> None:
        written.append(arguments)
        with no_room() if len(written) > 1 else nullcontext():
            real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, full, write)
        with pytest.raises(StorageError, match="step-000000006: file too large") as told:
            train(recipe(), source(), tmp_path / "run")
    assert "it goes on where it stopped" in str(told.value.hint)
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == [
        "step-000000003"
    ]
    train(recipe(), source(), tmp_path / "run")
    assert_same(tmp_path / "run", whole)


def test_a_full_disk_under_the_log_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: SkippedLog, *_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(SkippedLog, "note", full)
    with pytest.raises(StorageError, match="run: no space left"):
        train(recipe(), source(), tmp_path / "run")


def test_old_checkpoints_go_and_the_best_stays(tmp_path: Path) -> None:
    values = iter([0.2, 0.9, 0.5, 0.4])
    made = recipe("loop.validate_steps=3", "loop.checkpoint_steps=0", "loop.keep=1")
    summary = train(
        made, source(), tmp_path / "run", validate=lambda _: {"r1": next(values), "other": 1.0}
    )
    assert summary.validation == {"r1": 0.4, "other": 1.0}
    folder = tmp_path / "run" / "checkpoints"
    assert json.loads((folder / "best.json").read_text())["checkpoint"] == "step-000000006"
    kept = sorted(path.name for path in folder.glob("step-*"))
    assert kept == ["step-000000006", "step-000000010"]


def test_another_run_in_the_folder_is_refused(whole: Path) -> None:
    with pytest.raises(
        ConfigInvalidError, match=r"differs in: stages\.masked\.peak_lr \(0.003 there"
    ):
        train(recipe("stages.masked.peak_lr=0.1"), source(), whole)
    with pytest.raises(ConfigInvalidError, match="48 other clips or captions; these are 40"):
        train(recipe(), source(40), whole)
    # Settings may change.
    train(recipe("loop.log_steps=2", "data.loader.workers=1"), source(), whole)


def test_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(OutputExistsError, match=r"not a training run \(it holds 'letter.txt'\)"):
        train(recipe(), source(), tmp_path)


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    def again(_: LogLine) -> None:
        with pytest.raises(MisuseError, match="another process is training"):
            train(recipe(), source(), tmp_path / "run")

    train(recipe("loop.steps=1"), source(), tmp_path / "run", progress=again)


def test_data_that_cannot_be_trained_on_is_refused_first(tmp_path: Path) -> None:
    clips = source(4).clips
    for captions in ([None] * 4, ["", None, "word", "two words"]):
        with pytest.raises(
            MisuseError, match=r"[01] of 4 clips have a caption of at least 2 words"
        ):
            train(recipe(), ArraySource(clips, captions), tmp_path / "run")
    with pytest.raises(ConfigInvalidError, match="batch of 8 cannot be drawn from 4 clips"):
        train(recipe(), source(4), tmp_path / "run")
    assert not (tmp_path / "run").exists()
