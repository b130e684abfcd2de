"""A small endpoint of the OpenAI type for one video chat: chat completions and the list of models.

A request's pictures are the frames of one video, in order; its texts are the dialogue. Standard
library alone; one answer at a time, since a model runs one batch at a time.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from internvid.core.errors import InternvidError, MisuseError
from internvid.models.chat.prompt_forms import Turn
from internvid.models.chat.video_chat import VideoChat
from internvid.video.pictures import decode_picture

_LARGEST_BODY = 64 << 20
_MOST_PICTURES = 512
_MOST_TOKENS = 1024
_USUAL_TOKENS = 128
_DATA = "data:image/"


@dataclass(frozen=True)
class ChatRequest:
    """What a request asks for.

    Attributes:
        turns: the dialogue; a question comes last.
        frames: uint8 [T, H, W, 3]; None where there is no picture.
        max_tokens: most tokens of the answer.
        streams: whether the answer is sent in pieces.
    """

    turns: tuple[Turn, ...]
    frames: Any
    max_tokens: int
    streams: bool


def read_request(body: bytes) -> ChatRequest:
    """The request of a body.

    Raises:
        MisuseError: it is no chat request, or asks for what there is not.
    """
    try:
        given = json.loads(body)
        messages, tokens = given["messages"], given.get("max_tokens")
        tokens = given.get("max_completion_tokens") if tokens is None else tokens
        tokens = _USUAL_TOKENS if tokens is None else int(tokens)
        turns: list[Turn] = []
        pictures: list[str] = []
        for message in messages:
            turns.append(Turn(str(message["role"]), _text(message["content"], pictures)))
        streams = bool(given.get("stream"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MisuseError(f"the body is no chat request: {error!r}") from error
    roles = [turn.role for turn in turns]
    spoken = roles[1:] if roles[:1] == ["system"] else roles
    if spoken[::2] != ["user"] * len(spoken[::2]) or len(spoken) % 2 == 0:
        raise MisuseError(f"roles are {', '.join(roles) or 'none'}; user and assistant take turns")
    if spoken[1::2] != ["assistant"] * len(spoken[1::2]):
        raise MisuseError(f"roles are {', '.join(roles)}; user and assistant take turns")
    if not 1 <= tokens <= _MOST_TOKENS:
        raise MisuseError(f"max_tokens must lie between 1 and {_MOST_TOKENS}, got {tokens}")
    return ChatRequest(tuple(turns), _frames(pictures), tokens, streams)


def _text(content: Any, pictures: list[str]) -> str:
    if isinstance(content, str):
        return content
    texts = []
    for part in content:
        if part["type"] == "text":
            texts.append(str(part["text"]))
        elif part["type"] == "image_url":
            pictures.append(str(part["image_url"]["url"]))
        else:
            raise ValueError(f"parts of type {part['type']!r} are not read")
    return " ".join(texts)


def _frames(addresses: Sequence[str]) -> Any:
    """The pictures of a request as frames; nothing is fetched from anywhere."""
    if not addresses:
        return None
    if len(addresses) > _MOST_PICTURES:
        raise MisuseError(f"{len(addresses)} pictures are more than {_MOST_PICTURES}")
    pictures = []
    for number, address in enumerate(addresses):
        kind, _, data = address.partition(";base64,")
        try:
            if not kind.startswith(_DATA):
                raise ValueError("no picture in the request itself")
            picture = decode_picture(base64.b64decode(data, validate=True))
        except (ValueError, binascii.Error) as error:
            raise MisuseError(f"picture {number} is no data:image/...;base64: {error}") from error
        if picture is None:
            raise MisuseError(f"picture {number} cannot be decoded")
        pictures.append(picture.convert("RGB"))
    size = pictures[0].size
    return np.stack([np.asarray(each.resize(size)) for each in pictures])


class ChatEndpoint(ThreadingHTTPServer):
    """Serves one video chat.

    Args:
        address: host and port; port 0 takes a free one.
        chat: the model.
        name: that it is listed under.
    """

    daemon_threads = True

    def __init__(self, address: tuple[str, int], chat: VideoChat, name: str) -> None:
        super().__init__(address, _Handler)
        self.chat = chat
        self.name = name
        self.busy = threading.Lock()

    def answer(self, request: ChatRequest) -> Iterator[str]:
        """The answer in pieces.

        Raises:
            InternvidError: the dialogue is too long.
        """
        with self.busy:
            frames = request.frames
            video = frames if frames is None else np.asarray(frames)
            count = None if frames is None else min(len(frames), self.chat.config.frames)
            seen = self.chat.see(video, frames=count)
            yield from self.chat.stream(seen, request.turns, max_tokens=request.max_tokens)


class _Handler(BaseHTTPRequestHandler):
    server: ChatEndpoint
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing is logged: requests hold what people ask."""

    def do_GET(self) -> None:
        """The list of models."""
        if self.path.rstrip("/") != "/v1/models":
            self._refuse(404, f"there is no {self.path}")
            return
        listed = [{"id": self.server.name, "object": "model", "owned_by": "internvid"}]
        self._send(200, {"object": "list", "data": listed})

    def do_POST(self) -> None:
        """One chat completion."""
        if self.path.rstrip("/") != "/v1/chat/completions":
            self._refuse(404, f"there is no {self.path}", closes=True)
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _LARGEST_BODY:
            self._refuse(413, f"a body needs a length of at most {_LARGEST_BODY}", closes=True)
            return
        try:
            request = read_request(self.rfile.read(int(length)))
            pieces = self.server.answer(request)
            first = next(pieces, "")
        except InternvidError as error:
            # Words that clients know a full context by.
            full = "takes" in error.message and "tokens" in error.message
            prefix = "maximum context length exceeded: " if full else ""
            self._refuse(400, f"{prefix}{error.message}")
            return
        if request.streams:
            self._stream(first, pieces)
        else:
            self._whole("".join([first, *pieces]))

    def _whole(self, text: str) -> None:
        message = {"role": "assistant", "content": text.strip()}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self._send(200, self._head("chat.completion") | {"choices": [choice]})

    def _stream(self, first: str, pieces: Iterator[str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for text in (first, *pieces):
            self._event({"index": 0, "delta": {"content": text}, "finish_reason": None})
        self._event({"index": 0, "delta": {}, "finish_reason": "stop"})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, choice: dict[str, Any]) -> None:
        described = self._head("chat.completion.chunk") | {"choices": [choice]}
        self.wfile.write(b"data: " + json.dumps(described).encode() + b"\n\n")
        self.wfile.flush()

    def _head(self, kind: str) -> dict[str, Any]:
        made = int(time.time())
        return {"id": f"chat-{time.time_ns()}", "object": kind, "created": made,
                "model": self.server.name}  # fmt: skip

    def _refuse(self, status: int, message: str, *, closes: bool = False) -> None:
        if closes:
            self.close_connection = True
        self._send(status, {"error": {"message": message, "type": "invalid_request_error"}})

    def _send(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def serving(
    chat: VideoChat, name: str, host: str = "127.0.0.1", port: int = 0
) -> Iterator[ChatEndpoint]:
    """An endpoint that answers in threads of its own while the block runs.

    Args:
        chat: the model.
        name: that it is listed under.
        host, port: of this machine; port 0 takes a free one.

    Raises:
        MisuseError: the port is taken, or the host is none of this machine.
    """
    try:
        endpoint = ChatEndpoint((host, port), chat, name)
    except OSError as error:
        raise MisuseError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            hint="choose another --port, or 0 for any that is free",
        ) from error
    thread = threading.Thread(target=endpoint.serve_forever, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        endpoint.shutdown()
        endpoint.server_close()
