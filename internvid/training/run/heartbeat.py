"""Signs of life between the processes of a run, so that waiting needs no deadline.

A collective of torch.distributed gives up after a fixed time, whatever the others do. Work that
takes one process hours (embedding captions, packing pictures, a validation) is waited for here
instead: through counters in the store that the processes met in, as long as every process that is
waited for still counts up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Protocol

from internvid.core.errors import TrainingStoppedError

_LONGEST_NAP = 0.2
_FAREWELL_SECONDS = 5.0
_GOES_ON = "see its last output; the same command goes on where the run stands"


class Store(Protocol):
    """What is used of torch.distributed's stores."""

    def add(self, key: str, amount: int, /) -> int:
        """Raises a counter, made if it is not there; its new value."""
        ...

    def set(self, key: str, value: str, /) -> None:
        """Keeps a value."""
        ...

    def get(self, key: str, /) -> bytes:
        """A value that is there."""
        ...


class Pulse:
    """One process's signs of life, and its view of the others'.

    Args:
        store: a connection to the run's store of its own; nothing waits within it.
        rank: of this process.
        world: how many there are.
        silence: without a sign, after which a process counts as gone.
    """

    def __init__(self, store: Store, rank: int, world: int, silence: timedelta) -> None:
        self._store, self._rank, self._world = store, rank, world
        self._silence = silence.total_seconds()
        self._beat_seconds = min(5.0, self._silence / 8)
        # A store outlives a group where torchrun starts processes again.
        self._group = self._store.add(f"internvid/groups/{rank}", 1)
        self._waits = self._works = 0
        self._heard: dict[int, tuple[int, float]] = {}
        self._looked = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Goes on once every process has come here.

        Raises:
            TrainingStoppedError: one of them has ended, or gives no sign of life.
        """
        self._waits += 1
        key = f"wait/{self._waits}"
        nap = 0.002
        # Silence is counted from here: until now nobody listened.
        self._heard.clear()
        self._count(key, 1)
        while self._count(key) < self._world:
            self._look()
            time.sleep(nap)
            nap = min(_LONGEST_NAP, 1.5 * nap)

    def shared(self, count: int) -> Iterator[int]:
        """The numbers below `count`, each to one process: whoever is done takes the next.

        Every process must call it equally often. Nobody waits; see `wait`.
        """
        self._works += 1
        key = f"work/{self._works}"
        while True:
            taken = self._count(key, 1) - 1
            if taken >= count:
                return
            yield taken

    def leave(self, reason: str | None) -> None:
        """The last sign: others stop waiting for this process at once.

        Args:
            reason: what ended it; None if it is done.
        """
        self._ended.set()
        try:
            if reason is not None:
                self._store.set(self._key(f"why/{self._rank}"), reason)
                self._count(f"gone/{self._rank}", 1)
            self._count("left", 1)
            # The first process may be the store's host: the others shall read this before it ends.
            deadline = time.monotonic() + _FAREWELL_SECONDS
            while self._rank == 0 and self._count("left") < self._world:
                if time.monotonic() > deadline:
                    break
                time.sleep(0.02)
        except (RuntimeError, TrainingStoppedError):
            pass  # the store has gone with its host

    def _look(self) -> None:
        """Looks at the others now and then.

        Raises:
            TrainingStoppedError: one has ended or is silent.
        """
        now = time.monotonic()
        if now - self._looked < self._beat_seconds / 2:
            return
        self._looked = now
        for other in range(self._world):
            if other == self._rank:
                continue
            if self._count(f"gone/{other}"):
                why = self._store.get(self._key(f"why/{other}")).decode(errors="replace")
                raise TrainingStoppedError(f"process {other} has ended: {why}", hint=_GOES_ON)
            beats = self._count(f"beat/{other}")
            known, since = self._heard.get(other, (-1, now))
            if beats != known:
                self._heard[other] = (beats, now)
            elif now - since > self._silence:
                raise TrainingStoppedError(
                    f"process {other} has given no sign of life for {now - since:.0f} s",
                    hint=_GOES_ON,
                )

    def _count(self, name: str, more: int = 0) -> int:
        try:
            return int(self._store.add(self._key(name), more))
        except RuntimeError as error:
            raise TrainingStoppedError(
                f"the store of the run's processes has gone: {str(error).splitlines()[0]}",
                hint="the first process has ended; " + _GOES_ON,
            ) from error

    def _key(self, name: str) -> str:
        return f"internvid/{self._group}/{name}"

    def _beat(self) -> None:
        while not self._ended.wait(self._beat_seconds):
            try:
                self._store.add(self._key(f"beat/{self._rank}"), 1)
            except RuntimeError:
                return
