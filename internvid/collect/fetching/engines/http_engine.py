"""Files at http(s) addresses: one GET each, gone on with by range where it broke off."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx2

from internvid.collect.fetching.engines.engine import Download
from internvid.collect.fetching.engines.pacing import HostPace, retry_after_seconds
from internvid.collect.fetching.engines.robots import Robots, refuses_training
from internvid.collect.fetching.engines.web import Reply, Web, checked, joined, parsed
from internvid.collect.fetching.items.item_table import Item
from internvid.collect.fetching.outcomes import Outcomes, Transfer
from internvid.collect.fetching.reasons import NotFetchedError
from internvid.dataset.parts import storage_errors

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 8
_BUSY = frozenset({429, 503})
_OF_STATUS = {401: "private", 402: "private", 403: "private", 404: "removed", 410: "removed",
              451: "geo_blocked"}  # fmt: skip
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_NO_VIDEO = re.compile(
    r"(text/(html|xml|css|javascript)|image/|application/(json|xml|xhtml|pdf|zip|javascript))", re.I
)
_PLAYLIST = re.compile(r"(mpegurl|dash\+xml)", re.I)


@dataclass
class HttpEngine:
    """Fetches files by their addresses.

    Attributes:
        web: for requests.
        robots: rules of hosts; None where they are not heeded.
        outcomes: keeps what a transfer that broke off is gone on with.
        pace: of a host, by its name.
        most_bytes: larger files are left out.
    """

    web: Web
    robots: Robots | None
    outcomes: Outcomes
    pace: Callable[[str], HostPace]
    most_bytes: int
    name: str = "http"

    async def fetch(self, item: Item, place: Path) -> Download:
        """See `Engine`."""
        part = place.with_name(place.name + ".part")
        address, seen = parsed(item.uri), set[str]()
        for _ in range(_MOST_REDIRECTS + 1):
            if str(address) in seen:
                raise NotFetchedError(f"{address.host} redirects in a circle", "network")
            seen.add(str(address))
            host = checked(address)
            if self.robots is not None:
                await self.robots.check(address)
            resumed = self._resumed(item, part)
            await self.pace(host).turn()
            async with self.web.get(address, _range_headers(resumed, part)) as reply:
                if reply.status in _REDIRECTS and "location" in reply.headers:
                    address = joined(address, reply.headers["location"])
                    continue
                self._check_head(address, reply)
                is_whole = await self._take(item, address, reply, part, resumed)
                return Download(part, is_whole=is_whole)
        raise NotFetchedError(f"more than {_MOST_REDIRECTS} redirects", "network")

    async def close(self) -> None:
        """Nothing is left when its tasks end."""

    def _resumed(self, item: Item, part: Path) -> Transfer | None:
        """What the bytes that are there belong to; without that they are of no use."""
        transfer = self.outcomes.transfer(item.item)
        try:
            return transfer if transfer and transfer.validator and part.stat().st_size else None
        except OSError:
            return None

    def _check_head(self, address: httpx2.URL, reply: Reply) -> None:
        status, host = reply.status, address.host
        if status in _BUSY:
            wait = retry_after_seconds(reply.headers.get("retry-after", ""))
            if wait is not None:
                self.pace(host).pause(wait)
            if status == 429 or wait is not None:
                raise NotFetchedError(
                    f"{host} answers {status}", "rate_limited", wait_seconds=wait, is_final=False
                )
        if status >= 500 or status in (408, 425):
            raise NotFetchedError(f"{host} answers {status}", "network", is_final=False)
        if status == 416:
            return
        if status not in (200, 206):
            reason = _OF_STATUS.get(status, "removed" if 400 <= status < 500 else "network")
            raise NotFetchedError(f"{host} answers {status}", reason)
        if self.robots is not None and refuses_training(reply.headers):
            raise NotFetchedError(f"{host} sets it apart from training (noai, noml)", "robots")
        self._check_kind(host, reply)

    def _check_kind(self, host: str, reply: Reply) -> None:
        kind = reply.headers.get("content-type", "")
        if _PLAYLIST.search(kind):
            raise NotFetchedError(
                f"{host} sends a playlist ({kind}); --engine yt-dlp reads these", "not_video"
            )
        if _NO_VIDEO.match(kind):
            raise NotFetchedError(f"{host} sends {kind[:60]}, no video", "not_video")
        packing = reply.headers.get("content-encoding", "identity").strip().lower()
        if packing not in ("", "identity"):
            raise NotFetchedError(
                f"{host} sends it packed ({packing[:20]}), which was not accepted", "not_video"
            )
        if reply.length is not None and reply.length > self.most_bytes:
            raise NotFetchedError(
                f"it has {reply.length} bytes, more than {self.most_bytes}", "too_long"
            )

    async def _take(
        self,
        item: Item,
        address: httpx2.URL,
        reply: Reply,
        part: Path,
        resumed: Transfer | None,
    ) -> bool:
        """Write the body behind what is there, or in its place; whether all of it came for sure."""
        begin, total = _place_of(reply)
        here = part.stat().st_size if resumed else 0
        if reply.status == 416 and resumed and resumed.total == here:
            return True  # it broke off behind the last byte
        changed = resumed is not None and total is not None and resumed.total not in (None, total)
        if reply.status == 416 or (reply.status == 206 and (begin != here or changed)):
            with storage_errors(part):
                part.unlink(missing_ok=True)
            raise NotFetchedError(
                f"{address.host} has another file there now", "truncated", is_final=False
            )
        if reply.status == 200:
            here, total = 0, reply.length
        validator = _validator(reply.headers)
        if resumed is None or reply.status == 200:
            self.outcomes.begin_transfer(item.item, Transfer(str(address), validator, total))
        with storage_errors(part):
            part.parent.mkdir(parents=True, exist_ok=True)
            with part.open("r+b" if here else "wb") as file:
                file.seek(here)
                file.truncate()
                await self._copy(reply, file, here, total)
                file.flush()
                os.fsync(file.fileno())
        return total is not None

    async def _copy(self, reply: Reply, file: BinaryIO, here: int, total: int | None) -> None:
        size = here
        try:
            async for chunk in reply.body:
                size += len(chunk)
                if size > self.most_bytes:
                    raise NotFetchedError(
                        f"it has more than {self.most_bytes} bytes, and no end", "too_long"
                    )
                file.write(chunk)
        except NotFetchedError as error:
            if error.reason != "network" or size == here:
                raise
            known = f" of {total}" if total is not None else ""
            raise NotFetchedError(
                f"it broke off after {size}{known} bytes", "truncated", is_final=False
            ) from error
        if total is not None and size != total:
            raise NotFetchedError(
                f"it broke off after {size} of {total} bytes", "truncated", is_final=False
            )
        if not size:
            raise NotFetchedError("it is empty", "not_video")


def _range_headers(resumed: Transfer | None, part: Path) -> dict[str, str]:
    if resumed is None:
        return {}
    return {"Range": f"bytes={part.stat().st_size}-", "If-Range": resumed.validator}


def _place_of(reply: Reply) -> tuple[int | None, int | None]:
    """Where a part of a file begins, and how long the whole is."""
    found = _RANGE.match(reply.headers.get("content-range", ""))
    if found is None:
        return None, None
    return int(found[1]), None if found[2] == "*" else int(found[2])


def _validator(headers: Mapping[str, str]) -> str:
    """What shows that a file is still the same: a strong ETag, else a time of change."""
    tag = headers.get("etag", "")
    # A weak one is that of another file with the same meaning.
    return tag if tag.startswith('"') else headers.get("last-modified", "")
