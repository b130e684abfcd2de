"""Where the time goes: seconds by stage and counts of one run, reported by whoever does the work.

Components and loaders write `with stage("model"):` and `count("tokens", n)` around their work;
plans, progress and benchmarks read the sums. Which timings are collected belongs to the context of
the caller, not to the process: two runs in two threads do not mix, and a thread that works for a
run is started in a copy of its context (see `internvid.core.system.streams.prepared`).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class Timings:
    """Sums of one run. Threads may report at once.

    Attributes:
        seconds: stage -> wall seconds spent in it, over all threads.
        counts: name -> how many (frames, tokens, requests, ...).
    """

    seconds: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __getstate__(self) -> tuple[Counter[str], Counter[str]]:
        """The sums alone: a lock does not travel between processes."""
        return self.seconds, self.counts

    def __setstate__(self, state: tuple[Counter[str], Counter[str]]) -> None:
        """Sums from another process, with a lock of their own."""
        self.seconds, self.counts = state
        self._lock = threading.Lock()

    def add(self, other: Timings) -> None:
        """Add what another process or thread collected."""
        with self._lock:
            self.seconds.update(other.seconds)
            self.counts.update(other.counts)

    def add_seconds(self, stage: str, seconds: float) -> None:
        """Add time to a stage."""
        with self._lock:
            # A Counter adds floats as well as ints.
            self.seconds[stage] += seconds  # type: ignore[assignment]

    def add_count(self, name: str, number: int) -> None:
        """Add to a count."""
        with self._lock:
            self.counts[name] += number


_COLLECTED: ContextVar[tuple[Timings, ...]] = ContextVar("internvid_timings", default=())


@contextmanager
def collecting() -> Iterator[Timings]:
    """Collect everything reported in the block, and by threads that work for it."""
    timings = Timings()
    token = _COLLECTED.set((*_COLLECTED.get(), timings))
    try:
        yield timings
    finally:
        _COLLECTED.reset(token)


def carry_over(other: Timings) -> None:
    """Report here what another process collected."""
    for timings in _COLLECTED.get():
        timings.add(other)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Report the wall time of the block under that name. Nested stages count twice."""
    collected = _COLLECTED.get()
    if not collected:
        yield
        return
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds = time.perf_counter() - started
        for timings in collected:
            timings.add_seconds(name, seconds)


def count(name: str, number: int = 1) -> None:
    """Report that so many were done."""
    for timings in _COLLECTED.get():
        timings.add_count(name, number)
