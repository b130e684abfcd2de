"""The one client for served models: many requests at once, each answered, retried or failed.

A synchronous stream of (request, answer) outside; one event loop in a thread inside. An answer is
paired with its request by the coroutine that sent it, so that order, retries and reconnections
cannot move it to another clip.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import queue
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Self

from internvid.captions.requests import Answer, Request
from internvid.captions.server import budget, troubles
from internvid.captions.server.cache import AnswerCache, Kept, cache_folder
from internvid.captions.server.config import ServedModel
from internvid.captions.server.lanes import FIRST, Lanes, Passage
from internvid.captions.server.payload import (
    SCHEMA,
    answer_tokens_of,
    cache_key,
    content_of,
    looks_whole,
    one_line,
    prompt_tokens_of,
)
from internvid.captions.server.replies import Verdict, model_names, read_reply
from internvid.captions.server.request_jobs import HopelessError, Job, clock
from internvid.captions.server.transport import (
    ConnectionLostError,
    NotConnectedError,
    Reply,
    Transport,
)
from internvid.core.contracts import Pick
from internvid.core.errors import BudgetSpentError, ServiceError
from internvid.core.timings import count, stage

logger = logging.getLogger(__name__)
_CHAT = "/chat/completions"
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 60.0
_LISTING_SECONDS = 20.0
# So many clips in a row without one good answer, each with all its retries: the server is down.
_STRIKES, _FIRST_STRIKES = 16, 4
# Failures that are the clip's own: the next one may well be answered.
_OWN = ("truncated", "refused", "empty_answer", "context_exceeded")


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
        self._lanes = Lanes(served.concurrency, served.read_seconds)
        self._done: queue.SimpleQueue[Job | BaseException] = queue.SimpleQueue()
        self._dropped: set[str] = set()
        self._largest_prompt = 0
        self._largest_answer = 0
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
        """Ask for the list of models: is the server there, does it take the key, has it the model?

        A name that is not listed is warned about and not refused: some servers answer to any. So is
        silence on an open connection: a server that does one thing at a time may be busy.

        Raises:
            ServiceError: it cannot be reached, or refuses the key.
        """
        try:
            names = self._models()
        except TimeoutError as error:
            logger.warning("the server at %s says nothing yet: %s", self._served.base_url, error)
            return
        if names and self._served.model not in names:
            logger.warning(
                "the server at %s does not list the model %r; it lists: %s%s",
                self._served.base_url,
                self._served.model,
                troubles.listed(names),
                troubles.nearest(self._served.model, names),
            )

    def models(self) -> list[str]:
        """Names of the models that the server lists; empty where it lists none.

        Raises:
            ServiceError: it cannot be reached, or refuses the key.
        """
        try:
            return self._models()
        except TimeoutError as error:
            raise troubles.unreachable(self._served, str(error)) from None

    def _models(self) -> list[str]:
        try:
            reply = self._transport.submit(self._listing()).result()
        except ConnectionLostError as error:
            raise troubles.unreachable(self._served, self._redacted(str(error))) from None
        if reply.status in (401, 403, 407):
            raise self._stopped(replace(read_reply(reply), message=str(reply.status)))
        return model_names(reply)

    def stream(
        self, requests: Iterable[Request], maximum_tokens: int, *, with_pictures: bool = True
    ) -> Iterator[tuple[Request, Answer]]:
        """Each request beside its answer, in the order they come; see `served.converse`."""
        served = self._served
        self._budgets = budget.budgets_for(served, served.max_requests, served.max_tokens)
        source, waiting = iter(requests), 0
        end: BaseException | None = None
        ready: Job | None = None
        while True:
            while waiting < self._ahead() and end is None:
                if ready is None:
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
                        continue
                    ready = job
                ready.reserved = self._expected(ready)
                if budget.reserve(self._budgets, ready.reserved):
                    self._transport.submit(self._attend(ready))
                    waiting, ready = waiting + 1, None
                elif waiting:
                    break  # What is under way may cost less than was set aside for it.
                elif not budget.await_settlement(self._budgets):
                    end = self._spent(ready.reserved)
            if not waiting:
                break
            yield self._settled(self._done.get())
            waiting -= 1
        if end is not None and not isinstance(end, StopIteration):
            raise end

    def _ahead(self) -> int:
        """A few more than may be under way, so that a free lane never waits for the caller.

        Until one answer was of use, no more than at first: each may be paid for in vain.
        """
        limit = self._lanes.limit if self._has_answered else min(self._lanes.limit, FIRST)
        return limit + limit // 4 + 1

    # One job, in the caller's thread.

    def _job(self, request: Request, picks: tuple[Pick, ...], maximum_tokens: int) -> Job | Answer:
        """What to send; or the answer, where it is known without sending."""
        if any(not looks_whole(pick.jpeg) for pick in picks):
            return Answer(failure="picture_unreadable")
        sampling: dict[str, Any] = {
            "model": self._served.model,
            "temperature": self._served.temperature,
            "max_tokens": maximum_tokens,
            **({"response_format": SCHEMA} if self._served.structured else {}),
            **self._extra,
        }
        key = cache_key(request.prompt, picks, sampling, self._served.revision)
        kept = self._cache.get(key)
        if kept is not None:
            count("cache_hits")
            count("cached_tokens", kept.prompt_tokens + kept.completion_tokens)
            return Answer(kept.text)
        return Job(request, picks, sampling, key, self._served.total_seconds)

    def _expected(self, job: Job) -> int:
        """Tokens that a job will cost: as much as the dearest so far, or else a guess."""
        prompt = self._largest_prompt or prompt_tokens_of(job.request.prompt, job.picks)
        return prompt + (self._largest_answer or int(job.fields["max_tokens"]))

    def _settled(self, job: Job | BaseException) -> tuple[Request, Answer]:
        """A finished job's answer, after keeping it."""
        if isinstance(job, HopelessError):
            raise ServiceError(job.args[0], hint=job.args[1])
        if isinstance(job, BaseException):
            raise job
        verdict = job.verdict
        if verdict is None or verdict.next != "done":
            self._struck(verdict)
            return job.request, Answer(failure=verdict.failure if verdict else "server_error")
        self._strikes, self._has_answered = 0, True
        text = self._redacted(verdict.text)
        if self._cache.put(job.key, Kept(text, verdict.prompt_tokens, verdict.completion_tokens)):
            count("answers_kept")
            count("kept_tokens", verdict.prompt_tokens + verdict.completion_tokens)
        return job.request, Answer(one_line(text))

    def _struck(self, verdict: Verdict | None) -> None:
        """Count clips that failed for reasons that are not their own."""
        failure = verdict.failure if verdict else ""
        # A refusal of one request says nothing against the next, once one was answered.
        if failure in _OWN or (failure == "rejected" and self._has_answered):
            self._strikes = 0
            return
        self._strikes += 1
        is_new = not self._has_answered and failure != "rejected"
        if self._strikes >= (_FIRST_STRIKES if is_new else _STRIKES):
            last = replace(verdict, message=self._redacted(verdict.message)) if verdict else None
            raise troubles.silent(self._served, self._strikes, last, self._lanes.limit)

    # One job, in the loop's thread.

    async def _attend(self, job: Job) -> None:
        """Send a job until it is answered, fails for good, or its time is over."""
        try:
            job.verdict = await self._answered(job)
        except TimeoutError:
            seconds = self._served.total_seconds
            reason = f"no answer within total_seconds={seconds:g}"
            if job.verdict is not None and job.verdict.message:
                reason += f"; before that: {job.verdict.message}"
            job.verdict = Verdict("fail", failure="timed_out", message=reason)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001
            # Whatever it is, the caller's thread waits for this job: it is raised there.
            self._done.put(error)
            return
        finally:
            self._account(job)
        self._done.put(job)

    async def _answered(self, job: Job) -> Verdict:
        content = content_of(job.request.prompt, job.picks)
        while True:
            verdict = await self._sent(job, content)
            if verdict.next == "stop":
                await self._give_up(verdict)
            if verdict.next == "adapt" and self._adapts(job, verdict.adaptation):
                verdict = replace(verdict, next="again", wait_seconds=0.0)
            elif verdict.next == "adapt":
                return replace(verdict, next="fail")
            elif verdict.next != "again" or job.tries > self._served.retries:
                return replace(verdict, next="fail") if verdict.next == "again" else verdict
            job.verdict = verdict
            if not budget.reserve_retry(self._budgets):
                return replace(verdict, next="fail")
            count("retries")
            async with clock(job):
                await asyncio.sleep(self._pause(job.tries, verdict.wait_seconds))

    async def _give_up(self, verdict: Verdict) -> None:
        """End the run, with the names of the models that there are where one is missing."""
        names: list[str] = []
        with contextlib.suppress(TimeoutError, ConnectionLostError):
            names = model_names(await self._listing())
        error = self._stopped(verdict, names)
        raise HopelessError(error.message, error.hint)

    async def _sent(self, job: Job, content: bytes) -> Verdict:
        """One try: the verdict over what came back."""
        passage = await self._lanes.enter()
        job.tries += 1
        count("requests")
        try:
            async with clock(job):
                with stage("request"):
                    verdict = await self._heard(job, content, passage)
        finally:
            self._lanes.leave(passage)
        job.prompt_tokens += verdict.prompt_tokens
        job.completion_tokens += verdict.completion_tokens
        return verdict

    async def _heard(self, job: Job, content: bytes, passage: Passage) -> Verdict:
        try:
            reply = await self._listened(self._body(job, content), passage)
        except TimeoutError as error:
            return Verdict("again", failure="timed_out", message=str(error))
        except ConnectionLostError as error:
            self._lanes.shrink(passage, 0.5)
            failure = "timed_out" if isinstance(error, NotConnectedError) else "connection_lost"
            return Verdict("again", failure=failure, message=str(error))
        if reply.status == 200:
            self._lanes.answered(passage)
        elif reply.status in (429, 503):
            self._lanes.shrink(passage, 0.5)
        is_greedy = self._served.is_greedy and "temperature" not in self._dropped
        return read_reply(reply, structured=self._served.structured, greedy=is_greedy)

    async def _listened(self, body: bytes, passage: Passage) -> Reply:
        """The reply to one request; one that is late is listened to for longer.

        Raises:
            TimeoutError: none came, and the server is hardly working on it any more.
        """
        read_seconds, longest = self._served.read_seconds, self._served.total_seconds
        sending = asyncio.ensure_future(self._transport.request("POST", _CHAT, body, longest))
        try:
            await asyncio.wait({sending}, timeout=read_seconds)
            if not sending.done():
                self._lanes.late(passage)
                await self._lanes.still_worked_on(passage, sending)
            if sending.done():
                return sending.result()
            raise TimeoutError(f"no answer within read_seconds={read_seconds:g}")
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _listing(self) -> Reply:
        return await self._transport.request("GET", "/models", None, _LISTING_SECONDS)

    def _body(self, job: Job, content: bytes) -> bytes:
        fields = dict(job.fields)
        for name in self._dropped:
            value = fields.pop(name, None)
            if name == "max_tokens":
                fields["max_completion_tokens"] = value
        return b'{"messages":' + content + b"," + json.dumps(fields).encode()[1:]

    def _adapts(self, job: Job, name: str) -> bool:
        """Leave out what the server does not know, from now on; False where that is not new."""
        if name not in job.fields or job.tries > self._served.retries + 2:
            return False
        self._dropped.add(name)
        return True

    def _pause(self, tries: int, retry_after: float | None) -> float:
        longest = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2.0 ** (tries - 1))
        # Jitter, so that requests that failed together do not come back together.
        pause = longest * self._random.uniform(0.5, 1.0)
        if retry_after is None:
            return pause
        return min(
            retry_after + self._random.uniform(0, 0.1) * retry_after, self._served.total_seconds
        )

    def _account(self, job: Job) -> None:
        prompt, answer = job.prompt_tokens, job.completion_tokens
        last = job.verdict or Verdict("fail")
        if last.next == "done" and not prompt + answer:
            # A server that does not count is believed to cost what such texts cost elsewhere.
            prompt = prompt_tokens_of(job.request.prompt, job.picks)
            answer = answer_tokens_of(last.text)
            last = replace(last, prompt_tokens=prompt, completion_tokens=answer)
        self._largest_prompt = max(self._largest_prompt, last.prompt_tokens)
        self._largest_answer = max(self._largest_answer, last.completion_tokens)
        budget.settle(self._budgets, job.reserved, prompt + answer)
        count("tokens", prompt + answer)
        count("prompt_tokens", prompt)
        count("completion_tokens", answer)

    # What users read.

    def _spent(self, expected: int) -> BudgetSpentError:
        return BudgetSpentError(
            f"the budget for {self._served.model} is used up: {budget.report(self._budgets)}; the "
            f"next answer is expected to cost {expected} tokens",
            hint="what is answered is kept; the same command with a larger budget goes on",
        )

    def _stopped(self, verdict: Verdict, names: Iterable[str] = ()) -> ServiceError:
        reason = self._redacted(verdict.message)
        return troubles.stopped(self._served, reason, list(names), has_key=bool(self._key))

    def _redacted(self, text: str) -> str:
        return troubles.redacted(text, self._key)
