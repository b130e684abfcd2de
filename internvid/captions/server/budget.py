"""What a run may spend on served models: requests and tokens, counted before they are spent.

A run is whatever lies inside `with run(...)`; the pipeline opens one for each command. Without
one, each stream of requests counts for itself. Which run counts belongs to the context of the
caller, not to the process: two runs in two threads do not mix, and a thread that works for a run is
started in a copy of its context.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class Budget:
    """Limits, and what is spent of them. Threads share it.

    Attributes:
        max_requests: most requests, retries included; 0 for no limit.
        max_tokens: most tokens, of prompts and answers together; 0 for no limit.
        requests: sent so far.
        tokens: spent so far, as the server counts them.
        reserved: tokens set aside for requests that are not answered yet.
        under_way: how many requests those are.
    """

    max_requests: int = 0
    max_tokens: int = 0
    requests: int = 0
    tokens: int = 0
    reserved: int = 0
    under_way: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition, repr=False)

    @property
    def has_request(self) -> bool:
        """Whether one more request may be sent."""
        return not self.max_requests or self.requests < self.max_requests

    def has_tokens(self, tokens: int) -> bool:
        """Whether so many more tokens may be spent."""
        return not self.max_tokens or self.tokens + self.reserved + tokens <= self.max_tokens


@dataclass
class Run:
    """Budgets of one run: one for all together, and one for each served model."""

    whole: Budget
    by_model: dict[Hashable, Budget] = field(default_factory=dict)


_CURRENT: ContextVar[Run | None] = ContextVar("internvid_budget", default=None)


@contextmanager
def run(max_requests: int = 0, max_tokens: int = 0) -> Iterator[Budget]:
    """Count everything inside as one run with these limits; 0 for no limit."""
    opened = Run(Budget(max_requests, max_tokens))
    token = _CURRENT.set(opened)
    try:
        yield opened.whole
    finally:
        _CURRENT.reset(token)


def budgets_for(model: Hashable, max_requests: int, max_tokens: int) -> tuple[Budget, ...]:
    """The budgets that a request to that model draws on; they share one condition."""
    current = _CURRENT.get()
    if current is None:
        return (Budget(max_requests, max_tokens),)
    fresh = Budget(max_requests, max_tokens, changed=current.whole.changed)
    return (current.by_model.setdefault(model, fresh), current.whole)


def reserve(budgets: tuple[Budget, ...], tokens: int) -> bool:
    """Set one request and so many tokens aside in all budgets, or in none."""
    with budgets[0].changed:
        if not all(each.has_request and each.has_tokens(tokens) for each in budgets):
            return False
        for each in budgets:
            each.requests += 1
            each.reserved += tokens
            each.under_way += 1
        return True


def reserve_retry(budgets: tuple[Budget, ...]) -> bool:
    """One more request for something that is reserved already."""
    with budgets[0].changed:
        if not all(each.has_request for each in budgets):
            return False
        for each in budgets:
            each.requests += 1
        return True


def settle(budgets: tuple[Budget, ...], reserved: int, spent: int) -> None:
    """Replace what was reserved for a request by the tokens that it cost."""
    with budgets[0].changed:
        for each in budgets:
            each.reserved -= reserved
            each.tokens += spent
            each.under_way -= 1
        budgets[0].changed.notify_all()


def await_settlement(budgets: tuple[Budget, ...]) -> bool:
    """Wait until a request of another stream is settled; False where none could free anything."""
    with budgets[0].changed:
        if not all(each.has_request for each in budgets) or not budgets[-1].under_way:
            return False
        budgets[0].changed.wait(1.0)
        return True


def report(budgets: tuple[Budget, ...]) -> str:
    """What was used of the budget that is nearest to its limit, in words."""
    used = next((each for each in budgets if each.max_tokens or each.max_requests), budgets[-1])
    with used.changed:
        spent = [
            f"{used.requests:} requests" + (f" of {used.max_requests:}" * bool(used.max_requests)),
            f"{used.tokens:} tokens" + (f" of {used.max_tokens:}" * bool(used.max_tokens)),
        ]
    return ", ".join(spent)
