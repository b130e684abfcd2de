"""Runs an `internvid` command that ends when whoever started it does.

Its standard input is the read end of a pipe, which is closed with the process that holds the other
end, however that ends: the command is interrupted then as by Ctrl-C.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import sys
import threading
import time

_TIMES, _AGAIN_SECONDS = 5, 2.0


def main() -> None:
    """Run the command in the arguments."""
    # The group of a server in the background ignores Ctrl-C, and so would this process.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_watch, daemon=True).start()
    sys.argv = ["internvid", *sys.argv[1:]]
    runpy.run_module("internvid", run_name="__main__")


def _watch() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    for _ in range(_TIMES):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(_AGAIN_SECONDS)
    os._exit(130)
