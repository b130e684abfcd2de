"""Where the time goes: stages and counts of one run, reported by whoever does the work.

Components and loaders write `with stage("model"):` and `count("tokens", n)` around their work;
plans, progress and benchmarks read the sums. Threads add to the same timings.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Timings:
    """Sums of one run.

    Attributes:
        seconds: stage -> wall seconds spent in it, over all threads.
        counts: name -> how many (frames, tokens, requests, ...).
    """

    seconds: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)


_timings: list[Timings] = []
_lock = threading.Lock()


@contextmanager
def collecting() -> Iterator[Timings]:
    """Collect everything reported, from any thread, while the block runs."""
    timings = Timings()
    with _lock:
        _timings.append(timings)
    try:
        yield timings
    finally:
        with _lock:
            # By identity: two ledgers with equal sums are still two.
            _timings[:] = [each for each in _timings if each is not timings]


def carry_over(other: Timings) -> None:
    """Report here what another process collected."""
    with _lock:
        for timings in _timings:
            timings.seconds.update(other.seconds)
            timings.counts.update(other.counts)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Report the wall time of the block under that name. Nested stages count twice."""
    if not _timings:
        yield
        return
    started = time.perf_counter()
    try:
        yield
    finally:
        spent = time.perf_counter() - started
        with _lock:
            for timings in _timings:
                # A Counter adds floats as well as ints.
                timings.seconds[name] += spent  # type: ignore[assignment]


def count(name: str, number: int = 1) -> None:
    """Report that so many were done."""
    if _timings:
        with _lock:
            for timings in _timings:
                timings.counts[name] += number
