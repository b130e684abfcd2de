"""Values that threads share."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from internvid.core.system.streams import cached_for_threads


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
