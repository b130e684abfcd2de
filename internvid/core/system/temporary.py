"""Names of files that are being written, of which no other process can have the same.

A file appears under such a name and is renamed when it is whole. Process ids alone do not tell
writers apart: two hosts, or two containers, that share a folder may both have a process 7.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
from pathlib import Path

SUFFIX = ".writing"
# A file name takes 255 bytes on the common file systems; ids and suffix take less than 80.
_MOST_BYTES = 170
_NAME = re.compile(r"\.(?P<place>[A-Za-z0-9_-]+)\.(?P<pid>\d+)\.[0-9a-f]{12}\.writing")
DAY_SECONDS = 86_400.0


def new_temporary(path: Path) -> Path:
    """Make an empty file beside `path`, under a name that nobody else has.

    Of the path of an object in a store it is one on this machine.

    Raises:
        OSError: it cannot be made.
    """
    elsewhere = getattr(path, "temporary", None)
    if elsewhere is not None:  # of what is no file here
        made: Path = elsewhere()
        return made
    stem = os.fsdecode(os.fsencode(path.name)[:_MOST_BYTES])
    while True:
        name = f"{stem}.{_place()}.{os.getpid()}.{secrets.token_hex(6)}{SUFFIX}"
        made = path.with_name(name)
        try:
            os.close(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        except FileExistsError:
            continue
        return made


def is_temporary(name: str) -> bool:
    """Whether a file name is that of a file being written, or left by a process that was killed."""
    return name.endswith(SUFFIX)


def is_left_over(path: Path, now: float) -> bool:
    """Whether the writer of a temporary file is gone: it ran here and has ended, or a day passed.

    Of a writer on another host only the file's age is known.

    Args:
        path: the file.
        now: the clock of its file system, seconds.
    """
    match = _NAME.search(path.name)
    if match is not None and match["place"] == _place() and not _is_alive(int(match["pid"])):
        return True
    try:
        return now - path.stat().st_mtime > DAY_SECONDS
    except OSError:
        return False


def _place() -> str:
    """Where process ids mean the same: a host, and on Linux the container in it."""
    host = re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname())[:32] or "host"
    try:
        return f"{host}-{os.stat('/proc/self/ns/pid').st_ino:x}"
    except OSError:
        return host


def _is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # One that ended but was not waited for still has a number.
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (OSError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
