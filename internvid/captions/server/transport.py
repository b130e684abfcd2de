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
import contextlib
import ipaddress
import ssl
import threading
import urllib.request
import zlib
from collections.abc import AsyncIterator, Coroutine, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpcore2

from internvid.captions.server.http_connection import AsyncioBackend

if TYPE_CHECKING:
    from internvid.captions.server.config import ServedModel

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


class NotConnectedError(ConnectionLostError):
    """The server did not take the connection in time."""


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
            (b"Host", urlsplit(self._base).netloc.encode("idna")),
            (b"Accept", b"application/json"),
            (b"Accept-Encoding", b"identity"),
            (b"Connection", b"close"),
            (b"User-Agent", b"internvid"),
        ]
        if key:
            self._headers.append((b"Authorization", b"Bearer " + key.encode("ascii")))
        self._ssl = _ssl_context() if self._base.startswith("https:") else None
        self._proxy = _proxy(self._base)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="client", daemon=True)
        self._thread.start()

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        read_seconds: float | None = None,
    ) -> Reply:
        """One request, once.

        Args:
            method, path, body: of HTTP.
            read_seconds: longest wait for the answer's next bytes; as configured when None.

        Raises:
            TimeoutError: no answer in time.
            ConnectionLostError: no connection, or it broke, or what came is not HTTP.
            NotConnectedError: no connection in time; nothing was sent.
        """
        headers = list(self._headers)
        if body is not None:
            size = str(len(body)).encode("ascii")
            headers += [(b"Content-Type", b"application/json"), (b"Content-Length", size)]
        limits = dict(self._limits)
        if read_seconds is not None:
            limits["read"] = read_seconds
        extensions = {"timeout": limits}
        request = httpcore2.Request(
            method, self._base + path, headers=headers, content=body, extensions=extensions
        )
        received = bytearray()
        try:
            async with self._connection(request) as connection:
                response = await connection.handle_async_request(request)
                async for chunk in response.aiter_stream():
                    received += chunk
                    if len(received) > _MOST_BYTES:
                        raise ConnectionLostError("the answer is larger than any that makes sense")
        except httpcore2.ConnectTimeout as error:
            seconds = f"{self._limits['connect']:g}"
            raise NotConnectedError(f"no connection within connect_seconds={seconds}") from error
        except httpcore2.TimeoutException as error:
            raise TimeoutError(f"no answer within read_seconds={limits['read']:g}") from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.ProxyError) as error:
            raise ConnectionLostError(str(error) or type(error).__name__) from error
        headers_by_name = {
            name.decode().lower(): value.decode("latin-1") for name, value in response.headers
        }
        return Reply(response.status, headers_by_name, unpacked(bytes(received), headers_by_name))

    @contextlib.asynccontextmanager
    async def _connection(
        self, request: httpcore2.Request
    ) -> AsyncIterator[httpcore2.AsyncConnectionInterface | httpcore2.AsyncConnectionPool]:
        """A connection for this request alone."""
        if self._proxy is not None:
            async with httpcore2.AsyncConnectionPool(
                ssl_context=self._ssl, proxy=self._proxy, network_backend=AsyncioBackend()
            ) as pool:
                yield pool
            return
        # Without the pool's bookkeeping, which costs as much as all the rest.
        origin, limit = request.url.origin, self._limits["connect"]
        host = origin.host.decode("ascii")
        stream = await AsyncioBackend().connect_tcp(host, origin.port, limit)
        try:
            if self._ssl is not None:
                stream = await stream.start_tls(self._ssl, host, limit)
            yield httpcore2.AsyncHTTP11Connection(origin, stream)
        finally:
            await stream.aclose()

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
        # Broken-off connections are closed in the loop's next rounds.
        for _ in range(4):
            await asyncio.sleep(0)


def unpacked(body: bytes, headers: Mapping[str, str]) -> bytes:
    """A body without the compression that some proxies apply though none was requested.

    Raises:
        ConnectionLostError: it is cut off, larger than any answer, or packed in another way.
    """
    packing = headers.get("content-encoding", "").strip().lower()
    # Some send packed bytes without saying so.
    if body[:2] == b"\x1f\x8b":
        packing = "gzip"
    if not body or packing in ("", "identity"):
        return body
    windows = {"gzip": (47,), "x-gzip": (47,), "deflate": (15, -15)}.get(packing, ())
    for window in windows:
        reader = zlib.decompressobj(window)
        with contextlib.suppress(zlib.error):
            found = reader.decompress(body, _MOST_BYTES)
            if reader.unconsumed_tail or not reader.eof:
                break
            return found
    raise ConnectionLostError(f"the answer is packed as {packing!r} and cannot be read")


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
    proxy = urllib.request.getproxies().get(parts.scheme)
    return httpcore2.Proxy(proxy) if proxy else None
