"""Where work runs, by name: the one place that knows all executors."""

from __future__ import annotations

from typing import Any

from internvid.core.errors import ConfigInvalidError
from internvid.run.executor import Executor, local_executor

EXECUTORS = ("local", "ray")


def find_executor(
    executor: str | Executor = "local", workers: int | None = None, **limits: Any
) -> Executor:
    """The executor of a name.

    Args:
        executor: `local` (processes of this machine), `ray` (a Ray cluster: that of `RAY_ADDRESS`,
            else one of this machine), or an executor, which is returned.
        workers: how many items at once; when None one a core, or all that the cluster has.
        limits: of the worker processes, see `LocalExecutor`.

    Raises:
        ConfigInvalidError: there is none of that name.
    """
    if not isinstance(executor, str):
        return executor
    if executor == "local":
        return local_executor(workers, **limits)
    if executor == "ray":
        from internvid.run.ray_executor import RayExecutor

        return RayExecutor(workers=workers, limits=limits)
    raise ConfigInvalidError(
        f"no executor is called {executor!r}", hint=f"one of: {', '.join(EXECUTORS)}"
    )
