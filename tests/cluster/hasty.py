"""`internvid ARGUMENTS`, with less patience for workers that hang."""

from __future__ import annotations

import sys
from typing import Any

from internvid.cli.app import main
from internvid.pipeline import build as building
from internvid.run import executor

made = executor.local_executor


def hasty(workers: int | None = None, **limits: Any) -> executor.LocalExecutor:
    return made(workers, hang_cpu_seconds=5.0, **limits)


if __name__ == "__main__":
    executor.local_executor = hasty
    vars(building)["local_executor"] = hasty
    sys.exit(main())
