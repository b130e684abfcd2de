"""Files behind web addresses, read as objects of a store are; nothing is written there."""

from __future__ import annotations

import email.utils
import errno
import http.client
import os
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn
from urllib.parse import quote, unquote

from internvid.core.errors import StorageError
from internvid.core.system.public_addresses import is_public
from internvid.dataset.stores.remote import ObjectFacts
from internvid.dataset.stores.store_errors import (
    StoreMissingError,
    StoreRefusedError,
    StoreUnreachableError,
)

_TIMEOUT_SECONDS = 60.0
_TRIES = 5
_FIRST_WAIT_SECONDS = 0.2
_PIECE_BYTES = 1 << 20
_FRESH_SECONDS = 2.0
_STEP = 180  # characters of a name in a folder: file systems take 255 bytes
_FILE = "file"
_AGENT = "internvid"
ALLOW_PRIVATE = "INTERNVID_ALLOW_PRIVATE"
"""Environment variable: 1 lets sources lie on this machine and in its own network."""
_GONE = frozenset({404, 410})
_REFUSED = frozenset({401, 403, 407, 451})
_PASSING = frozenset({408, 409, 425, 429})


def web_key(rest: str, suffix: str) -> str:
    """An address without its scheme as the name of an object, from which it is had again."""
    name = quote(rest, safe="")
    steps = [name[start : start + _STEP] for start in range(0, len(name), _STEP)]
    return "/".join([*steps, _FILE + suffix])


class WebRemote:
    """All files of one scheme, `http` or `https`; see `Remote`."""

    def __init__(self, scheme: str) -> None:
        self.url = f"{scheme}:/"
        self._scheme = scheme
        self._lock = Lock()
        self._known: dict[str, tuple[float, ObjectFacts | None]] = {}

    def address(self, key: str) -> str:
        """The address of a name of `web_key`."""
        return f"{self._scheme}://{unquote(''.join(key.split('/')[:-1]))}"

    def facts(self, key: str) -> ObjectFacts | None:
        """What the server says of a file; remembered for a moment. None where there is none."""
        with self._lock:
            until, found = self._known.get(key, (0.0, None))
        return found if until > time.monotonic() else self.fresh_facts(key)

    def fresh_facts(self, key: str) -> ObjectFacts | None:
        """What the server says now. One byte is read: many answer nothing else but reading."""
        found: ObjectFacts | None
        try:
            found = self._persistently(key, lambda: self._first_byte(key))
        except FileNotFoundError:
            found = None
        with self._lock:
            if len(self._known) > 10_000:
                self._known.clear()
            self._known[key] = (time.monotonic() + _FRESH_SECONDS, found)
        return found

    def is_folder(self, key: str) -> bool:
        """Never: what a folder holds is not to be known."""
        del key
        return False

    def listed(self, key: str) -> NoReturn:
        """Web addresses have no lists."""
        raise StorageError(
            f"what {self.address(key)} holds cannot be listed", hint="name its files in a table"
        )

    def read(self, key: str) -> bytes:
        """The bytes of a file."""
        data: bytes = self._persistently(key, lambda: self._opened(key).read())
        return data

    def download(self, key: str, facts: ObjectFacts, target: Path) -> ObjectFacts | None:
        """Write a file; goes on where a connection broke. None where it was replaced meanwhile."""
        with target.open("wb") as file:

            def more() -> bool:
                start = file.tell()
                with self._opened(key, start) as answer:
                    if start and answer.status != 206:
                        file.seek(0)
                        file.truncate()
                    if _identity(answer) != facts.etag:
                        return False
                    while piece := answer.read(_PIECE_BYTES):
                        file.write(piece)
                if facts.size and file.tell() < facts.size:
                    raise http.client.IncompleteRead(b"")
                return True

            if not self._persistently(key, more, file.tell):
                self.fresh_facts(key)
                return None
            return facts._replace(size=file.tell())

    def _first_byte(self, key: str) -> ObjectFacts:
        with self._opened(key, 0, 0) as answer:
            total = answer.headers.get("Content-Range", "").rpartition("/")[2]
            length = total if answer.status == 206 else answer.headers.get("Content-Length", "")
            size = int(length) if length.isdecimal() else 0
            when = answer.headers.get("Last-Modified")
            seconds = _seconds_of(when)
            return ObjectFacts(size, _identity(answer), seconds)

    def _opened(self, key: str, start: int = 0, last: int | None = None) -> Any:
        request = urllib.request.Request(self.address(key))
        request.add_header("User-Agent", _AGENT)
        request.add_header("Accept-Encoding", "identity")
        if start or last is not None:
            request.add_header("Range", f"bytes={start}-{'' if last is None else last}")
        return _OPENER.open(request, timeout=_TIMEOUT_SECONDS)

    def _persistently(self, key: str, call: Any, reached: Any = lambda: 0) -> Any:
        """What a request answers; made again while the trouble may pass, or it got further."""
        url, at, left, wait = self.address(key), -1, _TRIES, _FIRST_WAIT_SECONDS
        while True:
            try:
                return call()
            except urllib.error.HTTPError as error:
                error.close()
                if error.code == 416:  # of an empty file there is no first byte
                    return ObjectFacts(0, "empty", 0.0)
                _refuse(url, error)
                reason = f"the server answered {error.code}"
            except (OSError, http.client.HTTPException) as error:
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise
                reason = str(getattr(error, "reason", error)) or type(error).__name__
            except ValueError as error:
                raise StoreMissingError(f"{url} is no web address: {error}") from error
            if reached() > at:
                at, left, wait = reached(), _TRIES, _FIRST_WAIT_SECONDS
            left -= 1
            if left <= 0:
                raise StoreUnreachableError(
                    f"cannot read {url}: {reason}", hint="run the same command again later"
                )
            time.sleep(wait)
            wait *= 2


def _refuse(url: str, error: urllib.error.HTTPError) -> None:
    """Raise for an answer that another try would not change."""
    if error.code in _GONE:
        raise FileNotFoundError(errno.ENOENT, "no such file", url) from error
    if error.code in _REFUSED:
        raise StoreRefusedError(
            f"cannot read {url}: the server answered {error.code}", hint="see who may read it"
        ) from error
    if 400 <= error.code < 500 and error.code not in _PASSING:
        raise StoreMissingError(f"cannot read {url}: the server answered {error.code}") from error


def _identity(answer: Any) -> str:
    """What tells one version of a file from another: its ETag, or when it was changed."""
    headers = answer.headers
    return str(headers.get("ETag") or headers.get("Last-Modified") or "unknown")


def _seconds_of(when: str | None) -> float:
    try:
        return email.utils.parsedate_to_datetime(when).timestamp() if when else 0.0
    except ValueError:
        return 0.0


def _connected(address: tuple[str, int], *further: Any) -> socket.socket:
    """A connection to an address on the internet: names are resolved once, and checked here.

    Raises:
        StoreRefusedError: the name stands for an address that is not public.
        OSError: there is none, or nobody answers.
    """
    host, port = address
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    places = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if os.environ.get(ALLOW_PRIVATE, "") in ("", "0"):
        for place in places:
            if not is_public(place):
                raise StoreRefusedError(
                    f"{host} is {place}, which is not public",
                    hint=f"if you trust the table of sources: {ALLOW_PRIVATE}=1",
                )
    trouble = OSError(f"{host} has no address")
    for place in places:
        try:
            return socket.create_connection((place, port), *further)
        except OSError as error:
            trouble = error
    raise trouble


class _Http(http.client.HTTPConnection):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._create_connection = _connected


class _Https(http.client.HTTPSConnection):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._create_connection = _connected


class _HttpHandler(urllib.request.HTTPHandler):
    def http_open(self, req: Any) -> Any:
        return self.do_open(http.client.HTTPConnection if req.has_proxy() else _Http, req)


class _HttpsHandler(urllib.request.HTTPSHandler):
    def https_open(self, req: Any) -> Any:
        # What a proxy may reach, the proxy decides.
        is_proxied = getattr(req, "_tunnel_host", None)
        return self.do_open(http.client.HTTPSConnection if is_proxied else _Https, req)


class _WebOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: Any
    ) -> Any:
        if not newurl.lower().startswith(("http://", "https://")):
            raise urllib.error.HTTPError(newurl, 403, "leads off the web", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


# Web addresses only: what a list names is no file of this machine.
_OPENER = urllib.request.OpenerDirector()
for _handler in (
    urllib.request.ProxyHandler(),
    _HttpHandler(),
    _HttpsHandler(),
    urllib.request.HTTPDefaultErrorHandler(),
    urllib.request.HTTPErrorProcessor(),
    _WebOnly(),
):
    _OPENER.add_handler(_handler)
