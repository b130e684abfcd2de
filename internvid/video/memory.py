"""How the process holds on to memory that it frees and asks for again at once."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # numbers of glibc's mallopt
_KEPT_BYTES = 32 << 20


@functools.cache
def keep_freed_memory() -> None:
    """Let freed blocks of up to 16 MiB be used again instead of going back to the system.

    A scan makes and drops arrays of some hundred KiB thousands of times. By default glibc returns
    such blocks at once and every page of the next one has to be mapped and cleared again, which was
    3 % of a scan's time. At most `_KEPT_BYTES` more stay with the process. Without glibc nothing
    happens.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, _KEPT_BYTES // 2)
        library.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
