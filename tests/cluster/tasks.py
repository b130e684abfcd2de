"""What workers of a cluster are given in tests."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from internvid.core.errors import StorageError


def double(item: str, report: Any) -> str:
    """Twice the text, or some harm."""
    report(0.5)
    if item == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if item == "hang":
        time.sleep(600)
    if item == "bug":
        raise KeyError(item)
    if item == "stop":
        raise StorageError("the disk is full", hint="free space")
    return item * 2
