"""What a host wants of programs: robots.txt (RFC 9309), and noai or noml in a header."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from internvid.captions.server.transport import ConnectionLostError, unpacked
from internvid.collect.fetching.engines.pacing import HostPace
from internvid.collect.fetching.engines.web import Web, joined
from internvid.collect.fetching.reasons import NotFetchedError

PRODUCT = "internvid"
"""Name of this program in robots.txt."""
_MOST_BYTES = 512 * 1024
_MOST_HOSTS = 2048
_MOST_REDIRECTS = 5
_REFUSALS = frozenset({"noai", "noimageai", "noml"})
_WORD = re.compile(r"[a-z]+")


def refuses_training(headers: Mapping[str, str]) -> bool:
    """Whether the headers of an answer say that nothing shall be trained on it.

    That is `X-Robots-Tag` with `noai`, `noimageai` or `noml`, for every program or for this one,
    and `tdm-reservation: 1` (the TDM reservation protocol of the W3C's group).
    """
    if headers.get("tdm-reservation", "").strip() == "1":
        return True
    for rule in headers.get("x-robots-tag", "").lower().split(","):
        name, colon, words = rule.partition(":")
        if colon and name.strip() not in (PRODUCT, "*"):
            continue
        if _REFUSALS & set(_WORD.findall(words if colon else name)):
            return True
    return False


@dataclass
class Robots:
    """Rules of hosts, each read once a run.

    Attributes:
        web: to read them with.
        pace: of a host, by its name.
    """

    web: Web
    pace: Callable[[str], HostPace]
    _rules: OrderedDict[str, asyncio.Task[Any]] = field(default_factory=OrderedDict)

    async def check(self, address: httpx2.URL) -> None:
        """Raise where a host does not want this address to be read by programs.

        Raises:
            NotFetchedError: `robots`; or `network`, where its rules cannot be read now: what is
                not known is not allowed.
        """
        origin = f"{address.scheme}://{address.netloc.decode('ascii')}"
        task = self._rules.get(origin)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = asyncio.create_task(self._read(address))
            self._rules[origin] = task
            if len(self._rules) > _MOST_HOSTS:
                self._rules.popitem(last=False)
        rules = await asyncio.shield(task)
        if not rules.can_fetch(str(address), PRODUCT):
            raise NotFetchedError(f"{address.host} forbids it in robots.txt", "robots")
        delay = rules.crawl_delay(PRODUCT)
        pace = self.pace(address.host)
        if delay and pace.per_second * delay > 1.0:
            pace.per_second, pace.burst = 1.0 / delay, 1

    async def _read(self, address: httpx2.URL) -> Any:
        import protego

        target = address.copy_with(raw_path=b"/robots.txt", fragment=None)
        for _ in range(_MOST_REDIRECTS + 1):
            await self.pace(target.host).turn()
            async with self.web.get(target) as reply:
                if reply.status in (301, 302, 303, 307, 308) and "location" in reply.headers:
                    target = joined(target, reply.headers["location"])
                    continue
                if reply.status >= 500 or reply.status == 429:
                    raise NotFetchedError(
                        f"{target.host} does not give its robots.txt: {reply.status}",
                        "network",
                        is_final=False,
                    )
                body = b""
                if reply.status < 300:
                    async for chunk in reply.body:
                        body += chunk
                        if len(body) > _MOST_BYTES:
                            break
                return protego.Protego.parse(_text(body[:_MOST_BYTES], reply.headers))
        return protego.Protego.parse("")


def _text(body: bytes, headers: Mapping[str, str]) -> str:
    try:
        return unpacked(body, headers)[:_MOST_BYTES].decode("utf-8", "replace")
    except ConnectionLostError:
        return ""
