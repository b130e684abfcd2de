"""A worker that dies, hangs or fails costs its own item and nothing else."""

from __future__ import annotations

import pickle
from multiprocessing import Pipe
from typing import Any

import pytest

from internvid.core.errors import StorageError, VideoUnreadableError
from internvid.run import worker
from internvid.run.executor import LocalExecutor, run_here
from tests.run.work import behave


def test_every_item_comes_back_once_with_its_own_outcome() -> None:
    items = ["a", "exit", "crash", "b", "typed", "bug", "c"]
    executor = LocalExecutor(workers=2)
    results = {result.index: result for result in executor.map(behave, items)}
    assert sorted(results) == list(range(len(items)))
    reasons = {
        items[at]: result.failure and result.failure.reason for at, result in results.items()
    }
    assert reasons == {
        "a": None, "b": None, "c": None,
        "exit": "crashed", "crash": "crashed", "typed": "no_frames", "bug": "bug",
    }  # fmt: skip
    assert results[0].value == "A"
    assert "SIGSEGV" in results[2].failure.message
    assert "KeyError" in results[5].failure.details


def test_a_spinning_and_a_sleeping_worker_are_killed() -> None:
    executor = LocalExecutor(workers=3, hang_cpu_seconds=1.0, hang_wall_seconds=3.0)
    results = {item.index: item for item in executor.map(behave, ["spin", "sleep", "a"])}
    assert results[0].failure.reason == "hung"
    assert results[1].failure.reason == "hung"
    assert results[2].value == "A"


def test_a_full_disk_stops_the_run_with_its_hint() -> None:
    with pytest.raises(StorageError) as caught:
        list(LocalExecutor(workers=2).map(behave, ["a", "disk", *"bcdefgh"]))
    assert caught.value.hint == "free some"


def test_progress_reaches_the_caller() -> None:
    seen: list[tuple[int, float]] = []
    list(LocalExecutor().map(behave, ["a", "b"], lambda index, value: seen.append((index, value))))
    assert sorted(seen) == [(0, 1.0), (1, 1.0)]


def test_the_same_contract_in_this_process() -> None:
    results = list(run_here(behave, ["a", "typed"]))
    assert results[0].value == "A"
    assert results[1].failure.reason == "no_frames"


def _read(path: str, report: Any) -> str:
    # As a scan does: what the operating system refuses is the fault of the file.
    try:
        report(0.5)
    except OSError as error:
        raise VideoUnreadableError(f"reading failed: {type(error).__name__}") from error
    return path


def test_a_worker_whose_caller_was_killed_blames_no_source() -> None:
    mine, of_the_caller = Pipe()
    of_the_caller.close()
    with pytest.raises(SystemExit):
        worker._outcome(pickle.dumps((_read, "film.mp4")), mine)
