"""A chat server of raw sockets on the loopback, that can misbehave in every way."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from internvid.captions.server.config import ServedModel


@dataclass(frozen=True)
class Turn:
    """What the server does with one request.

    Attributes:
        body: sent as the answer; bytes as they are, anything else as JSON.
        status, headers: of HTTP.
        delay_seconds: before anything is sent.
        does: "answer"; "hang" (nothing, ever); "reset" (close at once); "cut" (half the body,
            then close); "short" (announces fewer bytes than it sends); "long" (announces more, then
            closes); "twice" (the answer two times); "chunks" (chunked encoding); "garbage" (no
            HTTP).
        work_seconds: one of the server's workers is busy with it so long, also when the client has
            left; others wait for their turn.
    """

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    does: str = "answer"
    work_seconds: float = 0.0


def chat(content: Any, finish_reason: str | None = "stop", **message: Any) -> dict[str, Any]:
    """A chat completion as OpenAI's reference has it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, **message},
                "finish_reason": finish_reason,
            }
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107},
    }


def asked(payload: dict[str, Any]) -> tuple[str, list[bytes]]:
    """(words, pictures) of a request."""
    content = payload["messages"][-1]["content"]
    if isinstance(content, str):
        return content, []
    words = "".join(part["text"] for part in content if part["type"] == "text")
    addresses = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
    return words, [base64.b64decode(address.partition(",")[2]) for address in addresses]


def mirror(payload: dict[str, Any]) -> str:
    """A text that only this very question can have as its answer."""
    words, pictures = asked(payload)
    return fingerprint(words, pictures)


def fingerprint(words: str, pictures: list[bytes]) -> str:
    """The same, for whoever knows the question."""
    return hashlib.sha256(words.encode() + b"|".join(pictures)).hexdigest()


Script = Callable[[dict[str, Any], int], Turn]


class ChatServer:
    """Answers POSTs by a script: (payload, how often this payload came before) -> turn.

    Args:
        script: what it says to each request.
        encryption: for https.
        workers: requests that are worked on at once, in the order they came.

    Attributes:
        requests: (method, path, headers, payload) of each request, in the order they came.
        most_at_once: how many were under way together at most.
        models: names that it lists. listing: what it does instead.
    """

    def __init__(
        self, script: Script, encryption: ssl.SSLContext | None = None, workers: int = 1
    ) -> None:
        self.script = script
        self._workers = asyncio.Semaphore(workers)
        self._encryption = encryption
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.most_at_once = 0
        self.models = ["m"]
        self.listing: Turn | None = None
        self._now = 0
        self._seen: Counter[bytes] = Counter()
        self._loop = asyncio.new_event_loop()
        self._transports: list[asyncio.WriteTransport] = []
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(10)

    @property
    def posts(self) -> list[Any]:
        """Payloads of the POSTs."""
        return [payload for method, _, _, payload in self.requests if method == "POST"]

    def served(self, **fields: Any) -> ServedModel:
        """A configuration for this server, of patience: a loaded machine answers late."""
        quick = {
            "model": "m",
            "base_url": f"http://127.0.0.1:{self.port}/v1",
            "cache": "",
            "read_seconds": 60.0,
            "total_seconds": 120.0,
        }
        return ServedModel(**{**quick, **fields})

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(
            self._connection, "127.0.0.1", 0, limit=2**22, ssl=self._encryption
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        # What is cancelled before its first step never closes its connection: neither a handler nor
        # the loop's own task that accepts one.
        await _rounds()
        while any("_accept_connection" in repr(task) for task in asyncio.all_tasks()):
            await asyncio.sleep(0.001)
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # A close that waits for a client to read is not waited for.
        for transport in self._transports:
            transport.abort()
        await _rounds()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._transports.append(writer.transport)
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            # Flushes what is written and closes the socket, whatever happened.
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {
            name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        payload = json.loads(body) if body else None
        self.requests.append((method, path, headers, payload))
        if method == "GET":
            turn = self.listing or Turn(
                {"object": "list", "data": [{"id": name} for name in self.models]}
            )
        else:
            key = hashlib.sha256(json.dumps(payload["messages"]).encode()).digest()
            self._seen[key] += 1
            turn = self.script(payload, self._seen[key] - 1)
        if turn.does == "hang":
            # The client gives up on these unseen, so they are not counted.
            await asyncio.sleep(3600)
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            return await self._act(turn, writer)
        finally:
            self._now -= 1

    async def _act(self, turn: Turn, writer: asyncio.StreamWriter) -> bool:
        if turn.work_seconds:
            async with self._workers:
                await asyncio.sleep(turn.work_seconds)
        await asyncio.sleep(turn.delay_seconds)
        body = turn.body if isinstance(turn.body, bytes) else json.dumps(turn.body).encode()
        if turn.does == "reset":
            writer.transport.abort()
            return False
        if turn.does == "garbage":
            writer.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
            return False
        length = {"short": len(body) // 2, "long": len(body) + 50}.get(turn.does, len(body))
        head = f"HTTP/1.1 {turn.status} Some\r\nContent-Type: application/json\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in turn.headers.items())
        if turn.does == "chunks":
            writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            for part in (body[:10], body[10:]):
                writer.write(b"%x\r\n%s\r\n" % (len(part), part) if part else b"")
            writer.write(b"0\r\n\r\n")
            return True
        whole = f"{head}Content-Length: {length}\r\n\r\n".encode() + body
        writer.write(whole[: -len(body) // 2] if turn.does == "cut" else whole)
        if turn.does == "twice":
            writer.write(whole)
        await writer.drain()
        return turn.does not in ("cut", "long")


@contextlib.contextmanager
def serving(
    script: Script, encryption: ssl.SSLContext | None = None, workers: int = 1
) -> Iterator[ChatServer]:
    """A server while the block runs."""
    server = ChatServer(script, encryption, workers)
    try:
        yield server
    finally:
        server.close()


async def _rounds() -> None:
    """Let the loop do what is due: connections are opened and closed in several rounds."""
    for _ in range(4):
        await asyncio.sleep(0)
