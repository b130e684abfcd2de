"""The executor contract, and the one that uses processes of this machine.

A worker that dies or hangs costs its own item, never the run: the item comes back with a
failure, a fresh worker takes the next one.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from internvid.core.errors import ConfigInvalidError, VideoError
from internvid.core.system.imports import environment_for_workers, path_for_workers

# The path is set before anything is imported by it; `-m` would search the current folder first.
_WORKER = (
    "import sys; descriptor, *sys.path = sys.argv[1:]; "
    "from internvid.run.worker import main; main(int(descriptor))"
)


@dataclass(frozen=True)
class Failure:
    """Why an item has no value.

    Attributes:
        reason: short word: a VideoError's reason, `crashed`, `hung` or `bug`.
        message: one sentence for people; the same each time for the same trouble.
        details: a traceback where it helps (never stored beside data).
    """

    reason: str
    message: str
    details: str = ""


@dataclass(frozen=True)
class Result:
    """The outcome of one item: a value or a failure."""

    index: int
    value: Any = None
    failure: Failure | None = None


class Executor(Protocol):
    """Maps a picklable function over items; results come as they are done, in any order.

    Items are taken one by one when there is room for them, in the caller's process, and kept no
    longer than they are worked on: millions of them need not be in memory.
    """

    def map(
        self,
        function: Callable[..., Any],
        items: Iterable[Any],
        progress: Callable[[int, Any], None] | None = None,
    ) -> Iterator[Result]:
        """One result per item."""
        ...


class Waiting:
    """Items that are still to be worked on: those to be tried again, then the rest in order.

    Only the former and those under way are held.
    """

    def __init__(self, items: Iterable[Any]) -> None:
        self._rest = enumerate(items)
        self._under_way: dict[int, Any] = {}
        self._again: list[int] = []

    def take(self) -> tuple[int, Any] | None:
        """The next item with its index; None where no more is waiting."""
        if self._again:
            index = self._again.pop()
            return index, self._under_way[index]
        found = next(self._rest, None)
        if found is not None:
            self._under_way[found[0]] = found[1]
        return found

    def again(self, index: int) -> None:
        """An item that is under way has to be taken once more."""
        self._again.append(index)

    def done(self, index: int) -> None:
        """An item has its result."""
        del self._under_way[index]


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection
    index: int | None = None
    attempts: int = 0
    seen_at: float = 0.0
    seen_cpu: float = 0.0
    hung: bool = False


@dataclass
class LocalExecutor:
    """Worker processes on this machine.

    Attributes:
        workers: how many at once.
        hang_cpu_seconds: CPU time without a sign of progress after which a worker is killed.
        hang_wall_seconds: the same in wall time, for a worker that waits on something.
        crash_tries: how often an item may kill its worker before it counts as failed.
        items_per_worker: a worker is replaced after so many items, which bounds leaks.
        keeps_workers: idle workers stay when `map` ends, for the next call, until `close`.
    """

    workers: int = 1
    hang_cpu_seconds: float = 60.0
    hang_wall_seconds: float = 900.0
    crash_tries: int = 2
    items_per_worker: int = 200
    keeps_workers: bool = False
    _pool: list[_Worker] = field(default_factory=list, repr=False)

    def map(
        self,
        function: Callable[..., Any],
        items: Iterable[Any],
        progress: Callable[[int, Any], None] | None = None,
    ) -> Iterator[Result]:
        """Results as they are done.

        Args:
            function: called in a worker as `function(item, report)`; `report(x)` is a sign of
                life that reaches `progress(index, x)` here. Must be importable by name.
            items: anything picklable; taken when a worker is free for the next one.
            progress: called in this process.

        Raises:
            InternvidError: a worker met trouble that is not its item's: a full disk, a wrong
                setting, a missing package. Nothing more is started.
        """
        waiting = Waiting(items)
        crashes: dict[int, int] = {}
        try:
            while True:
                self._feed(function, waiting)
                if all(worker.index is None for worker in self._pool):
                    return
                for worker in self._ready():
                    result = self._hear(worker, progress)
                    if result is None:
                        continue
                    if result.failure is not None and result.failure.reason == "crashed":
                        crashes[result.index] = crashes.get(result.index, 0) + 1
                        if crashes[result.index] < self.crash_tries:
                            waiting.again(result.index)
                            continue
                    crashes.pop(result.index, None)
                    waiting.done(result.index)
                    yield result
        finally:
            self._stop()

    def _feed(self, function: Callable[..., Any], waiting: Waiting) -> None:
        for worker in list(self._pool):
            if worker.index is None and worker.attempts >= self.items_per_worker:
                self._end(worker)
        idle = [worker for worker in self._pool if worker.index is None]
        while idle or len(self._pool) < self.workers:
            taken = waiting.take()
            if taken is None:
                return
            worker = idle.pop() if idle else self._start()
            index, item = taken
            worker.index = index
            worker.attempts += 1
            worker.seen_at = time.monotonic()
            worker.seen_cpu = _cpu_seconds(worker.process.pid)
            work = pickled(function, item)
            try:
                worker.connection.send_bytes(work)
            except (BrokenPipeError, ConnectionResetError):
                continue  # it died while idle; _ready sees that and the item is tried again

    def _start(self) -> _Worker:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            path, folders = path_for_workers()
            command = [sys.executable, "-P", "-c", _WORKER, str(theirs.fileno()), *path]
            environment = {
                **environment_for_workers(),
                "OPENBLAS_NUM_THREADS": "1",
                "OMP_NUM_THREADS": "1",
            }
            process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=environment,
            )
            connection = Connection(ours.detach())
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.send(folders)
        worker = _Worker(process, connection)
        self._pool.append(worker)
        return worker

    def _ready(self) -> list[_Worker]:
        busy = [worker for worker in self._pool if worker.index is not None]
        ready = wait([worker.connection for worker in busy], timeout=1.0)
        silent = [worker for worker in busy if worker.connection not in ready]
        hung = [worker for worker in silent if self._is_hung(worker)]
        for worker in hung:
            worker.hung = True
            worker.process.kill()
        return [worker for worker in busy if worker.connection in ready]

    def _is_hung(self, worker: _Worker) -> bool:
        wall = time.monotonic() - worker.seen_at
        if wall < min(self.hang_cpu_seconds, self.hang_wall_seconds):
            return False
        cpu = _cpu_seconds(worker.process.pid) - worker.seen_cpu
        return cpu > self.hang_cpu_seconds or wall > self.hang_wall_seconds

    def _hear(self, worker: _Worker, progress: Callable[[int, Any], None] | None) -> Result | None:
        index = worker.index
        assert index is not None
        try:
            kind, payload = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            return self._bury(worker, index)
        if kind == "progress":
            worker.seen_at = time.monotonic()
            worker.seen_cpu = _cpu_seconds(worker.process.pid)
            if progress is not None:
                progress(index, payload)
            return None
        worker.index = None
        if kind == "value":
            return Result(index, value=payload)
        if kind == "stop":
            raise payload
        return Result(index, failure=payload)

    def _bury(self, worker: _Worker, index: int) -> Result:
        self._end(worker)
        if worker.hung:
            limits = f"{self.hang_cpu_seconds:.0f} CPU or {self.hang_wall_seconds:.0f} wall seconds"
            return Result(index, failure=Failure("hung", f"it made no progress for {limits}"))
        code = worker.process.returncode
        how = f"exit code {code}"
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                how = signal.Signals(-code).name
        return Result(index, failure=Failure("crashed", f"its worker process died ({how})"))

    def _end(self, worker: _Worker) -> None:
        worker.connection.close()
        if worker in self._pool:
            self._pool.remove(worker)
        try:
            worker.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()

    def close(self) -> None:
        """End every worker, also one that is at work; may be called from another thread."""
        for worker in list(self._pool):
            if worker.index is not None:
                worker.process.kill()
            else:
                self._end(worker)

    def _stop(self) -> None:
        for worker in list(self._pool):
            if worker.index is not None:
                worker.process.kill()
            elif self.keeps_workers:
                continue
            self._end(worker)


def local_executor(workers: int | None = None, **limits: Any) -> LocalExecutor:
    """The executor that work of this machine runs on: the one place where it is chosen.

    Args:
        workers: how many processes at once; one a core when None.
        limits: further fields of `LocalExecutor`.
    """
    return LocalExecutor(workers=workers or os.cpu_count() or 1, **limits)


def run_here(function: Callable[..., Any], items: Iterable[Any]) -> Iterator[Result]:
    """Map a function over items in this process, one after another: for tests and single files."""
    for index, item in enumerate(items):
        try:
            yield Result(index, value=function(item, lambda _: None))
        except VideoError as error:
            yield Result(index, failure=Failure(error.reason, error.message))


def pickled(function: Callable[..., Any], item: Any) -> bytes:
    """What a worker process is sent.

    Raises:
        ConfigInvalidError: it cannot be sent.
    """
    try:
        return pickle.dumps((function, item))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ConfigInvalidError(
            f"a component cannot be sent to a worker process: {error}",
            hint="define its class at the top of a module; keep open files and locks out of it",
        ) from error


def _cpu_seconds(pid: int) -> float:
    """CPU time a process has used, user and system; 0 where the system does not tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            after_name = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0.0
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")
