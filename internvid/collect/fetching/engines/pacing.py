"""When the next request to a host may be sent: a bucket of tokens each, and pauses."""

from __future__ import annotations

import asyncio
import datetime as dt
import email.utils
import math
import random
from dataclasses import dataclass

from internvid.collect.fetching.reasons import NotFetchedError


@dataclass
class HostPace:
    """The pace of one host.

    Attributes:
        per_second: tokens that come in a second.
        burst: tokens that may wait.
        longest_pause_seconds: nobody waits for the end of a longer pause.
        resume_at: nothing is sent before, in the loop's time.
    """

    per_second: float
    burst: int = 1
    longest_pause_seconds: float = math.inf
    resume_at: float = 0.0
    _next_at: float = 0.0

    async def turn(self) -> None:
        """Wait until a request may be sent; whoever comes first goes first.

        Raises:
            NotFetchedError: the host is to be left alone for longer than anybody waits.
        """
        loop = asyncio.get_running_loop()
        step = 1.0 / self.per_second
        now = loop.time()
        slot = max(self._next_at, now - (self.burst - 1) * step)
        self._next_at = slot + step
        await _until(slot)
        # A pause that began meanwhile holds for all that wait.
        while (wait := self.resume_at - loop.time()) > 0:
            if wait > self.longest_pause_seconds:
                raise NotFetchedError(
                    f"the host is left alone for {wait:.0f} s", "rate_limited", wait_seconds=wait
                )
            await _until(self.resume_at)

    def pause(self, seconds: float) -> None:
        """Send nothing for so long."""
        self.resume_at = max(self.resume_at, asyncio.get_running_loop().time() + seconds)

    @property
    def is_idle(self) -> bool:
        """Whether nothing of it need be remembered."""
        return max(self._next_at, self.resume_at) < asyncio.get_running_loop().time()


class Paces:
    """The paces of all hosts.

    Args:
        per_second: of a host that has no pace of its own.
        burst: likewise.
        longest_pause_seconds: of every host.
    """

    def __init__(self, per_second: float, burst: int, longest_pause_seconds: float) -> None:
        self._usual = (per_second, burst)
        self._longest = longest_pause_seconds
        self._hosts: dict[str, HostPace] = {}

    def of(self, host: str, per_second: float | None = None) -> HostPace:
        """The pace of a host.

        Args:
            host: its name.
            per_second: of its own; as usual when None.
        """
        if len(self._hosts) > 4096:
            self._hosts = {name: pace for name, pace in self._hosts.items() if not pace.is_idle}
        rate, burst = self._usual if per_second is None else (per_second, 1)
        return self._hosts.setdefault(host, HostPace(rate, burst, self._longest))


def backoff_seconds(first: float, tries: int) -> float:
    """How long to wait after so many tries: doubled with each, up to a fifth more by chance."""
    return float(first * 2 ** (tries - 1) * random.uniform(1.0, 1.2))


def retry_after_seconds(text: str) -> float | None:
    """What a header `Retry-After` asks for: seconds, or a date; None where it is neither."""
    text = text.strip()
    if text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return max(0.0, (moment - dt.datetime.now(dt.UTC)).total_seconds())


async def _until(moment: float) -> None:
    wait = moment - asyncio.get_running_loop().time()
    if wait > 0:
        await asyncio.sleep(wait)
