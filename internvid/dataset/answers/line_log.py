"""Logs of lines that are only ever appended: on disk before it is answered, whole after a kill."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from internvid.dataset.parts import commit_bytes, storage_errors, sync_folder
from internvid.dataset.stores.store_path import StorePath

_LOCK = "lock"


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Nobody else writes the log of a folder meanwhile; waits for whoever does."""
    path = folder / _LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def append_lines(path: Path, lines: Sequence[bytes]) -> None:
    """Append lines to a log, all of them or none; they are on disk when this returns.

    Args:
        path: of the log; it is made, with its folder, where it is not there.
        lines: without their ends.

    Raises:
        StorageError: they cannot be written.
    """
    if isinstance(path, StorePath):
        new = b"".join(line + b"\n" for line in lines)
        path.remote.update(path.key, lambda old: old + new)
        os.fspath(path)  # queries that are open read the copy
        return
    with storage_errors(path), locked_folder(path.parent):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            # A line that a kill cut off stays apart from the next one.
            is_torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            data = (b"\n" if is_torn else b"") + b"".join(line + b"\n" for line in lines)
            written = os.write(descriptor, data)
            if written != len(data):
                os.ftruncate(descriptor, size)
                raise OSError(28, os.strerror(28))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if not size:
            sync_folder(path.parent)


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Write a log anew from what it holds, losing nothing that others append meanwhile.

    Args:
        path: of the log; one that is not there holds nothing.
        change: makes its new bytes.

    Raises:
        StorageError: it cannot be written.
    """
    if isinstance(path, StorePath):
        path.remote.update(path.key, change)
        return
    with storage_errors(path), locked_folder(path.parent):
        commit_bytes(path, change(path.read_bytes() if path.exists() else b""))
