"""chat: questions about a video, answered as they are written; or an endpoint for others."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from internvid.cli.options import Device, Json
from internvid.cli.output import put, put_json, say
from internvid.core.errors import InternvidError, MisuseError

if TYPE_CHECKING:
    from internvid.models.chat.conversation import Conversation


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel="Train")(chat)


def chat(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Run or folder of a video chat, or a hub name.")
    ],
    video: Annotated[
        Optional[Path], typer.Argument(metavar="VIDEO", help="The video file to ask about.")
    ] = None,
    question: Annotated[
        Optional[str],
        typer.Argument(metavar="QUESTION", help="Without one, questions are read line by line."),
    ] = None,
    frames: Annotated[
        Optional[int],
        typer.Option(min=1, help="Number of frames to look at; default: the model's own."),
    ] = None,
    start: Annotated[
        Optional[float], typer.Option(metavar="SECONDS", help="Where the part to look at begins.")
    ] = None,
    end: Annotated[Optional[float], typer.Option(metavar="SECONDS", help="Where it ends.")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of an answer.")] = 128,
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve the model as an OpenAI-type endpoint instead.")
    ] = False,
    host: Annotated[str, typer.Option(help="With --serve: address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="With --serve: port; 0 for any that is free.")
    ] = 8000,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Ask a video chat about a video, or serve it."""
    from internvid.api.uses import chatting

    if serve:
        if video is not None:
            raise MisuseError("--serve takes no video: requests bring their own frames")
        chatting.serve_chat(
            model, host=host, port=port, device=device,
            started=lambda address: put(f"{Path(model).name} is served at {address}"),
        )  # fmt: skip
        return
    if video is None:
        raise MisuseError("no video is named", hint="internvid chat MODEL VIDEO [QUESTION]")
    if question is None and as_json:
        raise MisuseError("--json needs a question", hint="internvid chat MODEL VIDEO QUESTION")
    talk = chatting.open_conversation(
        model, video, frames=frames, start=start, end=end, max_tokens=max_tokens, device=device
    )
    if question is None:
        _read_questions(talk)
    elif as_json:
        answer = "".join(talk.ask(question)).strip()
        put_json({"video": str(video), "question": question, "answer": answer})
    else:
        _write(talk, question)


def _write(talk: Conversation, question: str) -> None:
    """An answer, piece by piece."""
    for piece in talk.ask(question):
        sys.stdout.write(piece)
        sys.stdout.flush()
    put("")


def _read_questions(talk: Conversation) -> None:
    """Questions from the terminal or a pipe, until its end or an empty line."""
    if sys.stdin.isatty():
        say("an empty line ends the conversation")
    while True:
        if sys.stdin.isatty():
            sys.stderr.write("> ")
            sys.stderr.flush()
        question = sys.stdin.readline().strip()
        if not question:
            return
        try:
            _write(talk, question)
        except InternvidError as error:
            # A conversation that has grown too long does not take its answers with it.
            say(str(error))
