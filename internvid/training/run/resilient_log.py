"""A log on a full disk: what does not fit waits in memory and is tried again with the next line."""

from __future__ import annotations

import errno
import os
from pathlib import Path


class ResilientLog:
    """Appends to a file after its new beginning; whole additions only.

    A log must not end a run that could still write its next checkpoint, and a checkpoint that
    cannot be written ends it with the reason. So nothing is raised here before `close`.

    Args:
        path: of the file.
        start: its first bytes, in place of all that it holds.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, path: Path, start: bytes = b"") -> None:
        # Unbuffered: what is not on the disk is known to wait here.
        path.touch()
        self._file = path.open("r+b", buffering=0)
        self._end = 0
        self._waiting = start
        self._try()

    def add(self, data: bytes) -> None:
        """Append, together with what waits."""
        self._waiting += data
        self._try()

    def close(self) -> None:
        """Try once more, and close.

        Raises:
            OSError: there is still no room.
        """
        try:
            fault = self._try()
        finally:
            self._file.close()
        if fault is not None:
            raise fault

    def _try(self) -> OSError | None:
        try:
            self._file.seek(self._end)
            written = self._file.write(self._waiting)
            if written == len(self._waiting):
                self._end, self._waiting = self._end + written, b""
                self._file.truncate()
                return None
            # No half lines, but the old beginning rather than none.
            if self._end:
                self._file.truncate(self._end)
            return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            return error
