"""Functions for worker processes: some answer, some die, some hang."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from internvid.core.errors import StorageError, VideoUnreadableError


def behave(item: str, report: Any) -> str:
    report(1.0)
    if item == "exit":
        os._exit(3)
    if item == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if item == "spin":
        while True:
            pass
    if item == "sleep":
        time.sleep(600)
    if item == "typed":
        raise VideoUnreadableError("no frames in it", reason="no_frames")
    if item == "bug":
        raise KeyError("surprise")
    if item == "disk":
        raise StorageError("the disk is full", hint="free some")
    return item.upper()
