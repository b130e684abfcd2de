"""How many requests to one server are under way at once: as many as it answers in time.

A server that answers one request at a time makes the others wait, and the more that wait the later
each is answered. So the number starts small, grows while answers come early, and is halved when one
comes late (additive increase, multiplicative decrease, as in TCP; Chiu and Jain 1989). A model that
takes long for every answer is another matter: there the time does not depend on the number.

A request that the server is silent about is not sent again while it may still be worked on. Its
connection is listened to until the answer comes, or a request that was sent after it became late is
answered first, or the server has been silent about all for `SILENCE` times the usual wait.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from internvid.captions.server.transport import Reply

FIRST = 2
SILENCE = 2.0
# Shares of the longest wait: below the first the number grows, above the second it shrinks.
_EARLY, _NEARLY_LATE = 0.25, 0.6
# An answer that takes so many times as long as the fastest one has waited behind others.
_QUEUED = 1.5


@dataclass(eq=False)
class Passage:
    """One request under way.

    Attributes:
        number: of all that were let through, in the order of sending.
        began: when it was sent, in seconds of the monotonic clock.
        late_at: number of the last request that had been sent when this one became late.
        late_since: when it became late.
        overtaken: set when a request that was sent later than that is answered.
    """

    number: int
    began: float
    late_at: int | None = None
    late_since: float = 0.0
    overtaken: asyncio.Event = field(default_factory=asyncio.Event)


class Lanes:
    """Lets requests through, each in its turn. Used from one event loop.

    Args:
        most: never more than so many at once.
        read_seconds: an answer that takes longer is late.
    """

    def __init__(self, most: int, read_seconds: float) -> None:
        self._most = most
        self._read_seconds = read_seconds
        self._allowed = float(min(most, FIRST))
        # Below it the number doubles in the time of one answer, above it grows by one.
        self._steep_below = float(most)
        self._under_way = 0
        self._sent = 0
        self._shrunk_at = 0
        self._full_at = 0
        self._fastest = float("inf")
        self._late: set[Passage] = set()
        self._last_answer = 0.0
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """So many may be under way now; may be read from any thread."""
        return int(self._allowed)

    async def enter(self) -> Passage:
        """Wait for a free lane."""
        while self._under_way >= self.limit:
            turn = asyncio.get_running_loop().create_future()
            self._queue.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn in self._queue:
                    self._queue.remove(turn)
                else:
                    self._wake()
                raise
        self._under_way += 1
        self._sent += 1
        if self._under_way >= self.limit:
            self._full_at = self._sent
        return Passage(self._sent, time.monotonic())

    def leave(self, passage: Passage) -> None:
        """Free the lane of a request."""
        self._late.discard(passage)
        self._under_way -= 1
        self._wake()

    def answered(self, passage: Passage) -> None:
        """Learn from a request that the server answered, well or not."""
        self._last_answer = time.monotonic()
        spent = self._last_answer - passage.began
        self._fastest = min(self._fastest, spent)
        for other in self._late:
            if other.late_at is not None and passage.number > other.late_at:
                other.overtaken.set()
        is_queued = spent > _QUEUED * self._fastest
        if passage.late_at is not None or passage.number > self._full_at:
            return  # Late, or fewer were wanted than are allowed.
        if spent <= _EARLY * self._read_seconds or not is_queued:
            step = 1.0 if self._allowed < self._steep_below else 1.0 / self._allowed
            self._allowed = min(float(self._most), self._allowed + step)
            self._wake()
        elif spent > _NEARLY_LATE * self._read_seconds:
            self.shrink(passage, 0.75)

    def late(self, passage: Passage) -> None:
        """Note that the server has been silent about a request for `read_seconds`."""
        passage.late_at = self._sent
        self._late.add(passage)
        passage.late_since = time.monotonic()
        self.shrink(passage, 0.5)

    async def still_worked_on(self, passage: Passage, sending: asyncio.Future[Reply]) -> None:
        """Listen to a late request until its answer comes or there is no reason to wait for it."""
        overtaken = asyncio.ensure_future(passage.overtaken.wait())
        try:
            while not (sending.done() or overtaken.done()):
                heard = max(self._last_answer, passage.late_since)
                left = heard + SILENCE * self._read_seconds - time.monotonic()
                if left <= 0:
                    return
                either: set[asyncio.Future[Any]] = {sending, overtaken}
                await asyncio.wait(either, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            overtaken.cancel()
            await asyncio.gather(overtaken, return_exceptions=True)

    def shrink(self, passage: Passage, factor: float) -> None:
        """Allow fewer from now on; once for all that were sent before the number last changed."""
        if passage.number <= self._shrunk_at:
            return
        self._shrunk_at = self._sent
        self._allowed = max(1.0, min(self._allowed, float(self._under_way)) * factor)
        self._steep_below = self._allowed

    def _wake(self) -> None:
        free = self.limit - self._under_way
        while free > 0 and self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1
