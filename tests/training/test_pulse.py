"""Processes share long work, and wait for one another as long as each is alive."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist

from internvid.core.errors import TrainingStoppedError
from internvid.models.viclip.model import ViCLIP
from internvid.models.viclip.text import TextTower
from internvid.models.viclip.tokenizer import Tokenizer
from internvid.training.data.text_cache import block_size, cache_texts
from internvid.training.data.vocabulary import learn_merges
from internvid.training.run import distributed as processes
from internvid.training.run.heartbeat import Pulse
from tests.training.tiny import CONFIG
from tests.training.together import run_together

CPU = torch.device("cpu")
CAPTIONS = [f"a caption with number {at}" for at in range(30)]
SECOND = timedelta(seconds=1)


# In one process: two pulses over one store


def both(first: Callable[[Pulse], None], second: Callable[[Pulse], None]) -> None:
    """Lets two processes meet, each a thread; raises what the first raises."""
    store = dist.HashStore()
    pulses = [Pulse(store, at, 2, SECOND) for at in range(2)]
    other = threading.Thread(target=second, args=(pulses[1],))
    other.start()
    try:
        first(pulses[0])
    finally:
        other.join()
        for pulse in pulses[::-1]:
            pulse.leave(None)


def test_waiting_outlasts_any_silence_of_the_living() -> None:
    order: list[str] = []

    def slow(pulse: Pulse) -> None:
        time.sleep(2.2)
        order.append("done")
        pulse.wait()

    def quick(pulse: Pulse) -> None:
        pulse.wait()
        order.append("met")

    both(quick, slow)
    assert order == ["done", "met"]


def test_work_is_shared_by_who_is_free() -> None:
    done: list[tuple[str, int]] = []

    def worker(name: str, nap: float) -> Callable[[Pulse], None]:
        def work(pulse: Pulse) -> None:
            pulse.wait()
            for number in pulse.shared(12):
                time.sleep(nap)
                done.append((name, number))
            pulse.wait()
            assert len(done) == 12
            # A second work has numbers of its own.
            assert len(list(pulse.shared(0))) == 0

        return work

    both(worker("slow", 0.06), worker("quick", 0.01))
    assert sorted(number for _, number in done) == list(range(12))
    assert 1 <= sum(name == "slow" for name, _ in done) < 6


def test_a_process_that_ends_is_not_waited_for() -> None:
    with pytest.raises(TrainingStoppedError, match="process 1 has ended: the disk is full"):
        both(lambda pulse: pulse.wait(), lambda pulse: pulse.leave("the disk is full"))


def test_silence_is_told() -> None:
    def falls_silent(pulse: Pulse) -> None:
        pulse._ended.set()  # no more signs, as after a kill

    with pytest.raises(TrainingStoppedError, match=r"process 1 has given no sign of life for \d"):
        both(lambda pulse: pulse.wait(), falls_silent)


# Captions


def tower() -> tuple[TextTower, Tokenizer]:
    tokenizer = Tokenizer(learn_merges(CAPTIONS, 20), CONFIG.context)
    torch.manual_seed(0)
    config = replace(CONFIG, vocabulary=tokenizer.vocabulary)
    return ViCLIP(config).eval().text_encoder, tokenizer


class Slow(TextTower):
    """Takes its time for each call, and writes down who called."""

    folder: Path
    nap: float
    killed_after = 0

    def forward(self, tokens_BL: torch.Tensor) -> torch.Tensor:
        time.sleep(self.nap)
        path = self.folder / f"calls-{processes.rank()}"
        with path.open("a") as file:
            file.write("x")
        if self.killed_after and len(path.read_text()) == self.killed_after:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(tokens_BL)


def slow_tower(folder: Path, nap: float) -> tuple[Slow, Tokenizer]:
    plain, tokenizer = tower()
    plain.__class__ = Slow
    assert isinstance(plain, Slow)
    plain.folder, plain.nap = folder, nap
    return plain, tokenizer


def calls(folder: Path) -> list[int]:
    paths = [folder / f"calls-{at}" for at in range(2)]
    return [len(path.read_text()) if path.is_file() else 0 for path in paths]


def test_what_is_embedded_is_kept_block_by_block(tmp_path: Path) -> None:
    text, tokenizer = slow_tower(tmp_path, 0.0)
    whole = cache_texts(text, tokenizer, CAPTIONS, tmp_path / "whole", CPU).vectors
    blocks = -(-len(CAPTIONS) // block_size(len(CAPTIONS)))
    assert calls(tmp_path) == [blocks, 0] == [4, 0]
    assert not list((tmp_path / "whole").glob("*.blocks"))

    class Stopped(Exception):
        pass

    def stop(*_: object) -> None:
        if calls(tmp_path)[0] == blocks + 3:
            raise Stopped

    hook = text.ln_final.register_forward_hook(stop)
    with pytest.raises(Stopped):
        cache_texts(text, tokenizer, CAPTIONS, tmp_path / "cut", CPU)
    hook.remove()
    assert len(list((tmp_path / "cut").glob("*.blocks/*.f32"))) == 2
    again = cache_texts(text, tokenizer, CAPTIONS, tmp_path / "cut", CPU).vectors
    assert calls(tmp_path)[0] == blocks + 3 + 2
    assert np.array_equal(again, whole)
    assert block_size(10_600_000) == 4096
    near = cache_texts(text, tokenizer, CAPTIONS, tmp_path / "cut", CPU, products="bfloat16")
    assert not np.array_equal(near.vectors, whole)
    np.testing.assert_allclose(near.vectors, whole, atol=0.05)


def _impatient() -> None:
    """Exchanges of tensors give up after two seconds, silence counts as an end after one."""
    processes._PATIENCE = timedelta(seconds=2)
    processes._SILENCE = SECOND


def _embed(folder: Path) -> None:
    text, tokenizer = slow_tower(folder, 1.5)
    cache_texts(text, tokenizer, CAPTIONS, folder / "cache", CPU)
    if processes.rank() == 0:
        time.sleep(3.0)  # as a validation does
    processes.wait_for_all()


@pytest.mark.slow
def test_two_processes_embed_together_and_wait_without_a_deadline(tmp_path: Path) -> None:
    run_together(_embed, tmp_path, before=_impatient)
    assert sum(calls(tmp_path)) == 4
    assert min(calls(tmp_path)) >= 1
    text, tokenizer = tower()
    alone = cache_texts(text, tokenizer, CAPTIONS, tmp_path / "alone", CPU)
    (path,) = (tmp_path / "cache").glob("texts-*.f32")
    assert path.read_bytes() == alone.vectors.tobytes()


def _embed_and_die(folder: Path) -> None:
    text, tokenizer = slow_tower(folder, 0.3)
    text.killed_after = 1 if processes.rank() else 0
    with pytest.raises(TrainingStoppedError, match="process 1 has given no sign of life"):
        cache_texts(text, tokenizer, CAPTIONS, folder / "cache", CPU)


@pytest.mark.slow
def test_a_killed_process_ends_the_wait_and_costs_its_own_block_alone(tmp_path: Path) -> None:
    run_together(_embed_and_die, tmp_path, before=_impatient, codes=(0, -signal.SIGKILL))
    before = calls(tmp_path)[0]
    text, tokenizer = slow_tower(tmp_path, 0.0)
    cache_texts(text, tokenizer, CAPTIONS, tmp_path / "cache", CPU)
    assert calls(tmp_path)[0] == before + 1
