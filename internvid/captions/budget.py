"""What a run may spend on served models: requests and tokens, counted before they are spent.

A run is whatever lies inside `with run(...)`; the pipeline opens one for each command. Without
one, each stream of requests counts for itself.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Budget:
    """Limits, and what is spent of them. Threads share it.

    Attributes:
        max_requests: most requests, retries included; 0 for no limit.
        max_tokens: most tokens, of prompts and answers together; 0 for no limit.
        requests, tokens: spent or reserved so far.
    """

    max_requests: int = 0
    max_tokens: int = 0
    requests: int = 0
    tokens: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def reserve(self, tokens: int) -> bool:
        """Set one request and so many tokens aside; False where they are not to be had."""
        with self._lock:
            if self.max_requests and self.requests + 1 > self.max_requests:
                return False
            if self.max_tokens and self.tokens + tokens > self.max_tokens:
                return False
            self.requests += 1
            self.tokens += tokens
            return True

    def settle(self, reserved: int, spent: int) -> None:
        """Replace reserved tokens by those that the server counted."""
        with self._lock:
            self.tokens += spent - reserved


@dataclass
class Run:
    """Budgets of one run: one for all together, and one for each served model."""

    whole: Budget
    by_model: dict[Hashable, Budget] = field(default_factory=dict)


_runs: list[Run] = []


@contextmanager
def run(max_requests: int = 0, max_tokens: int = 0) -> Iterator[Budget]:
    """Count everything inside as one run with these limits; 0 for no limit."""
    opened = Run(Budget(max_requests, max_tokens))
    _runs.append(opened)
    try:
        yield opened.whole
    finally:
        _runs[:] = [each for each in _runs if each is not opened]


def budgets_for(model: Hashable, max_requests: int, max_tokens: int) -> tuple[Budget, ...]:
    """The budgets that a request to that model draws on."""
    if not _runs:
        return (Budget(max_requests, max_tokens),)
    current = _runs[-1]
    own = current.by_model.setdefault(model, Budget(max_requests, max_tokens))
    return (own, current.whole)


def reserve(budgets: tuple[Budget, ...], tokens: int) -> bool:
    """Reserve in all of them, or in none."""
    for at, budget in enumerate(budgets):
        if not budget.reserve(tokens):
            for earlier in budgets[:at]:
                with earlier._lock:  # noqa: SLF001
                    earlier.requests -= 1
                    earlier.tokens -= tokens
            return False
    return True
