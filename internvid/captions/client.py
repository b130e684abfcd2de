"""The one client for served models: many requests at once, each answered, retried or failed.

A synchronous stream of (request, answer) outside; one event loop in a thread inside. An answer is
paired with its request by the coroutine that sent it, so that order, retries and reconnections
cannot move it to another clip.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import queue
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from internvid.captions import budget
from internvid.captions.asking import Answer, Request
from internvid.captions.cache import AnswerCache, Kept, cache_folder
from internvid.captions.pictures import decode_jpeg
from internvid.captions.replies import Verdict, judge
from internvid.captions.served import ServedModel
from internvid.captions.transport import ConnectionLostError, Transport
from internvid.core.contracts import Pick
from internvid.core.errors import BudgetSpentError, ServiceError
from internvid.core.ledger import count, stage

_CHAT = "/chat/completions"
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 60.0
# So many clips in a row without one good answer, each with all its retries: the server is down.
_STRIKES = 16
_SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "caption",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"caption": {"type": "string"}},
            "required": ["caption"],
            "additionalProperties": False,
        },
    },
}


@dataclass
class _Job:
    """One request under way, with what it needs to be sent."""

    request: Request
    picks: tuple[Pick, ...]
    fields: dict[str, Any]
    key: bytes
    reserved: int
    verdict: Verdict | None = None
    tries: int = 0


class _Hopeless(Exception):
    """The run cannot go on; carries the message for the user."""


class ChatClient:
    """Sends requests to one served model. Use it in a `with` block.

    Args:
        served: address, model, limits. The key is read from the environment now.
    """

    def __init__(self, served: ServedModel) -> None:
        self._served = served
        self._key = served.key()
        self._extra = served.extra_fields()
        self._cache = AnswerCache(cache_folder(served.cache))
        self._transport = Transport(served, self._key)
        self._slots = asyncio.Semaphore(served.concurrency)
        self._done: queue.SimpleQueue[_Job | BaseException] = queue.SimpleQueue()
        self._dropped: set[str] = set()
        self._largest_prompt = 0
        self._strikes = 0
        self._has_answered = False
        self._budgets: tuple[budget.Budget, ...] = ()
        self._random = random.Random()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()
        self._cache.close()

    def check(self) -> None:
        """Ask for the list of models: is the server there, and does it take the key?

        Raises:
            ServiceError: no.
        """
        try:
            work = asyncio.wait_for(
                self._transport.request("GET", "/models"), self._served.connect_seconds + 20
            )
            reply = self._transport.submit(work).result()
        except (TimeoutError, ConnectionLostError) as error:
            raise self._unreachable(str(error)) from None
        if reply.status in (401, 403, 407):
            raise self._stopped(replace(judge(reply), told=str(reply.status)))

    def stream(
        self, requests: Iterable[Request], maximum_tokens: int, *, with_pictures: bool = True
    ) -> Iterator[tuple[Request, Answer]]:
        """Each request beside its answer, in the order they come; see `served.converse`."""
        served = self._served
        self._budgets = budget.budgets_for(served, served.max_requests, served.max_tokens)
        source, waiting = iter(requests), 0
        end: BaseException | None = None
        # A few more than are under way, so that a free connection never waits for this thread.
        most = served.concurrency + served.concurrency // 4 + 1
        while True:
            while waiting < most and end is None:
                try:
                    request = next(source)
                except Exception as error:  # noqa: BLE001
                    # Its end, or a fault; what is under way is paid for and comes first.
                    end = error
                    break
                picks = request.picks if with_pictures else ()
                job = self._job(request, picks, maximum_tokens)
                if isinstance(job, Answer):
                    yield request, job
                elif budget.reserve(self._budgets, job.reserved):
                    self._transport.submit(self._attend(job))
                    waiting += 1
                else:
                    end = self._spent()
            if not waiting:
                break
            yield self._settled(self._done.get())
            waiting -= 1
        if end is not None and not isinstance(end, StopIteration):
            raise end

    # One job, in the caller's thread.

    def _job(self, request: Request, picks: tuple[Pick, ...], maximum_tokens: int) -> _Job | Answer:
        """What to send; or the answer, where it is known without sending."""
        if any(not _looks_whole(pick.jpeg) for pick in picks):
            return Answer(failure="picture_unreadable")
        sampling: dict[str, Any] = {
            "model": self._served.model,
            "temperature": self._served.temperature,
            "max_tokens": maximum_tokens,
            **({"response_format": _SCHEMA} if self._served.structured else {}),
            **self._extra,
        }
        key = _cache_key(request.prompt, picks, sampling, self._served.revision)
        kept = self._cache.get(key)
        if kept is not None:
            count("cache_hits")
            return Answer(kept.text)
        # A picture of a few hundred pixels a side is a few hundred tokens.
        guess = max(self._largest_prompt, len(request.prompt) // 3 + 300 * len(picks))
        return _Job(request, picks, sampling, key, guess + maximum_tokens)

    def _settled(self, job: _Job | BaseException) -> tuple[Request, Answer]:
        """A finished job's answer, after keeping it."""
        if isinstance(job, _Hopeless):
            raise ServiceError(job.args[0], hint=job.args[1])
        if isinstance(job, BaseException):
            raise job
        verdict = job.verdict
        if verdict is None or verdict.next != "done":
            self._struck(verdict)
            return job.request, Answer(failure=verdict.failure if verdict else "server_error")
        self._strikes, self._has_answered = 0, True
        text = self._redacted(verdict.text)
        self._cache.put(job.key, Kept(text, verdict.prompt_tokens, verdict.completion_tokens))
        return job.request, Answer(_one_line(text))

    def _struck(self, verdict: Verdict | None) -> None:
        """Count clips that failed for reasons that are not their own."""
        own = ("truncated", "refused", "empty_answer", "context_exceeded")
        if verdict is not None and verdict.failure in own:
            self._strikes = 0
            return
        self._strikes += 1
        if self._strikes >= _STRIKES or (not self._has_answered and self._strikes >= 4):
            told = self._redacted(verdict.told) if verdict else ""
            raise ServiceError(
                f"the server at {self._served.base_url} has not answered {self._strikes} clips in "
                f"a row; the last time: {verdict.failure if verdict else 'no answer'}"
                + (f" ({told})" if told else ""),
                hint="look at the server; what is answered is kept, a rerun goes on from there",
            )

    # One job, in the loop's thread.

    async def _attend(self, job: _Job) -> None:
        """Send a job until it is answered, fails for good, or its time is over."""
        try:
            async with asyncio.timeout(self._served.total_seconds):
                with stage("request"):
                    job.verdict = await self._answered(job)
        except TimeoutError:
            job.verdict = Verdict("fail", failure="timed_out", told="no answer in time")
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001
            # Whatever it is, the caller's thread waits for this job: it is raised there.
            self._done.put(error)
            return
        finally:
            self._account(job)
        self._done.put(job)

    async def _answered(self, job: _Job) -> Verdict:
        content = _content(job.request.prompt, job.picks)
        while True:
            verdict = await self._sent(job, content)
            if verdict.next == "stop":
                stopped = self._stopped(verdict)
                raise _Hopeless(stopped.message, stopped.hint)
            if verdict.next == "adapt" and self._adapts(job, verdict.adaptation):
                verdict = replace(verdict, next="again", wait_seconds=0.0)
            elif verdict.next == "adapt":
                return replace(verdict, next="fail")
            elif verdict.next != "again" or job.tries > self._served.retries:
                return replace(verdict, next="fail") if verdict.next == "again" else verdict
            job.verdict = verdict
            if not budget.reserve(self._budgets, 0):
                return replace(verdict, next="fail")
            count("retries")
            await asyncio.sleep(self._pause(job.tries, verdict.wait_seconds))

    async def _sent(self, job: _Job, content: bytes) -> Verdict:
        """One try."""
        job.tries += 1
        count("requests")
        try:
            async with self._slots:
                reply = await self._transport.request("POST", _CHAT, self._body(job, content))
        except TimeoutError as error:
            return Verdict("again", failure="timed_out", told=str(error))
        except ConnectionLostError as error:
            return Verdict("again", failure="connection_lost", told=str(error))
        return judge(reply, structured=self._served.structured)

    def _body(self, job: _Job, content: bytes) -> bytes:
        fields = dict(job.fields)
        for name in self._dropped:
            value = fields.pop(name, None)
            if name == "max_tokens":
                fields["max_completion_tokens"] = value
        return b'{"messages":' + content + b"," + json.dumps(fields).encode()[1:]

    def _adapts(self, job: _Job, name: str) -> bool:
        """Leave out what the server does not know, from now on; False where that is not new."""
        if name not in job.fields or job.tries > self._served.retries + 2:
            return False
        self._dropped.add(name)
        return True

    def _pause(self, tries: int, asked: float | None) -> float:
        longest = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2.0 ** (tries - 1))
        # Jitter, so that requests that failed together do not come back together.
        pause = longest * self._random.uniform(0.5, 1.0)
        if asked is None:
            return pause
        return min(asked + self._random.uniform(0, 0.1) * asked, self._served.total_seconds)

    def _account(self, job: _Job) -> None:
        verdict = job.verdict or Verdict("fail")
        spent = verdict.prompt_tokens + verdict.completion_tokens
        self._largest_prompt = max(self._largest_prompt, verdict.prompt_tokens)
        for each in self._budgets:
            each.settle(job.reserved, spent)
        count("tokens", spent)
        count("prompt_tokens", verdict.prompt_tokens)
        count("completion_tokens", verdict.completion_tokens)

    # What users are told.

    def _spent(self) -> BudgetSpentError:
        spent = self._budgets[0]
        return BudgetSpentError(
            f"the budget for {self._served.model} is used up: {spent.requests} requests, "
            f"{spent.tokens} tokens",
            hint="what is answered is kept; the same command with a larger budget goes on",
        )

    def _stopped(self, verdict: Verdict) -> ServiceError:
        served = self._served
        variable = served.key_variable or "key_variable"
        state = "is set" if self._key else "is not set"
        return ServiceError(
            f"the server at {served.base_url} refuses model {served.model!r}: "
            f"{self._redacted(verdict.told)}",
            hint=f"check base_url (it ends in /v1), the model's name, and the key ({variable} "
            f"{state} in the environment)",
        )

    def _unreachable(self, told: str) -> ServiceError:
        return ServiceError(
            f"the server at {self._served.base_url} cannot be reached: {self._redacted(told)}",
            hint="is it running? --set served.base_url=URL names another",
        )

    def _redacted(self, text: str) -> str:
        """A server's words without the key, which some send back."""
        text = re.sub(r"(?i)(bearer\s+|\bsk-)[\w.*-]{6,}", r"\1***", text)
        return text.replace(self._key, "***") if self._key else text


def _content(prompt: str, picks: Sequence[Pick]) -> bytes:
    """The messages of a request, as JSON."""
    if not picks:
        messages: list[Any] = [{"role": "user", "content": prompt}]
        return json.dumps(messages).encode()
    # Base64 needs no escaping, so the pictures are put in as they are.
    pictures = b"".join(
        b'{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,'
        + base64.b64encode(pick.jpeg)
        + b'"}},'
        for pick in picks
    )
    words = json.dumps({"type": "text", "text": prompt}).encode()
    return b'[{"role":"user","content":[' + pictures + words + b"]}]"


def _cache_key(
    prompt: str, picks: Sequence[Pick], sampling: dict[str, Any], revision: str
) -> bytes:
    digest = hashlib.blake2b(digest_size=24)
    described = json.dumps([sampling, revision], sort_keys=True).encode()
    for item in (described, prompt.encode(), *(pick.jpeg for pick in picks)):
        digest.update(len(item).to_bytes(8, "big"))
        digest.update(item)
    return digest.digest()


def _looks_whole(jpeg: bytes) -> bool:
    """Whether a picture begins and ends as one; decoded where that is in doubt."""
    if jpeg[:3] == b"\xff\xd8\xff" and jpeg[-2:] == b"\xff\xd9":
        return True
    return decode_jpeg(jpeg) is not None


def _one_line(text: str) -> str:
    return " ".join("".join(c for c in text if c.isprintable() or c.isspace()).split())
