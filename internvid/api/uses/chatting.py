"""Talk with a video chat about a video, and serve one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from internvid.core.errors import MisuseError
from internvid.core.types import TimeSpan

if TYPE_CHECKING:
    from internvid.models.chat.conversation import Conversation

PathLike = str | os.PathLike[str]


def open_conversation(
    model: str,
    video: PathLike,
    *,
    frames: int | None = None,
    start: float | None = None,
    end: float | None = None,
    max_tokens: int = 128,
    device: str = "auto",
) -> Conversation:
    """Begin a conversation about a video.

    Args:
        model: a run or folder of a video chat, or a hub name.
        video: a file.
        frames: that are looked at; the model's own number by default.
        start, end: seconds of the part to look at; all of it by default.
        max_tokens: most tokens of an answer.
        device: `auto`, `cpu`, `cuda` ...

    Raises:
        InternvidError: the model or the video cannot be read.
    """
    from internvid.models.chat.conversation import Conversation
    from internvid.models.chat.video_chat import VideoChat

    span = None
    if start is not None or end is not None:
        first, last = start or 0.0, end if end is not None else float(10**9)
        if not 0 <= first < last:
            raise MisuseError(f"there is no part of a video from {first:g} to {last:g} seconds")
        span = TimeSpan(first, last)
    if frames is not None and frames < 1:
        raise MisuseError(f"frames must be at least 1, got {frames}")
    chat = VideoChat.from_pretrained(model, device=device)
    seen = chat.see(Path(video), frames=frames, span=span)
    return Conversation(chat, seen, max_tokens)


def chat(
    model: str,
    video: PathLike,
    question: str,
    *,
    frames: int | None = None,
    start: float | None = None,
    end: float | None = None,
    max_tokens: int = 128,
    device: str = "auto",
) -> str:
    """Ask a video chat one question about a video.

    Args:
        model: see `open_conversation`; so are the other arguments.
        question: what to answer.

    Returns:
        The answer.

    Raises:
        InternvidError: the model or the video cannot be read, or the dialogue is too long.
    """
    talk = open_conversation(
        model, video, frames=frames, start=start, end=end, max_tokens=max_tokens, device=device
    )
    return "".join(talk.ask(question)).strip()


def serve_chat(
    model: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    device: str = "auto",
    started: Callable[[str], None] | None = None,
    wait: Callable[[], None] | None = None,
) -> None:
    """Serve a video chat as an endpoint of the OpenAI type until Ctrl-C.

    Args:
        model: a run or folder of a video chat, or a hub name.
        host, port: of this machine; port 0 takes one that is free.
        device: `auto`, `cpu`, `cuda` ...
        started: called with the base address once it answers.
        wait: returns when it is to end; never, by default.

    Raises:
        InternvidError: the model cannot be read, or the port is taken.
    """
    import threading

    from internvid.models.chat.endpoint import serving
    from internvid.models.chat.video_chat import VideoChat

    chat = VideoChat.from_pretrained(model, device=device)
    with serving(chat, Path(model).name or model, host, port) as endpoint:
        if started is not None:
            started(f"http://{host}:{endpoint.server_address[1]}/v1")
        (wait or threading.Event().wait)()
