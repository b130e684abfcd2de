"""Work that takes long: done once in a thread, while pages say what is being done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
Say = Callable[[str], None]
_PATIENCE_SECONDS = 1.5


class StillWorkingError(Exception):
    """What is wanted is not there yet; the argument says what is being done."""


class Once(Generic[T]):
    """A value that a thread makes when it is first wanted.

    What fails is tried again the next time that the value is wanted.

    Args:
        work: makes the value; is given a function that takes what it does now.
    """

    def __init__(self, work: Callable[[Say], T]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._done: threading.Event | None = None
        self._value: list[T] = []
        self._problem: BaseException | None = None
        self._doing = ""

    def get(self, patience: float = _PATIENCE_SECONDS) -> T:
        """The value, if it is there within so many seconds.

        Raises:
            StillWorkingError: it is not; what is being done.
            Exception: that the work raised.
        """
        with self._lock:
            if self._done is None:
                self._done = threading.Event()
                threading.Thread(target=self._run, args=(self._done,), daemon=True).start()
            done = self._done
        if not done.wait(patience):
            raise StillWorkingError(self._doing)
        with self._lock:
            if self._value:
                return self._value[0]
            problem = self._problem
            if self._done is done:
                self._done = None
        assert problem is not None
        raise problem

    def _run(self, done: threading.Event) -> None:
        try:
            self._value = [self._work(self._say)]
        except BaseException as error:  # noqa: BLE001 - raised again by whoever wants the value
            self._problem = error
        done.set()

    def _say(self, text: str) -> None:
        self._doing = text
