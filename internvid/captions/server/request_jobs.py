"""One question on its way to a served model."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from internvid.captions.requests import Request
from internvid.captions.server.replies import Verdict
from internvid.core.contracts import Pick


@dataclass
class Job:
    """One request under way, with what it needs to be sent.

    Attributes:
        request: the question. picks: the pictures that are sent with it.
        fields: of the request's body, beside the messages.
        key: that the answer is kept under.
        seconds_left: of its whole time; waiting for a lane does not count.
        reserved: tokens that are set aside for it.
        verdict: over the last try. tries: how often it was sent.
        prompt_tokens, completion_tokens: what the server counted, over all tries.
    """

    request: Request
    picks: tuple[Pick, ...]
    fields: dict[str, Any]
    key: bytes
    seconds_left: float
    reserved: int = 0
    verdict: Verdict | None = None
    tries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@contextlib.asynccontextmanager
async def clock(job: Job) -> AsyncIterator[None]:
    """Take the time of the block from what a job has left.

    Raises:
        TimeoutError: nothing is left.
    """
    began = time.monotonic()
    try:
        async with asyncio.timeout(max(0.0, job.seconds_left)):
            yield
    finally:
        job.seconds_left -= time.monotonic() - began


class HopelessError(Exception):
    """The run cannot go on; carries the message for the user, and a hint."""
