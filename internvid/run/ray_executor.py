"""The executor contract on a Ray cluster: Ray places items, our killable workers isolate them.

An actor for each CPU keeps a `LocalExecutor` with one worker process, so that what an item does to
its process has the same words as on one machine: `crashed`, `hung`, `bug`. Ray itself retries
nothing: an item whose node is lost is placed again from here, a few times.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from internvid._version import __version__
from internvid.core.errors import ConfigInvalidError, DependencyMissingError, InternvidError
from internvid.core.system.imports import find_in, path_for_workers
from internvid.run.executor import Failure, LocalExecutor, Result, Waiting, pickled

_WAIT_SECONDS = 1.0
_REPORT_SECONDS = 0.5
# Each report is half a millisecond of the process that leads, which hears of all workers.
_REPORTS_A_SECOND = 100.0
_START_SECONDS = 20.0
_SAME = "every node needs the same internvid, in the Python that Ray was started with there"


class _NodeLostError(Exception):
    """The node of an item is gone."""


@dataclass
class _Actor:
    """A worker somewhere in the cluster, and what it works on."""

    handle: Any
    item: tuple[int, Any] | None = None
    answers: Any = None
    # Whether Ray has found a place for it.
    is_placed: bool = False
    given_at: float = 0.0


@dataclass
class RayExecutor:
    """Worker processes all over a Ray cluster; they stay between calls of `map`, until `close`.

    Every node needs the same internvid, and the dataset and its sources under the same paths.

    Attributes:
        address: of the cluster, as `ray.init` takes it; when empty that of the environment
            (`RAY_ADDRESS`), else Ray is started on this machine.
        workers: how many items at once, at most; when None as many as the cluster has room for.
        cpus, gpus: of an item, as Ray counts them.
        lost_tries: how often an item may lose its node before it counts as failed.
        limits: further fields of the `LocalExecutor` of each worker.
    """

    address: str = ""
    workers: int | None = None
    cpus: float = 1.0
    gpus: float = 0.0
    lost_tries: int = 3
    limits: Mapping[str, Any] = field(default_factory=dict)
    _pool: list[_Actor] = field(default_factory=list, repr=False)

    def map(
        self,
        function: Callable[..., Any],
        items: Iterable[Any],
        progress: Callable[[int, Any], None] | None = None,
    ) -> Iterator[Result]:
        """Results as they are done; see `LocalExecutor.map`.

        Raises:
            DependencyMissingError: Ray is not installed.
            ConfigInvalidError: no such cluster, or its nodes have another internvid.
            InternvidError: a worker met trouble that is not its item's.
        """
        ray = connect(self.address)
        waiting = Waiting(items)
        lost: dict[int, int] = {}
        try:
            while True:
                self._feed(ray, function, waiting)
                busy = [actor for actor in self._pool if actor.item is not None]
                if not busy:
                    return
                ready = _ready(ray, [actor.answers for actor in busy])
                for actor in busy:
                    if id(actor.answers) not in ready:
                        continue
                    assert actor.item is not None
                    index = actor.item[0]
                    try:
                        result = self._hear(ray, actor, progress)
                    except _NodeLostError:
                        lost[index] = lost.get(index, 0) + 1
                        if lost[index] < self.lost_tries:
                            waiting.again(index)
                            continue
                        result = Result(index, failure=self._gave_up())
                    if result is not None:
                        lost.pop(index, None)
                        waiting.done(index)
                        yield result
        finally:
            self._end(ray, [actor for actor in self._pool if actor.item is not None])

    def close(self) -> None:
        """End all workers, so that others have their room."""
        if self._pool:
            self._end(connect(self.address), list(self._pool))

    def _feed(self, ray: Any, function: Callable[..., Any], waiting: Waiting) -> None:
        room = self._room(ray)
        idle = [actor for actor in self._pool if actor.item is None]
        while idle or len(self._pool) < room:
            taken = waiting.take()
            if taken is None and idle:
                taken = self._from_unplaced(ray)
            if taken is None:
                return
            actor = idle.pop() if idle else self._start(ray, room)
            actor.item, actor.given_at = taken, time.monotonic()
            actor.answers = actor.handle.work.remote(pickled(function, taken[1]))

    def _room(self, ray: Any) -> int:
        """How many workers the cluster has room for now; it may grow and shrink."""
        have = ray.cluster_resources()
        rooms = [1_000_000 if self.workers is None else self.workers]
        if self.cpus:
            rooms.append(int(have.get("CPU", 0) / self.cpus))
        if self.gpus:
            rooms.append(int(have.get("GPU", 0) / self.gpus))
            if not rooms[-1]:
                raise ConfigInvalidError(
                    f"the Ray cluster has no node with {self.gpus:g} GPUs",
                    hint="see what it has: ray status",
                )
        return max(1, min(rooms))

    def _from_unplaced(self, ray: Any) -> tuple[int, Any] | None:
        """The item of a worker that Ray finds no place for, while another has nothing to do."""
        before = time.monotonic() - _START_SECONDS
        for actor in self._pool:
            if actor.item is not None and not actor.is_placed and actor.given_at < before:
                taken = actor.item
                self._end(ray, [actor])
                return taken
        return None

    def _start(self, ray: Any, room: int) -> _Actor:
        path, folders = path_for_workers()
        pause = max(_REPORT_SECONDS, room / _REPORTS_A_SECOND)
        remote = ray.remote(_Lane).options(
            num_cpus=self.cpus, num_gpus=self.gpus, max_restarts=0, max_task_retries=0
        )
        actor = _Actor(remote.remote(__version__, path, folders, dict(self.limits), pause))
        self._pool.append(actor)
        return actor

    def _hear(
        self, ray: Any, actor: _Actor, progress: Callable[[int, Any], None] | None
    ) -> Result | None:
        assert actor.item is not None
        index = actor.item[0]
        try:
            kind, payload = ray.get(next(actor.answers))
        except ray.exceptions.RayActorError as error:
            self._end(ray, [actor])
            if getattr(error, "actor_init_failed", False):
                raise ConfigInvalidError(
                    f"a Ray worker cannot start: {_last_line(error)}", hint=_SAME
                ) from error
            raise _NodeLostError from error
        except (ray.exceptions.RayError, StopIteration) as error:
            # What a node held when it went away.
            self._end(ray, [actor])
            raise _NodeLostError from error
        actor.is_placed = True
        if kind == "begun":
            return None
        if kind == "progress":
            if progress is not None:
                progress(index, payload)
            return None
        if kind == "stop":
            raise pickle.loads(payload)
        actor.item = actor.answers = None
        value, failure = pickle.loads(payload)
        return Result(index, value, failure)

    def _end(self, ray: Any, actors: Iterable[_Actor]) -> None:
        for actor in actors:
            with contextlib.suppress(ray.exceptions.RayError):
                ray.kill(actor.handle, no_restart=True)
            if actor in self._pool:
                self._pool.remove(actor)

    def _gave_up(self) -> Failure:
        message = f"the nodes that worked on it were lost, {self.lost_tries} times"
        return Failure("crashed", message)


def _ready(ray: Any, answers: list[Any]) -> set[int]:
    """The ids of the answers that have something to hear; all of them that have it by now.

    A look at thousands of workers takes milliseconds, so it is not done for each answer.
    """
    ready, _ = ray.wait(answers, num_returns=1, timeout=_WAIT_SECONDS)
    if ready and len(answers) > 1:
        ready, _ = ray.wait(answers, num_returns=len(answers), timeout=0)
    return {id(each) for each in ready}


class _Lane:
    """The actor: hands items to a worker process of its own, and passes on what comes of them."""

    def __init__(
        self,
        version: str,
        path: list[str],
        folders: dict[str, str],
        limits: dict[str, Any],
        pause: float,
    ) -> None:
        self._version = version
        self._pause = pause
        # What the driver finds, the worker process shall find; it hands on this process's path.
        sys.path[:] = [*path, *(each for each in sys.path if each and each not in path)]
        find_in(folders)
        self._executor = LocalExecutor(workers=1, keeps_workers=True, **limits)
        self._work: queue.Queue[tuple[bytes, queue.Queue[tuple[str, Any]]]] = queue.Queue()
        # A worker process dies with the thread that started it: one for all items.
        threading.Thread(target=self._serve, daemon=True).start()

    def work(self, work: bytes) -> Iterator[tuple[str, Any]]:
        """`begun`, `progress` now and then, and at last `result` or `stop`."""
        yield "begun", None
        if self._version != __version__:
            error = ConfigInvalidError(
                f"a node of the Ray cluster has internvid {__version__}, not {self._version}",
                hint=_SAME,
            )
            yield "stop", pickle.dumps(error)
            return
        heard: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._work.put((work, heard))
        while True:
            kind, payload = heard.get()
            yield kind, payload
            if kind != "progress":
                return

    def _serve(self) -> None:
        while True:
            work, heard = self._work.get()
            heard.put(self._outcome(work, heard))

    def _outcome(self, work: bytes, heard: queue.Queue[tuple[str, Any]]) -> tuple[str, Any]:
        sent_at = 0.0

        def report(_: int, value: Any) -> None:
            nonlocal sent_at
            now = time.monotonic()
            # Each sign of life is a message through the cluster.
            if now - sent_at >= self._pause:
                sent_at = now
                heard.put(("progress", value))

        try:
            function, item = pickle.loads(work)
            (result,) = self._executor.map(function, [item], report)
            return "result", pickle.dumps((result.value, result.failure))
        except InternvidError as error:
            return "stop", pickle.dumps(error)
        except Exception as error:  # the boundary of a process: any trouble must become an answer
            text = f"{type(error).__name__}: {error}"
            return "stop", pickle.dumps(
                ConfigInvalidError(f"a Ray worker cannot take an item: {text}", hint=_SAME)
            )


def connect(address: str = "") -> Any:
    """The module `ray`, connected to a cluster; Ray is started here where none is named.

    Raises:
        DependencyMissingError: it is not installed.
        ConfigInvalidError: no cluster answers.
    """
    # Nothing is sent to anybody.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise DependencyMissingError(
            "Ray is not installed", hint="pip install 'internvid[cluster]'"
        ) from error
    if ray.is_initialized():
        return ray
    try:
        ray.init(
            address=address or None,
            include_dashboard=None if address or os.environ.get("RAY_ADDRESS") else False,
            log_to_driver=False,
            logging_level="ERROR",
        )
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        named = address or os.environ.get("RAY_ADDRESS") or "this machine"
        raise ConfigInvalidError(
            f"there is no Ray cluster at {named}: {_last_line(error)}",
            hint="start one: ray start --head; name it: RAY_ADDRESS=HOST:6379",
        ) from error
    return ray


def _last_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
