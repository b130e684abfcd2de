"""What is kept on this machine of object stores: a bounded copy of what is read and written.

A kept file bears the name of its object, and its time of modification stands for the object's ETag:
what the object was before is never shown.
Nothing here needs to be kept: whatever is removed is fetched again.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from internvid.core.errors import ConfigInvalidError, StorageError
from internvid.core.system.temporary import is_left_over, is_temporary, new_temporary
from internvid.dataset.stores.remote import ObjectFacts, Remote

CACHE_VARIABLE = "INTERNVID_CACHE"
SIZE_VARIABLE = "INTERNVID_CACHE_GB"
_DEFAULT_GB = 20.0
# Kept for whoever has just been given its name.
_IN_USE_SECONDS = 600.0
_LOOK_EVERY_BYTES = 64 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENOTDIR})


class _OfProcess:
    """What a process knows of the cache: copies that it needs, and bytes since the last look."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.pinned: set[str] = set()
        self.bytes_since_look = _LOOK_EVERY_BYTES


@functools.cache
def _of_process() -> _OfProcess:
    return _OfProcess()


def cache_root() -> Path:
    """The folder of all that is kept of stores: `$INTERNVID_CACHE`, or in the user's cache."""
    stated = os.environ.get(CACHE_VARIABLE)
    if stated:
        return Path(os.path.abspath(stated))
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(os.path.abspath(base)) / "internvid"


def objects_root() -> Path:
    """The folder that mirrors the names of objects."""
    return cache_root() / "stores"


def spool_folder(name: str) -> Path:
    """A folder for files on their way, made. `name`: of what they belong to."""
    folder = cache_root() / "spool" / hashlib.sha256(name.encode()).hexdigest()[:16]
    with spool_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def spool_errors(folder: Path) -> Iterator[None]:
    """Turns a full or refusing cache disk into a StorageError that names it."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL | _REFUSED:
            raise
        what = os.strerror(error.errno or 0).lower()
        way = "free space there" if error.errno in _FULL else "fix the permission"
        raise StorageError(
            f"cannot write {folder}: {what}",
            hint=f"{way}, or name a folder with room by {CACHE_VARIABLE}; then run the same "
            "command again: it goes on where it stopped",
        ) from error


def _mark(etag: str) -> int:
    """What stands for an ETag as a time of modification, in nanoseconds: below 2**31 seconds."""
    digest = int.from_bytes(hashlib.sha256(etag.encode()).digest()[:16], "big")
    return (digest >> 64) % (1 << 31) * 1_000_000_000 + digest % 1_000_000_000


def is_kept(mirror: Path, facts: ObjectFacts) -> bool:
    """Whether an object's bytes are here; notes that they are in use.

    Args:
        mirror: its name below `objects_root`.
        facts: what the store says of it.
    """
    try:
        here = mirror.stat()
        mark = _mark(facts.etag)
        if not facts.etag or here.st_mtime_ns != mark or here.st_size != facts.size:
            return False
        os.utime(mirror, ns=(time.time_ns(), mark))
    except OSError:
        return False
    return True


def fetched(remote: Remote, key: str, mirror: Path) -> Path:
    """The file with an object's bytes, fetched if it is not kept.

    Raises:
        FileNotFoundError: there is no such object.
        StorageError: it cannot be read, or not be written here.
    """
    for _ in range(8):
        facts = remote.facts(key)
        if facts is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), f"{remote.url}/{key}")
        if is_kept(mirror, facts):
            return mirror
        with spool_errors(cache_root()):
            make_room(facts.size)
            mirror.parent.mkdir(parents=True, exist_ok=True)
            temporary = new_temporary(mirror)
            try:
                got = remote.download(key, facts, temporary)
                if got is None:
                    continue  # replaced while it was read
                _settle(temporary, mirror, got)
                return mirror
            finally:
                temporary.unlink(missing_ok=True)
    raise StorageError(
        f"{remote.url}/{key} changes again and again while it is read",
        hint="wait until nobody writes to it",
    )


def keep(source: Path, mirror: Path, facts: ObjectFacts) -> None:
    """Keep the bytes of an object that was written from a file of the cache; the file is taken."""
    try:
        if facts.etag:
            mirror.parent.mkdir(parents=True, exist_ok=True)
            _settle(source, mirror, facts)
    except OSError:
        pass  # it is fetched when it is needed
    finally:
        source.unlink(missing_ok=True)
    make_room(facts.size)


def _settle(file: Path, mirror: Path, facts: ObjectFacts) -> None:
    # The time of modification names the ETag: a file and what it shows come in one step.
    os.utime(file, ns=(time.time_ns(), _mark(facts.etag)))
    os.replace(file, mirror)


def pin(path: str) -> None:
    """Keep a file for as long as this process runs."""
    with _of_process().lock:
        _of_process().pinned.add(path)


def limit_bytes() -> int:
    """How much may be kept.

    Raises:
        ConfigInvalidError: the environment states no number.
    """
    stated = os.environ.get(SIZE_VARIABLE)
    try:
        return int(float(stated or _DEFAULT_GB) * 1e9)
    except ValueError as error:
        raise ConfigInvalidError(
            f"{SIZE_VARIABLE} is {stated!r}, not a number of gigabytes",
            hint=f"for example {SIZE_VARIABLE}=50",
        ) from error


def make_room(size: int) -> None:
    """Before or after so many bytes more: remove what was not used for longest."""
    ours = _of_process()
    with ours.lock:
        ours.bytes_since_look += size
        if ours.bytes_since_look < min(_LOOK_EVERY_BYTES, limit_bytes() // 8):
            return
        ours.bytes_since_look = 0
    now = time.time()
    files: list[tuple[float, int, str]] = []
    for folder, _, names in os.walk(objects_root()):
        for name in names:
            path = os.path.join(folder, name)
            with contextlib.suppress(OSError):
                facts = os.stat(path)
                if is_temporary(name):
                    if is_left_over(Path(path), now):
                        os.unlink(path)
                    continue
                files.append((facts.st_atime, facts.st_size, path))
    over = sum(each[1] for each in files) + size - limit_bytes()
    for used, held, path in sorted(files):
        if over <= 0:
            return
        if path in ours.pinned or 0 <= now - used < _IN_USE_SECONDS:
            continue
        with contextlib.suppress(OSError):
            os.unlink(path)
            over -= held
