"""A worker process: takes (function, item) from its connection, answers with the outcome.

Started by the executor, which hands on its path and says which modules lie in the current folder;
ends when the connection does.
"""

from __future__ import annotations

import contextlib
import ctypes
import pickle
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from typing import Any

from internvid.core.errors import ConfigInvalidError, InternvidError, VideoError
from internvid.core.system.imports import find_in
from internvid.run.executor import Failure

_PR_SET_PDEATHSIG = 1


def main(descriptor: int) -> None:
    """Serve the connection until it closes."""
    # The parent decides what Ctrl-C means; it ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent()
    connection = Connection(descriptor)
    try:
        find_in(connection.recv())
    except (EOFError, ConnectionResetError):
        return
    while True:
        try:
            work = connection.recv_bytes()
        except (EOFError, ConnectionResetError):
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.send(_outcome(work, connection))


def _outcome(work: bytes, connection: Connection) -> tuple[str, Any]:
    def report(value: Any) -> None:
        try:
            connection.send(("progress", value))
        except (BrokenPipeError, ConnectionResetError) as error:
            # Whoever started this process is gone. As an error of the operating system it would
            # be taken for one of reading the source, and be kept as its failure.
            raise SystemExit(1) from error

    try:
        function, item = pickle.loads(work)
    except Exception as error:  # whatever a stranger's module raises when it is imported
        text = f"{type(error).__name__}: {error}"
        return "stop", ConfigInvalidError(
            f"a worker process cannot load a component: {text}",
            hint="put its class into a module that can be imported by name",
        )
    try:
        return "value", function(item, report)
    except VideoError as error:
        return "failure", Failure(error.reason, error.message)
    except InternvidError as error:
        return "stop", error
    except MemoryError:
        return "failure", Failure("out_of_memory", "decoding it needs more memory than allowed")
    except Exception as error:  # the boundary of a process: any trouble must become an answer
        text = f"{type(error).__name__}: {error}"
        return "failure", Failure("bug", text, traceback.format_exc())


def _die_with_parent() -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
