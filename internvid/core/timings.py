"""Where the time goes: stages and counts of one run, reported by whoever does the work.

Components and loaders write `with stage("model"):` and `count("tokens", n)` around their work;
plans, progress and benchmarks read the sums. Threads add to the same ledger.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Ledger:
    """Sums of one run.

    Attributes:
        seconds: stage -> wall seconds spent in it, over all threads.
        counts: name -> how many (frames, tokens, requests, ...).
    """

    seconds: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)


_ledgers: list[Ledger] = []
_lock = threading.Lock()


@contextmanager
def collecting() -> Iterator[Ledger]:
    """Collect everything reported, from any thread, while the block runs."""
    ledger = Ledger()
    with _lock:
        _ledgers.append(ledger)
    try:
        yield ledger
    finally:
        with _lock:
            # By identity: two ledgers with equal sums are still two.
            _ledgers[:] = [each for each in _ledgers if each is not ledger]


def carry_over(other: Ledger) -> None:
    """Report here what another process collected."""
    with _lock:
        for ledger in _ledgers:
            ledger.seconds.update(other.seconds)
            ledger.counts.update(other.counts)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Report the wall time of the block under that name. Nested stages count twice."""
    if not _ledgers:
        yield
        return
    started = time.perf_counter()
    try:
        yield
    finally:
        spent = time.perf_counter() - started
        with _lock:
            for ledger in _ledgers:
                # A Counter adds floats as well as ints.
                ledger.seconds[name] += spent  # type: ignore[assignment]


def count(name: str, number: int = 1) -> None:
    """Report that so many were done."""
    if _ledgers:
        with _lock:
            for ledger in _ledgers:
                ledger.counts[name] += number
