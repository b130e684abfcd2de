"""A process that dies at a chosen change of its files."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

# Whatever changes a folder goes through one of these.
STEPS = ("replace", "rename", "unlink", "rmdir")


def die_before(step: int) -> Callable[[], int]:
    """Let this process be killed before its `step`-th change; returns what counts the changes."""
    taken = 0

    def dying(work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            nonlocal taken
            taken += 1
            if taken == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return work(*given, **named)

        return call

    for name in STEPS:
        setattr(os, name, dying(getattr(os, name)))
    return lambda: taken
