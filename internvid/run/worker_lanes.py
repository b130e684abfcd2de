"""Killable workers behind an event loop: one item at a time in each, awaited."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from internvid.run.executor import LocalExecutor, Result, local_executor


class WorkerLanes:
    """Some worker processes, each with a thread that waits for it.

    Processes start when they are first needed, and stay for the next item.

    Args:
        count: how many items are worked on at once.
        hang_cpu_seconds, hang_wall_seconds: as of `LocalExecutor`.
        items_per_worker: a process is replaced after so many items.
    """

    def __init__(
        self,
        count: int,
        *,
        hang_cpu_seconds: float = 60.0,
        hang_wall_seconds: float = 900.0,
        items_per_worker: int = 200,
    ) -> None:
        self._executors = [
            local_executor(
                1,
                hang_cpu_seconds=hang_cpu_seconds,
                hang_wall_seconds=hang_wall_seconds,
                crash_tries=1,
                items_per_worker=items_per_worker,
                keeps_workers=True,
            )
            for _ in range(count)
        ]
        # One thread for each: the process dies with the thread that started it.
        self._threads = [ThreadPoolExecutor(1, "lane") for _ in range(count)]
        self._free: asyncio.Queue[int] = asyncio.Queue()
        for number in range(count):
            self._free.put_nowait(number)

    async def run(self, function: Callable[..., Any], item: Any) -> Result:
        """The outcome of `function(item, report)` in a worker, when one is free.

        Raises:
            InternvidError: trouble that is not the item's.
        """
        number = await self._free.get()
        try:
            loop = asyncio.get_running_loop()
            thread, executor = self._threads[number], self._executors[number]
            return await loop.run_in_executor(thread, _only, executor, function, item)
        finally:
            self._free.put_nowait(number)

    def close(self) -> None:
        """Kill what is under way and end all workers."""
        for executor in self._executors:
            with contextlib.suppress(OSError):
                executor.close()
        for thread in self._threads:
            thread.shutdown(wait=True, cancel_futures=True)
        for executor in self._executors:
            with contextlib.suppress(OSError):
                executor.close()


def _only(executor: LocalExecutor, function: Callable[..., Any], item: Any) -> Result:
    (result,) = executor.map(function, [item])
    return result
