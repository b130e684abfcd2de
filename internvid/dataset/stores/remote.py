"""A bucket, as far as datasets need it: look, list, read, write whole, write if absent, remove.

What was seen is remembered for a moment, so that one operation does not put the same question over
and over. What was not there is looked for again each time: another process may have written it, and
lists may lag.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

from internvid.core.errors import DependencyMissingError
from internvid.dataset.stores.store_errors import ObjectExistsError, persistently

SCHEMES = ("s3", "gs", "az")
_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT", "AZURE_STORAGE_ACCOUNT_NAME"),
}
_ALLOW_HTTP = ("AWS_ALLOW_HTTP", "GOOGLE_ALLOW_HTTP", "AZURE_ALLOW_HTTP")
# A large object that is written in one request takes its time.
_TIMEOUT = "300s"
_CHUNK_BYTES = 16 << 20
_MULTIPART_BYTES = 32 << 20
# How long a list holds; long lists hold longer, so that they take a tenth of the time at most.
_FRESH_SECONDS = 2.0
_SHARE = 10.0
_LOOKS_BY_NAME = 8
_ABSENT_TRIES = 12


class ObjectFacts(NamedTuple):
    """What a store says of an object. `modified`: seconds. `version`: where it counts them."""

    size: int
    etag: str
    modified: float
    version: str = ""


@dataclass
class _Folder:
    until: float
    files: dict[str, ObjectFacts] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)


class Remote:
    """One bucket. Threads may use it at once.

    Args:
        scheme: `s3`, `gs` or `az`.
        bucket: its name.
    """

    def __init__(self, scheme: str, bucket: str) -> None:
        self.url = f"{scheme}://{bucket}"
        self._store: Any = _connect(scheme, bucket)
        self._lock = RLock()
        self._folders: dict[str, _Folder] = {}
        self._looks: dict[str, int] = {}

    def _at(self, key: str) -> str:
        return f"{self.url}/{key}"

    def facts(self, key: str) -> ObjectFacts | None:
        """What is known of an object; None where there is none."""
        folder, _, name = key.rpartition("/")
        with self._lock:
            looks = self._looks[folder] = self._looks.get(folder, 0) + 1
            known = self._folders.get(folder)
            is_known = known is not None and known.until > time.monotonic()
        # One object of a large folder is not worth a list of all; many of them are.
        if is_known or looks > _LOOKS_BY_NAME:
            found = self._listed(folder).files.get(name)
            if found is not None:
                return found
        return self.fresh_facts(key)

    def fresh_facts(self, key: str) -> ObjectFacts | None:
        """What the store says of an object now."""
        try:
            found = _facts(persistently(self._at(key), "read", lambda: self._store.head(key)))
        except FileNotFoundError:
            self._forget(key)
            return None
        self._note(key, found)
        return found

    def is_folder(self, key: str) -> bool:
        """Whether there are objects below a name."""
        if not key:
            return True
        known = self._listed(key)
        if not known.files and not known.folders:
            known = self._list(key)
        return bool(known.files or known.folders)

    def listed(self, key: str) -> tuple[dict[str, ObjectFacts], set[str]]:
        """What a folder holds now: objects, and names of folders."""
        found = self._list(key)
        with self._lock:
            return dict(found.files), set(found.folders)

    def _listed(self, key: str) -> _Folder:
        with self._lock:
            known = self._folders.get(key)
            if known is not None and known.until > time.monotonic():
                return known
        return self._list(key)

    def _list(self, key: str) -> _Folder:
        started = time.monotonic()
        prefix = f"{key}/" if key else ""
        answer = persistently(
            self._at(prefix), "list", lambda: self._store.list_with_delimiter(key or None)
        )
        found = _Folder(0.0)
        for each in answer["objects"]:
            found.files[each["path"].removeprefix(prefix)] = _facts(each)
        for each in answer["common_prefixes"]:
            found.folders.add(each.removeprefix(prefix).strip("/"))
        now = time.monotonic()
        found.until = now + max(_FRESH_SECONDS, _SHARE * (now - started))
        with self._lock:
            # What was written meanwhile is in the list that is known.
            self._folders[key] = found
            self._looks[key] = 0
        return found

    def forget_lists(self) -> None:
        """Look anew from now on."""
        with self._lock:
            self._folders.clear()
            self._looks.clear()

    def keys_below(self, key: str) -> Iterator[str]:
        """All objects below a folder, as the store lists them now."""
        prefix = f"{key}/" if key else ""

        def listed() -> list[str]:
            return [each["path"] for batch in self._store.list(key or None) for each in batch]

        for each in persistently(self._at(prefix), "list", listed):
            if each.startswith(prefix):
                yield each

    def read(self, key: str) -> bytes:
        """The bytes of an object.

        Raises:
            FileNotFoundError: there is none.
        """
        return self.read_fresh(key)[0]

    def read_fresh(self, key: str) -> tuple[bytes, ObjectFacts]:
        """The bytes of an object and what the store says of it."""

        def got() -> tuple[bytes, ObjectFacts]:
            answer = self._store.get(key)
            return bytes(answer.bytes()), _facts(answer.meta)

        data, facts = persistently(self._at(key), "read", got)
        self._note(key, facts)
        return data, facts

    def download(self, key: str, facts: ObjectFacts, target: Path) -> ObjectFacts | None:
        """Write an object into a file, a piece at a time.

        Returns:
            What the store states of these bytes; None where it was replaced meanwhile.

        Raises:
            FileNotFoundError: there is none.
        """
        if facts.size <= _CHUNK_BYTES:
            data, facts = self.read_fresh(key)
            target.write_bytes(data)
            return facts
        with target.open("wb") as file:
            for start in range(0, facts.size, _CHUNK_BYTES):
                stop = min(start + _CHUNK_BYTES, facts.size)
                file.write(self.read_range(key, start, stop))
        after = self.fresh_facts(key)
        return after if after is not None and after.etag == facts.etag else None

    def read_range(self, key: str, start: int, stop: int) -> bytes:
        """Some bytes of an object."""
        return bytes(
            persistently(
                self._at(key), "read", lambda: self._store.get_range(key, start=start, end=stop)
            )
        )

    def put(self, key: str, data: bytes | Path) -> ObjectFacts:
        """Write an object whole: it is replaced in one step, or stays what it was."""
        size, large = _size_of(data)

        def put() -> Any:
            return self._store.put(
                key, data, use_multipart=large, chunk_size=_CHUNK_BYTES, max_concurrency=4
            )

        answer = persistently(self._at(key), "write", put)
        return self._written(key, size, answer)

    def put_if_absent(self, key: str, data: bytes | Path) -> ObjectFacts | None:
        """Write an object unless there is one; None where somebody else's stands.

        That an object exists may be the answer to a request of ours whose first answer was lost; or
        to a conflict that stored nothing. So it is read back: the same bytes are ours.
        """
        size, _ = _size_of(data)
        wait = 0.05
        for _ in range(_ABSENT_TRIES):
            try:
                answer = persistently(
                    self._at(key),
                    "write",
                    lambda: self._store.put(key, data, mode="create", use_multipart=False),
                    is_conditional=True,
                )
                return self._written(key, size, answer)
            except ObjectExistsError:
                self._forget(key)
                there = self._same(key, data, size)
                if there is not None:
                    return there[1] if there[0] else None
            time.sleep(wait)
            wait = min(2 * wait, 1.0)
        # Conflicts without end: whatever the reason, nothing of ours is there.
        persistently(self._at(key), "write", functools.partial(_refused, self._at(key)))
        return None

    def _same(self, key: str, data: bytes | Path, size: int) -> tuple[bool, ObjectFacts] | None:
        """Whether the object has these bytes; None where there is none."""
        facts = self.fresh_facts(key)
        if facts is None:
            return None
        if facts.size != size:
            return False, facts
        try:
            stored, facts = self.read_fresh(key)
        except FileNotFoundError:
            return None
        ours = data if isinstance(data, bytes) else data.read_bytes()
        return stored == ours, facts

    def update(self, key: str, change: Callable[[bytes], bytes]) -> None:
        """Write an object anew from what it holds, losing nothing that others write meanwhile.

        Args:
            key: its name; one that is not there holds no bytes.
            change: makes its new bytes; called again where others were faster.
        """
        wait = 0.05
        while True:
            try:
                before, facts = self.read_fresh(key)
            except FileNotFoundError:
                if self.put_if_absent(key, change(b"")) is not None:
                    return
                continue
            after = change(before)
            if after == before or self._replaced(key, after, facts):
                return
            time.sleep(wait)
            wait = min(2 * wait, 1.0)

    def _replaced(self, key: str, data: bytes, facts: ObjectFacts) -> bool:
        """Write an object if it is what it was; whether ours stands there."""
        mode = {"e_tag": facts.etag, **({"version": facts.version} if facts.version else {})}
        try:
            answer = persistently(
                self._at(key),
                "write",
                lambda: self._store.put(key, data, mode=mode, use_multipart=False),
                is_conditional=True,
            )
        except ObjectExistsError:
            # The answer to our own, made twice, may be that it was changed.
            there = self._same(key, data, len(data))
            return there is not None and there[0]
        self._written(key, len(data), answer)
        return True

    def remove(self, key: str) -> None:
        """Remove an object; one that is not there is fine."""
        with contextlib.suppress(FileNotFoundError):
            persistently(self._at(key), "remove", lambda: self._store.delete(key))
        self._forget(key)

    def opened(self, key: str) -> Any:
        """An object as a file that is read by ranges."""
        import obstore

        return persistently(
            self._at(key),
            "read",
            lambda: obstore.open_reader(self._store, key, buffer_size=1 << 20),
        )

    def _written(self, key: str, size: int, answer: Any) -> ObjectFacts:
        etag = answer.get("e_tag") or ""
        found = ObjectFacts(size, etag, time.time()) if etag else self.fresh_facts(key)
        if found is None:
            found = ObjectFacts(size, "", time.time())
        self._note(key, found)
        return found

    def _note(self, key: str, found: ObjectFacts) -> None:
        with self._lock:
            folder, _, name = key.rpartition("/")
            if folder in self._folders:
                self._folders[folder].files[name] = found
            while folder:
                folder, _, name = folder.rpartition("/")
                if folder in self._folders:
                    self._folders[folder].folders.add(name)

    def _forget(self, key: str) -> None:
        with self._lock:
            folder, _, name = key.rpartition("/")
            listed = self._folders.get(folder)
            if listed is None:
                return
            listed.files.pop(name, None)
            # A folder without objects is none any more.
            while folder and listed is not None and not listed.files and not listed.folders:
                folder, _, name = folder.rpartition("/")
                listed = self._folders.get(folder)
                if listed is not None:
                    listed.folders.discard(name)


def _refused(url: str) -> None:
    raise TimeoutError(f"{url}: the store reports conflicts without end")


def _size_of(data: bytes | Path) -> tuple[int, bool]:
    size = len(data) if isinstance(data, bytes) else data.stat().st_size
    return size, size > _MULTIPART_BYTES


def _facts(answer: Any) -> ObjectFacts:
    return ObjectFacts(
        answer["size"],
        answer["e_tag"] or "",
        answer["last_modified"].timestamp(),
        answer.get("version") or "",
    )


@functools.lru_cache(maxsize=64)
def remote_of(scheme: str, bucket: str, endpoint: str) -> Remote:
    """The bucket of an address; one for each in a process. `endpoint`: see `endpoint_name`."""
    del endpoint  # part of the key alone
    return Remote(scheme, bucket)


def endpoint_name(scheme: str) -> str:
    """A short name of where buckets of a scheme are, by the environment."""
    values = [os.environ.get(name, "") for name in _ENDPOINTS[scheme]]
    return hashlib.sha256("\n".join(values).encode()).hexdigest()[:8]


def require_obstore() -> None:
    """Make sure that object stores can be spoken to.

    Raises:
        DependencyMissingError: obstore is not installed.
    """
    try:
        import obstore  # noqa: F401
    except ImportError as error:
        raise DependencyMissingError(
            "datasets and videos in object stores need obstore, which is not installed",
            hint="pip install 'internvid[s3]'",
        ) from error


def _connect(scheme: str, bucket: str) -> Any:
    require_obstore()
    from obstore.store import AzureStore, GCSStore, S3Store

    kind: Callable[..., Any] = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}[scheme]
    return persistently(
        f"{scheme}://{bucket}",
        "read",
        lambda: kind(
            bucket,
            client_options=client_options(scheme),
            retry_config={"max_retries": 3},
        ),
    )


def client_options(scheme: str) -> dict[str, Any]:
    """How servers of a scheme are spoken to, by the environment."""
    return {
        "timeout": _TIMEOUT,
        "connect_timeout": "10s",
        "allow_http": _is_http_allowed(scheme),
    }


def _is_http_allowed(scheme: str) -> bool:
    values = [os.environ.get(name, "").lower() for name in _ALLOW_HTTP]
    if any(value in ("1", "true", "yes") for value in values):
        return True
    return any(os.environ.get(name, "").startswith("http://") for name in _ENDPOINTS[scheme])
