"""Seconds and counts go to the run that they belong to, and to no other."""

from __future__ import annotations

import pickle
import threading

from internvid.core.system.streams import prepared
from internvid.core.timings import Timings, carry_over, collecting, count, stage


def test_nested_collections_both_count() -> None:
    with collecting() as outer:
        count("frames", 2)
        with collecting() as inner, stage("model"):
            count("frames")
    count("frames", 100)
    assert (outer.counts["frames"], inner.counts["frames"]) == (3, 1)
    assert outer.seconds["model"] == inner.seconds["model"] > 0


def test_threads_report_to_the_run_they_work_for() -> None:
    def work(item: int) -> int:
        count("items")
        return item

    with collecting() as timings:
        assert [made for _, made in prepared(range(20), work, threads=3)] == list(range(20))
    assert timings.counts["items"] == 20


def test_runs_in_two_threads_do_not_mix() -> None:
    sums: dict[int, int] = {}
    barrier = threading.Barrier(2)

    def run(number: int) -> None:
        with collecting() as timings:
            barrier.wait()
            for _ in range(number):
                count("items")
            barrier.wait()
            sums[number] = timings.counts["items"]

    threads = [threading.Thread(target=run, args=(number,)) for number in (3, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == {3: 3, 50: 50}


def test_sums_travel_between_processes() -> None:
    with collecting() as theirs:
        count("frames", 4)
    copy: Timings = pickle.loads(pickle.dumps(theirs))
    with collecting() as ours:
        carry_over(copy)
        carry_over(copy)
    assert ours.counts == {"frames": 8}
