"""A worker that dies, hangs or fails costs its own item and nothing else."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from multiprocessing import Pipe
from typing import Any

import pytest

from internvid.core.errors import StorageError, VideoUnreadableError
from internvid.run import worker
from internvid.run.executor import LocalExecutor, local_executor, run_here
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


def test_items_are_taken_when_a_worker_is_free_and_not_kept() -> None:
    taken: list[str] = []

    def items() -> Iterator[str]:
        for number in range(40):
            taken.append("crash" if number == 3 else f"item {number}")
            yield taken[-1]

    results = {}
    for done, result in enumerate(LocalExecutor(workers=2).map(behave, items()), 1):
        # Two are under way, and the items of results are not taken again.
        assert len(taken) <= done + 2
        results[result.index] = result
    assert sorted(results) == list(range(40))
    assert results[3].failure is not None
    assert all(results[at].value == f"ITEM {at}" for at in range(40) if at != 3)
    assert len(taken) == 40
    assert list(LocalExecutor(workers=2).map(behave, iter(()))) == []


def test_trouble_with_making_an_item_ends_the_workers() -> None:
    def items() -> Iterator[str]:
        yield "a"
        raise StorageError("the list cannot be read", hint="copy it")

    executor = LocalExecutor(workers=2)
    with pytest.raises(StorageError, match="the list"):
        list(executor.map(behave, items()))
    assert executor._pool == []


def test_one_worker_a_core_unless_a_number_is_given() -> None:
    assert local_executor().workers == local_executor(0).workers == os.cpu_count()
    assert local_executor(3, crash_tries=1) == LocalExecutor(3, crash_tries=1)
