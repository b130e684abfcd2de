"""Reads small answers of strangers' servers: at their pace, within bounds, tried again."""

from __future__ import annotations

import asyncio

from internvid.collect.discovery.discover_settings import DiscoverSettings
from internvid.collect.fetching.engines.pacing import (
    Paces,
    backoff_seconds,
    retry_after_seconds,
)
from internvid.collect.fetching.engines.robots import Robots
from internvid.collect.fetching.engines.web import Reply, Web, joined, parsed
from internvid.collect.fetching.reasons import NotFetchedError

_MOST_BYTES = 32 << 20
_MOST_REDIRECTS = 5
_LONGEST_PAUSE_SECONDS = 900.0
_FIRST_BACKOFF_SECONDS = 2.0
_CONNECTIONS = 8
_REASONS = {401: "private", 403: "private", 404: "removed", 410: "removed", 451: "geo_blocked"}


class PoliteReader:
    """Reads answers into memory.

    Args:
        settings: pace, tries, and what may be reached.
        agent: how this program names itself.
    """

    def __init__(self, settings: DiscoverSettings, agent: str) -> None:
        self._settings = settings
        self._paces = Paces(settings.per_second, 1, _LONGEST_PAUSE_SECONDS)
        self._web = Web(
            agent,
            allow_private=settings.allow_private,
            slow_seconds=settings.slow_seconds,
            connections=_CONNECTIONS,
        )
        self._robots = Robots(self._web, self._paces.of) if settings.obey_robots else None

    async def read(self, address: str, *, obeys_robots: bool) -> tuple[str, bytes]:
        """The address that answered, after redirects, and its answer.

        Raises:
            NotFetchedError: there is none, with the reason.
        """
        tries = 0
        while True:
            tries += 1
            try:
                return await self._once(address, obeys_robots=obeys_robots)
            except NotFetchedError as error:
                if error.is_final or tries >= self._settings.tries:
                    raise
                wait = error.wait_seconds
            await asyncio.sleep(
                backoff_seconds(_FIRST_BACKOFF_SECONDS, tries) if wait is None else 0
            )

    async def _once(self, address: str, *, obeys_robots: bool) -> tuple[str, bytes]:
        target = parsed(address)
        for _ in range(_MOST_REDIRECTS + 1):
            if self._robots is not None and obeys_robots:
                await self._robots.check(target)
            await self._paces.of(target.host).turn()
            async with self._web.get(target) as reply:
                if reply.status in (301, 302, 303, 307, 308) and "location" in reply.headers:
                    target = joined(target, reply.headers["location"])
                    continue
                self._check(reply, target.host)
                body = bytearray()
                async for chunk in reply.body:
                    body += chunk
                    if len(body) > _MOST_BYTES:
                        raise NotFetchedError(
                            f"{target.host} answers with more than {_MOST_BYTES} bytes", "too_long"
                        )
                return str(target), bytes(body)
        raise NotFetchedError(f"{target.host} redirects without end", "network")

    def _check(self, reply: Reply, host: str) -> None:
        status = reply.status
        if status < 300:
            return
        message = f"{host} answers {status}"
        if status in (429, 503):
            wait = retry_after_seconds(reply.headers.get("retry-after", ""))
            if wait is not None:
                self._paces.of(host).pause(wait)
            raise NotFetchedError(message, "rate_limited", wait_seconds=wait, is_final=False)
        if status >= 500 or status == 408:
            raise NotFetchedError(message, "network", is_final=False)
        raise NotFetchedError(message, _REASONS.get(status, "network"))
