"""Bytes to a server and back: one pool of connections in one event loop in one thread.

It uses httpcore2, the engine of httpx2, directly: at hundreds of requests a second the objects
that httpx2 wraps around each would cost more than everything else here together.

Each request has a connection of its own. On a connection that is used again, a server (or a proxy)
that sends something after its answer has it taken for the answer to the next request: the wrong
caption on the next clip, and nothing in HTTP/1.1 that would show it. Tests found that guarding
against it by looking at the connection first leaves a race. Models take far longer to answer than a
connection takes to open.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import threading
import urllib.request
from collections.abc import Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpcore2

from internvid.captions.connection import AsyncioBackend

if TYPE_CHECKING:
    from internvid.captions.served import ServedModel

# No caption is as long as this; a server that sends without end is cut off.
_MOST_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Reply:
    """What a server sent back.

    Attributes:
        status: of HTTP.
        headers: lower-case names.
        body: whole.
    """

    status: int
    headers: dict[str, str]
    body: bytes


class ConnectionLostError(Exception):
    """The server cannot be reached, or went away before its answer was whole."""


class Transport:
    """Connections to one server.

    Args:
        served: address, number of connections, time limits.
        key: sent as a bearer token; None for none.
    """

    def __init__(self, served: ServedModel, key: str | None) -> None:
        self._base = served.base_url.rstrip("/")
        self._limits = {
            "connect": served.connect_seconds,
            "write": served.read_seconds,
            "read": served.read_seconds,
            "pool": None,
        }
        self._headers = [
            ("Host", urlsplit(self._base).netloc),
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
            ("User-Agent", "internvid"),
        ]
        if key:
            self._headers.append(("Authorization", f"Bearer {key}"))
        self._options: dict[str, Any] = {
            "ssl_context": _ssl_context() if self._base.startswith("https:") else None,
            "proxy": _proxy(self._base),
            "max_connections": 1,
            "max_keepalive_connections": 0,
            "network_backend": AsyncioBackend(),
        }
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="client", daemon=True)
        self._thread.start()

    async def request(self, method: str, path: str, body: bytes | None = None) -> Reply:
        """One request, once.

        Raises:
            TimeoutError: no answer in time.
            ConnectionLostError: no connection, or it broke, or what came is not HTTP.
        """
        headers = list(self._headers)
        if body is not None:
            headers += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        body_read = bytearray()
        try:
            async with (
                httpcore2.AsyncConnectionPool(**self._options) as pool,
                pool.stream(
                    method,
                    self._base + path,
                    headers=headers,
                    content=body,
                    extensions={"timeout": self._limits},
                ) as response,
            ):
                async for chunk in response.aiter_stream():
                    body_read += chunk
                    if len(body_read) > _MOST_BYTES:
                        raise ConnectionLostError("the answer is larger than any that makes sense")
        except httpcore2.TimeoutException as error:
            raise TimeoutError(type(error).__name__) from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.ProxyError) as error:
            raise ConnectionLostError(str(error) or type(error).__name__) from error
        found = {name.decode().lower(): value.decode("latin-1") for name, value in response.headers}
        return Reply(response.status, found, bytes(body_read))

    def submit(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Run a coroutine in the loop's thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """Break off what is under way and end the thread."""
        self.submit(self._end()).result(timeout=30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=30)
        self._loop.close()

    async def _end(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def is_loopback(url: str) -> bool:
    """Whether a server is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _ssl_context() -> ssl.SSLContext:
    context: ssl.SSLContext = httpcore2.default_ssl_context()
    return context


def _proxy(url: str) -> httpcore2.Proxy | None:
    """The proxy that the environment names for a server that is not this machine."""
    parts = urlsplit(url)
    if is_loopback(url) or urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    found = urllib.request.getproxies().get(parts.scheme)
    return httpcore2.Proxy(found) if found else None
