"""One request to one checked address, by the engine of httpx2: no redirect is followed by itself.

Each request has a connection of its own, opened to the address that was checked. What comes is
bounded in size, time between bytes, and speed; nothing is unpacked.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import urllib.request
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpcore2
import httpx2

from internvid.captions.server.http_connection import AsyncioBackend
from internvid.captions.server.transport import is_loopback
from internvid.collect.fetching.engines.addresses import PORTS, SCHEMES, resolved
from internvid.collect.fetching.reasons import NotFetchedError

_CONNECT_SECONDS = 20.0
_LEAST_BYTES_A_SECOND = 512.0


@dataclass(frozen=True)
class Reply:
    """The head of an answer, and its body as it comes.

    Attributes:
        status: of HTTP.
        headers: lower-case names.
        body: chunks of bytes.
    """

    status: int
    headers: Mapping[str, str]
    body: AsyncIterator[bytes]

    @property
    def length(self) -> int | None:
        """Bytes of the body, where that is stated."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isdecimal() and len(text) < 19 else None


class Web:
    """Requests to any host, within the rules.

    Args:
        agent: name of this program.
        allow_private: also addresses that are not public.
        slow_seconds: an answer that stands still so long is given up.
        connections: how many at a time.
    """

    def __init__(
        self, agent: str, *, allow_private: bool, slow_seconds: float, connections: int
    ) -> None:
        self._agent, self._allow_private, self._slow_seconds = agent, allow_private, slow_seconds
        self._free = asyncio.Semaphore(connections)
        self._ssl: ssl.SSLContext | None = None

    @contextlib.asynccontextmanager
    async def get(
        self, address: httpx2.URL, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Reply]:
        """One GET.

        Raises:
            NotFetchedError: `refused_host`, or `network` where nothing (more) comes.
        """
        host = checked(address)
        fields = {
            "Host": address.netloc.decode("ascii"),
            "User-Agent": self._agent,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
            **(headers or {}),
        }
        request = httpcore2.Request(
            "GET",
            httpcore2.URL(
                scheme=address.raw_scheme,
                host=address.raw_host,
                port=address.port,
                target=address.raw_path,
            ),
            headers=[(name.encode(), value.encode("latin-1")) for name, value in fields.items()],
            extensions={"timeout": {"read": self._slow_seconds, "write": self._slow_seconds}},
        )
        async with self._free, _as_network(host), self._connection(address, request) as connection:
            response = await connection.handle_async_request(request)
            try:
                found = {
                    name.decode("latin-1").lower(): value.decode("latin-1")
                    for name, value in response.headers
                }
                yield Reply(response.status, found, self._body(response, host))
            finally:
                await response.aclose()

    async def _body(self, response: Any, host: str) -> AsyncIterator[bytes]:
        """Chunks; an answer that only trickles is given up."""
        loop = asyncio.get_running_loop()
        begin, size = loop.time(), 0
        chunks = response.aiter_stream()
        while True:
            async with _as_network(host):
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            size += len(chunk)
            now = loop.time()
            if now - begin > self._slow_seconds:
                if size < _LEAST_BYTES_A_SECOND * (now - begin):
                    raise NotFetchedError(
                        f"{host} sent {size} bytes in {now - begin:.0f} s",
                        "network",
                        is_final=False,
                    )
                begin, size = now, 0
            yield chunk

    @contextlib.asynccontextmanager
    async def _connection(
        self, address: httpx2.URL, request: Any
    ) -> AsyncIterator[httpcore2.AsyncConnectionInterface | httpcore2.AsyncConnectionPool]:
        """A connection to a checked address, or to the proxy of the environment."""
        host, origin = address.host, request.url.origin
        proxy = _proxy(address)
        if proxy is not None:
            await self._check_behind_proxy(host)
            async with httpcore2.AsyncConnectionPool(
                ssl_context=self._tls(), proxy=proxy, network_backend=AsyncioBackend()
            ) as pool:
                yield pool
            return
        port = address.port or PORTS[address.scheme]
        stream = await self._stream(host, port)
        try:
            if address.scheme == "https":
                stream = await stream.start_tls(self._tls(), host, _CONNECT_SECONDS)
            yield httpcore2.AsyncHTTP11Connection(origin, stream)
        finally:
            await stream.aclose()

    async def _check_behind_proxy(self, host: str) -> None:
        """Refuse what is known here not to be public; a name that only the proxy knows is its own.

        Raises:
            NotFetchedError: `refused_host`.
        """
        try:
            await resolved(host, 0, allow_private=self._allow_private)
        except NotFetchedError as error:
            if error.reason == "refused_host":
                raise

    async def _stream(self, host: str, port: int) -> httpcore2.AsyncNetworkStream:
        problem: Exception | None = None
        for address in await resolved(host, port, allow_private=self._allow_private):
            try:
                return await AsyncioBackend().connect_tcp(address, port, _CONNECT_SECONDS)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                problem = error
        raise NotFetchedError(f"{host} takes no connection: {problem}", "network", is_final=False)

    def _tls(self) -> ssl.SSLContext:
        if self._ssl is None:
            self._ssl = httpcore2.default_ssl_context()
        return self._ssl


def parsed(text: str) -> httpx2.URL:
    """An address.

    Raises:
        NotFetchedError: it is none.
    """
    try:
        return httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError, UnicodeError) as error:
        raise NotFetchedError(f"{text[:80]!r} is no address: {error}", "refused_host") from error


def joined(address: httpx2.URL, location: str) -> httpx2.URL:
    """Where a redirect leads.

    Raises:
        NotFetchedError: that is no address.
    """
    try:
        return address.join(location)
    except (httpx2.InvalidURL, ValueError, UnicodeError) as error:
        raise NotFetchedError(
            f"{address.host} redirects to what is no address: {location[:80]!r}", "refused_host"
        ) from error


def checked(address: httpx2.URL) -> str:
    """The host of an address that may be requested; its own address is looked at later.

    Raises:
        NotFetchedError: `refused_host`.
    """
    if address.scheme not in SCHEMES:
        raise NotFetchedError(
            f"{str(address)[:80]} is not fetched: only http and https are", "refused_host"
        )
    if not address.host or address.userinfo:
        what = "has a name and password in it" if address.userinfo else "names no host"
        raise NotFetchedError(f"an address that {what} is not fetched", "refused_host")
    return str(address.host)


def _proxy(address: httpx2.URL) -> httpcore2.Proxy | None:
    # What leads to this machine is no matter of a proxy, and must not get round the check there.
    if is_loopback(str(address)) or urllib.request.proxy_bypass(address.host):
        return None
    proxy = urllib.request.getproxies().get(address.scheme)
    return httpcore2.Proxy(proxy) if proxy else None


@contextlib.asynccontextmanager
async def _as_network(host: str) -> AsyncIterator[None]:
    """Errors of the connection, in our words."""
    try:
        yield
    except httpcore2.TimeoutException as error:
        raise NotFetchedError(
            f"{host} does not answer: {type(error).__name__}", "network", is_final=False
        ) from error
    except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.ProxyError) as error:
        text = str(error) or type(error).__name__
        raise NotFetchedError(f"{host} broke off: {text}", "network", is_final=False) from error
