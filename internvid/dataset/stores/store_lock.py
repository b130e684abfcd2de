"""Who writes to a dataset in a store: a record that its holder renews.

Clocks of machines are never compared. Whoever finds the record held watches it: once its count has
not changed for long enough by the watcher's own clock, its holder is gone, and the next number is
taken, which one of all watchers gets. Nothing depends on it for being right: what is written is
written whole, and records are numbered. It saves work that would be done twice.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from internvid.core.errors import DatasetBusyError, InternvidError
from internvid.dataset.stores.numbered import newest, numbered, put_next
from internvid.dataset.stores.store_path import StorePath

RENEW_SECONDS = 3.0
MISSED = 5
"""Renewals that a holder may miss before it counts as gone."""


@contextmanager
def store_held(folder: StorePath, busy: InternvidError, *, shared: bool = False) -> Iterator[None]:
    """Hold the record of a folder in a store; see `internvid.dataset.parts.held`.

    Args:
        folder: where its numbers are.
        busy: what is raised where another process holds it.
        shared: others that share it may hold it too.

    Raises:
        InternvidError: `busy`; or another process took it over because this one seemed gone.
        StorageError: the store refuses.
    """
    if shared:
        with _held_alone_or_shared(folder, busy):
            yield
        return
    number, nonce = _taken(folder, busy)
    if _sharers(folder):
        _put(numbered(folder, number), nonce, 0, held=False)
        raise busy
    with _renewed(numbered(folder, number), nonce) as lost:
        yield
        if lost.is_set() or newest(folder) > number:
            raise DatasetBusyError(
                f"another process took over the writing to {folder.parent}: this one had not been "
                "heard of for too long",
                hint="run the same command again: what was written stays",
            )


def _taken(folder: StorePath, busy: InternvidError) -> tuple[int, str]:
    nonce = secrets.token_hex(16)
    for _ in range(16):
        number = newest(folder)
        if number and _is_held(numbered(folder, number)):
            raise busy
        body = _body(nonce, 0, held=True)
        if put_next(folder, number + 1, body):
            return number + 1, nonce
    raise busy


@contextmanager
def _held_alone_or_shared(folder: StorePath, busy: InternvidError) -> Iterator[None]:
    nonce = secrets.token_hex(16)
    path = folder / "shared" / f"{nonce}.json"
    _put(path, nonce, 0, held=True)
    try:
        with _renewed(path, nonce):
            # Ours is there before we look: of two that come at once, at least one sees the other.
            number = newest(folder)
            if number and _is_held(numbered(folder, number)):
                raise busy
            yield
    finally:
        path.unlink(missing_ok=True)


def _sharers(folder: StorePath) -> bool:
    """Whether somebody shares it; what the dead left is removed."""
    below = folder / "shared"
    folder.remote.forget_lists()
    for name in sorted(folder.remote.listed(below.key)[0]):
        if _is_held(below / name):
            return True
        (below / name).unlink(missing_ok=True)
    return False


def _is_held(path: StorePath) -> bool:
    """Whether the holder of a record is alive; waits until that is known."""
    before = _read(path)
    until = time.monotonic() + RENEW_SECONDS * MISSED
    while before is not None and before.get("held"):
        if time.monotonic() >= until:
            return False
        time.sleep(RENEW_SECONDS / 3)
        now = _read(path)
        if now is not None and now.get("held") and now != before:
            return True
        before = now
    return False


@contextmanager
def _renewed(path: StorePath, nonce: str) -> Iterator[threading.Event]:
    """Renews a record until the block ends, which frees it."""
    stop, lost = threading.Event(), threading.Event()

    def renew() -> None:
        count = 0
        while not stop.wait(RENEW_SECONDS):
            count += 1
            try:
                found = _read(path)
                if found is None or found.get("nonce") != nonce:
                    lost.set()
                    return
                _put(path, nonce, count, held=True)
            except (InternvidError, OSError):
                continue  # the next one may get through

    thread = threading.Thread(target=renew, name="internvid-renew", daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        stop.set()
        thread.join()
        if not lost.is_set():
            _put(path, nonce, -1, held=False)


def _put(path: StorePath, nonce: str, count: int, *, held: bool) -> None:
    path.remote.put(path.key, _body(nonce, count, held=held))


def _body(nonce: str, count: int, *, held: bool) -> bytes:
    return json.dumps({"nonce": nonce, "count": count, "held": held}).encode()


def _read(path: StorePath) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None
