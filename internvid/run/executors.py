"""Where work runs, by name: the one place that knows all executors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from internvid.core.errors import ConfigInvalidError
from internvid.run.executor import Executor, local_executor

EXECUTORS = ("local", "ray")


@contextmanager
def opened_executor(
    executor: str | Executor = "local", workers: int | None = None
) -> Iterator[Executor]:
    """The executor of a name, for a block; its workers end with the block.

    Args:
        executor: `local` (processes of this machine), `ray` (a Ray cluster: that of `RAY_ADDRESS`,
            else one of this machine), or an executor, which is left open.
        workers: how many items at once; when None one a core, or all that the cluster has.

    Raises:
        ConfigInvalidError: there is none of that name.
    """
    if not isinstance(executor, str):
        yield executor
    elif executor == "local":
        yield local_executor(workers)
    elif executor == "ray":
        from internvid.run.ray_executor import RayExecutor

        made = RayExecutor(workers=workers)
        try:
            yield made
        finally:
            # Idle workers hold the room of others in the cluster.
            made.close()
    else:
        raise ConfigInvalidError(
            f"no executor is called {executor!r}", hint=f"one of: {', '.join(EXECUTORS)}"
        )
