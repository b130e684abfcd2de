"""Streams of items: cut into batches, prepared ahead by threads, given to models that may fail.

And values that threads share.
"""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar, TypeVarTuple

from internvid.core.errors import InternvidError

T = TypeVar("T")
U = TypeVar("U")
Key = TypeVarTuple("Key")
MODEL_ERRORS = (RuntimeError, ValueError, IndexError, TypeError, AttributeError, KeyError)
"""What torch, transformers and CTranslate2 raise for inputs that a model cannot take."""


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


def run_batch(
    members: Sequence[T], through: Callable[[Sequence[T]], Sequence[U]]
) -> list[U | None]:
    """What a model makes of a batch; where it fails on that, of each member alone.

    Args:
        members: any number.
        through: one value a member, in order.

    Returns:
        One value a member, in order; None where the model fails on that one alone.

    Raises:
        InternvidError: it fails on every member.
    """
    if not members:
        return []
    try:
        return list(_run_whole(members, through))
    except MODEL_ERRORS as error:
        values = [_run_alone(member, through) for member in members]
        if all(value is None for value in values):
            raise InternvidError(
                f"the model fails for every clip it is given: {type(error).__name__}: {error}",
                hint="is it meant for this? try it on one picture in Python",
            ) from error
        return values


def _run_whole(members: Sequence[T], through: Callable[[Sequence[T]], Sequence[U]]) -> Sequence[U]:
    values = through(members)
    if len(values) != len(members):
        # Which is whose cannot be known.
        raise ValueError(f"{len(values)} answers for {len(members)} requests")
    return values


def _run_alone(member: T, through: Callable[[Sequence[T]], Sequence[U]]) -> U | None:
    try:
        return _run_whole([member], through)[0]
    except MODEL_ERRORS:
        return None


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
