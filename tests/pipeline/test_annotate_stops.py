"""The annotate pass, stopped: what was paid for is kept, and the bytes are the same."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import internvid
from internvid.core.errors import BudgetSpentError, InternvidError, StorageError
from internvid.dataset import parts as storing
from internvid.pipeline.annotate import column_run as annotating_run
from internvid.pipeline.annotate.annotate import annotate
from internvid.pipeline.status import read_status
from tests.pipeline.annotators import (
    DeadlyCaptioner,
    Narrator,
    SilentCaptioner,
    Wrong,
)
from tests.pipeline.answers import (
    asked,
    kept,
)
from tests.trees import digest_tree


def test_a_spent_budget_keeps_what_was_paid_for_and_a_rerun_goes_on(
    data: Path, tmp_path: Path
) -> None:
    shutil.copytree(data, tmp_path / "whole")
    annotate(tmp_path / "whole", Narrator(), "told")
    log = tmp_path / "log"
    for _ in range(2):
        with pytest.raises(BudgetSpentError, match=r"used up; 11 of \d+ clips were answered"):
            annotate(data, Narrator(budget=11, log=str(log)), "told")
    (column,) = read_status(data)["columns"]
    assert column["ok"] + column["staged"] == 22
    annotate(data, Narrator(log=str(log)), "told")
    assert sorted(asked(log)) == sorted(kept(data)), "nothing was paid for twice"
    assert digest_tree(data) == digest_tree(tmp_path / "whole")


_RUN = (
    "import sys; from internvid.pipeline.annotate.annotate import annotate; "
    "from tests.pipeline.annotators import Narrator; "
    "from internvid.pipeline.annotate import column_run as run; "
    "run.STAGE_ANSWERS = int(sys.argv[3]); run.STAGE_SECONDS = 0.1; "
    "annotate(sys.argv[1], Narrator(order=int(sys.argv[2]), seconds=0.01, fails=0.1), 'told')"
)


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment_it_ends_in_the_same_bytes(
    seed: int, data: Path, tmp_path: Path
) -> None:
    shutil.copytree(data, tmp_path / "whole")
    annotate(tmp_path / "whole", Narrator(fails=0.1), "told")
    draw = random.Random(seed)
    for _ in range(3):
        command = [sys.executable, "-c", _RUN, str(data), str(draw.randrange(99)), "4"]
        process = subprocess.Popen(command)
        deadline = time.monotonic() + draw.uniform(0.5, 1.6)
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        process.kill()
        process.wait()
    annotate(data, Narrator(fails=0.1, order=seed), "told")
    assert digest_tree(data) == digest_tree(tmp_path / "whole")


def test_killed_between_the_parts_it_seals_it_adds_nothing_twice(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(data, tmp_path / "whole")
    annotate(tmp_path / "whole", Narrator(), "told")
    for moment in range(1, 9):
        calls = {"left": moment}

        def dying(path: Path, calls: dict[str, int] = calls) -> None:
            calls["left"] -= 1
            if calls["left"] <= 0:
                raise KeyboardInterrupt
            storing.discard(path)

        with monkeypatch.context() as patch:
            patch.setattr(annotating_run, "discard", dying)
            patch.setattr(annotating_run, "STAGE_ANSWERS", 2)
            try:
                annotate(data, Narrator(), "told")
            except KeyboardInterrupt:
                continue
            break
    annotate(data, Narrator(), "told")
    assert digest_tree(data) == digest_tree(tmp_path / "whole")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("foreign", "which was not asked"),
        ("twice", "two answers came"),
        ("crash", "fell over"),
        ("row", "not an Annotation"),
        ("status", "has the status 'fine'"),
    ],
)
def test_a_faulty_component_stops_the_run_and_what_it_said_before_is_kept(
    harm: str, words: str, data: Path
) -> None:
    with pytest.raises((InternvidError, RuntimeError), match=words):
        annotate(data, Wrong(harm), "wrong")
    assert len(list(data.glob("staged/columns/*/wrong@*/part-00000/*.parquet"))) == 1


def test_what_is_staged_alone_is_already_told(data: Path) -> None:
    with pytest.raises(BudgetSpentError):
        annotate(data, Narrator(budget=2), "told")
    (column,) = read_status(data)["columns"]
    assert (column["ok"], column["staged"]) == (0, 2)
    assert internvid.open(data).clips().num_rows == column["pending"]


def test_a_component_that_kills_its_process_kills_no_other(data: Path) -> None:
    with pytest.raises(InternvidError, match="SIGKILL"):
        annotate(data, DeadlyCaptioner(), "deadly", workers=1)
    annotate(data, SilentCaptioner(), "silent", workers=1)


def test_a_full_disk_stops_with_a_hint_and_a_rerun_goes_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(data, tmp_path / "whole")
    annotate(tmp_path / "whole", Narrator(), "told")

    def full(path: Path, *_: Any, **__: Any) -> None:
        raise StorageError(f"cannot write {path}: no space left", hint="free space")

    with monkeypatch.context() as patch:
        patch.setattr(annotating_run, "commit_table", full)
        with pytest.raises(StorageError, match="no space left"):
            annotate(data, Narrator(), "told")
    annotate(data, Narrator(), "told")
    assert digest_tree(data) == digest_tree(tmp_path / "whole")


def test_a_dead_slow_model_loses_nothing_to_a_kill(data: Path) -> None:
    code = _RUN.replace("seconds=0.01", "seconds=0.4").replace(
        "STAGE_SECONDS = 0.1", "STAGE_SECONDS = 0.2"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(data), "0", "999"])
    deadline = time.monotonic() + 30
    while not list(data.glob("staged/columns/*/*/*/*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert list(data.glob("staged/columns/*/*/*/*.parquet"))
