"""`internvid ARGUMENTS`, with less patience for workers that hang."""

from __future__ import annotations

import sys
from typing import Any

from internvid.cli.app import main
from internvid.run.executor import LocalExecutor

made = LocalExecutor.__init__


def hasty(self: LocalExecutor, *fields: Any, **named: Any) -> None:
    made(self, *fields, **{"hang_cpu_seconds": 5.0, **named})


if __name__ == "__main__":
    vars(sys.modules[LocalExecutor.__module__])["LocalExecutor"].__init__ = hasty
    sys.exit(main())
