"""A folder for what is converted and spilled: it goes when its owner does, however that ends."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from internvid.dataset.parts import storage_errors

_PREFIX = "internvid-rows-"


@contextmanager
def scratch_folder(parent: Path | None) -> Iterator[Path]:
    """A new folder, removed at the end; those of processes that were killed are removed first.

    A folder is held by a lock, which the system frees however its process ends.

    Args:
        parent: where; null for the system's folder for temporary files.

    Raises:
        StorageError: it cannot be made.
    """
    place = Path(tempfile.gettempdir()) if parent is None else parent
    with storage_errors(place):
        place.mkdir(parents=True, exist_ok=True)
        for left in place.glob(_PREFIX + "*"):
            _remove_unowned(left)
        folder, descriptor = _made(place)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _made(place: Path) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        descriptor = _locked(folder)
        # Between the two steps another process may have taken it for one without an owner.
        if descriptor is not None and folder.exists():
            return folder, descriptor
        if descriptor is not None:
            os.close(descriptor)


def _remove_unowned(folder: Path) -> None:
    descriptor = _locked(folder)
    if descriptor is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _locked(folder: Path) -> int | None:
    """A descriptor that holds a folder; null where another does, or it is not ours to hold."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
