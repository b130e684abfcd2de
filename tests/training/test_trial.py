"""Threads of a CPU are chosen by what a step gains from them, once for a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from internvid.training.loop import train
from internvid.training.plan import trial
from internvid.training.prepare import choose_samples, plan_stages
from tests.training.tiny import recipe, source

CPU = torch.device("cpu")


@pytest.fixture
def four_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Torch has four, and runs are worth a trial."""
    monkeypatch.setattr(trial, "_LEAST_RUN_SECONDS", 0.0)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def pretend(monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float]) -> list[int]:
    """Steps take so long with so many threads; which numbers were tried."""
    tried: list[int] = []

    def measure(_: trial.TrialStep) -> float:
        tried.append(torch.get_num_threads())
        return seconds[tried[-1]]

    monkeypatch.setattr(trial.TrialStep, "seconds", measure)
    return tried


@pytest.mark.parametrize(
    ("seconds", "chosen", "looked_at"),
    [
        ({1: 1.0, 2: 0.97}, 1, [1, 2]),
        ({1: 1.0, 2: 0.55, 4: 0.5}, 2, [1, 2, 4]),
        ({1: 1.0, 2: 0.55, 4: 0.3}, 4, [1, 2, 4]),
    ],
)
def test_more_threads_are_taken_where_they_pay(
    monkeypatch: pytest.MonkeyPatch,
    four_threads: None,
    seconds: dict[int, float],
    chosen: int,
    looked_at: list[int],
) -> None:
    tried = pretend(monkeypatch, seconds)
    made = recipe()
    planned = plan_stages(made, choose_samples(made, source()))
    assert trial.choose_threads(made, planned, CPU) == chosen
    assert tried == looked_at
    assert torch.get_num_threads() == 4
    assert trial.choose_threads(recipe("loop.threads=3"), planned, CPU) == 3
    assert trial.choose_threads(made, planned, torch.device("meta")) == 0


def test_a_real_trial_changes_no_random_numbers(four_threads: None) -> None:
    made = recipe()
    planned = plan_stages(made, choose_samples(made, source()))
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    assert trial.choose_threads(made, planned, CPU) in (1, 2, 4)
    assert torch.equal(torch.rand(3), expected)


def test_a_run_keeps_its_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, four_threads: None
) -> None:
    pretend(monkeypatch, {1: 1.0, 2: 0.5, 4: 0.5})
    used: list[int] = []
    heard: list[str] = []
    first = train(recipe("loop.steps=4"), source(), tmp_path, notice=heard.append)
    assert first.threads == 2
    assert heard == ["2 threads, by a trial step (loop.threads)"]
    assert json.loads((tmp_path / "chosen.json").read_text())["threads"] == 2
    # Measured otherwise now, but the bits depend on the number.
    pretend(monkeypatch, {1: 1.0, 2: 1.0})
    second = train(
        recipe(), source(), tmp_path, progress=lambda _: used.append(torch.get_num_threads())
    )
    assert second.threads == 2
    assert set(used) == {2}
    assert torch.get_num_threads() == 4
