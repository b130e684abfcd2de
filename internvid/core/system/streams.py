"""Streams of items: cut into batches, prepared ahead by threads; values that threads share."""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
U = TypeVar("U")
Key = TypeVarTuple("Key")


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` consecutive items; the last may be shorter."""
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def prepared(
    items: Iterable[T], prepare: Callable[[T], U], *, threads: int = 2, ahead: int = 64
) -> Iterator[tuple[T, U]]:
    """Items with what `prepare` makes of them, in order, made ahead by threads.

    Args:
        items: read only as far ahead as is allowed, in the caller's thread.
        prepare: called in a thread of its own pool; what it raises is raised here, at its item.
        threads: how many at once.
        ahead: at most so many items are under way or waiting.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="prepare") as pool:
        waiting: deque[tuple[T, Future[U]]] = deque()
        try:
            for item in items:
                # A thread reports to the timings of whoever asked for its work.
                context = copy_context()
                waiting.append((item, pool.submit(context.run, prepare, item)))
                if len(waiting) >= ahead:
                    first, made = waiting.popleft()
                    yield first, made.result()
            while waiting:
                first, made = waiting.popleft()
                yield first, made.result()
        finally:
            for _, made in waiting:
                made.cancel()


def cached_for_threads(most: int) -> Callable[[Callable[[*Key], T]], Callable[[*Key], T]]:
    """A function whose last results are kept; of threads that want the same one, one computes it.

    `functools.lru_cache` alone lets each of them compute it. Calls of one function wait for one
    another.

    Args:
        most: results kept, those used last. Arguments are hashable, and given by place.
    """

    def decorate(function: Callable[[*Key], T]) -> Callable[[*Key], T]:
        cached, lock = functools.lru_cache(maxsize=most)(function), threading.Lock()

        @functools.wraps(function)
        def call(*arguments: *Key) -> T:
            with lock:
                return cached(*arguments)

        return call

    return decorate
