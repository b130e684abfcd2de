"""Models that fail on batches, and values that threads share."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from internvid.core.errors import InternvidError
from internvid.core.system.streams import cached_for_threads, run_batch


def test_one_of_many_threads_computes_a_value_and_the_last_are_kept() -> None:
    start, calls = threading.Barrier(4), list[int]()

    @cached_for_threads(2)
    def double(number: int) -> int:
        calls.append(number)
        return 2 * number

    def wanted(number: int) -> int:
        start.wait(10)
        return double(number)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(wanted, [3, 3, 3, 3])) == [6, 6, 6, 6]
    assert calls == [3]
    assert [double(number) for number in (4, 3, 5, 4)] == [8, 6, 10, 8]
    assert calls == [3, 4, 5, 4], "three was used after four, so that four was forgotten"
    assert double.__name__ == "double"


def halves(numbers: Sequence[int]) -> list[int]:
    """A model that fails on a batch with an odd number in it."""
    if any(number % 2 for number in numbers):
        raise RuntimeError("odd")
    return [number // 2 for number in numbers]


def test_a_batch_that_fails_is_tried_one_by_one() -> None:
    assert run_batch([], halves) == []
    assert run_batch([2, 4], halves) == [1, 2]
    assert run_batch([2, 3, 4], halves) == [1, None, 2]
    with pytest.raises(InternvidError, match="every clip it is given: RuntimeError: odd"):
        run_batch([1, 3], halves)


def test_answers_that_cannot_be_paired_are_no_answers() -> None:
    assert run_batch([2, 4], lambda some: halves(some)[:1]) == [1, 2]
    with pytest.raises(InternvidError, match="1 answers for 2 requests"):
        run_batch([2, 4], lambda some: halves(some)[:1] if len(some) > 1 else [])


def test_other_errors_are_not_the_models() -> None:
    def broken(some: Sequence[int]) -> list[int]:
        raise MemoryError(len(some))

    with pytest.raises(MemoryError):
        run_batch([2, 4], broken)
