"""The endpoint, our own client at it, the command, and the captioner."""

from __future__ import annotations

import base64
import io
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import internvid
from internvid.captions.requests import ask_about
from internvid.captions.server.chat import converse, listed_models
from internvid.captions.server.config import ServedModel
from internvid.cli.app import main
from internvid.core.contracts import Pick
from internvid.core.errors import MisuseError
from internvid.models.chat.endpoint import ChatEndpoint, read_request, serving
from internvid.models.chat.prompt_forms import Turn
from internvid.models.chat.video_chat import VideoChat


def jpeg(frame: Any) -> bytes:
    data = io.BytesIO()
    Image.fromarray(frame).save(data, "JPEG", quality=95)
    return data.getvalue()


@pytest.fixture(scope="module")
def endpoint(chat: VideoChat) -> Iterator[ChatEndpoint]:
    with serving(chat, "tiny") as served:
        yield served


def address(endpoint: ChatEndpoint) -> str:
    return f"http://127.0.0.1:{endpoint.server_address[1]}/v1"


def post(endpoint: ChatEndpoint, body: Any) -> tuple[int, bytes]:
    request = urllib.request.Request(
        f"{address(endpoint)}/chat/completions", json.dumps(body).encode()
    )
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def question(frames: Any, text: str = "What?", **more: Any) -> dict[str, Any]:
    pictures = [
        {"type": "image_url",
         "image_url": {"url": "data:image/jpeg;base64," + base64.b64encode(jpeg(each)).decode()}}
        for each in frames
    ]  # fmt: skip
    content = [*pictures, {"type": "text", "text": text}]
    return {"messages": [{"role": "user", "content": content}], "max_tokens": 6, **more}


def test_our_client_reads_what_the_endpoint_writes(
    chat: VideoChat, endpoint: ChatEndpoint, frames: Any
) -> None:
    served = ServedModel(model="tiny", base_url=address(endpoint), cache="")
    assert listed_models(served) == ["tiny"]
    picks = tuple(Pick(at, at / 4, jpeg(each)) for at, each in enumerate(frames))
    request = ask_about("one", picks, "What colour is it?")
    ((_, answer),) = converse(served, [request], 6)
    body = question(frames, "What colour is it?")
    seen = read_request(json.dumps(body).encode())
    expected = "".join(chat.stream(chat.see(seen.frames), seen.turns, max_tokens=6)).strip()
    assert answer.text == expected or (answer.failure == "empty_answer" and not expected)


def test_a_stream_has_the_pieces_of_the_whole(endpoint: ChatEndpoint, frames: Any) -> None:
    _, whole = post(endpoint, question(frames))
    status, stream = post(endpoint, question(frames, stream=True))
    lines = [line.removeprefix("data: ") for line in stream.decode().split("\n\n") if line]
    assert status == 200
    assert lines[-1] == "[DONE]"
    deltas = [json.loads(line)["choices"][0]["delta"] for line in lines[:-1]]
    text = "".join(delta.get("content", "") for delta in deltas)
    assert text.strip() == json.loads(whole)["choices"][0]["message"]["content"]


def test_what_is_no_request_is_refused(endpoint: ChatEndpoint, frames: Any) -> None:
    elsewhere = question(frames)
    elsewhere["messages"][0]["content"][0]["image_url"]["url"] = "file:///etc/passwd"
    wrong = [
        {},
        {"messages": [{"role": "assistant", "content": "Hm."}]},
        {"messages": [{"role": "narrator", "content": "Hm."}]},
        {**question(frames), "max_tokens": 0},
        {**question(frames), "max_tokens": "many"},
        elsewhere,
    ]
    for body in wrong:
        status, answer = post(endpoint, body)
        assert status == 400, body
        assert json.loads(answer)["error"]["message"]
    status, answer = post(endpoint, question(frames, "why " * 900))
    assert (status, b"maximum context length" in answer) == (400, True)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{address(endpoint)}/files")


def test_a_taken_port_is_said(chat: VideoChat, endpoint: ChatEndpoint) -> None:
    with (
        pytest.raises(MisuseError, match="cannot listen on"),
        serving(chat, "other", port=endpoint.server_address[1]),
    ):
        pass


def test_the_command_answers(
    run: Path, video: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = ["chat", str(run), str(video), "What colour is it?", "--max-tokens", "6"]
    assert main([*ask, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    answer = internvid.chat(str(run), video, "What colour is it?", max_tokens=6)
    assert shown == {"video": str(video), "question": "What colour is it?", "answer": answer}
    monkeypatch.setattr("sys.stdin", io.StringIO("What colour is it?\n\nnever read\n"))
    assert main(["chat", str(run), str(video), "--max-tokens", "6"]) == 0
    assert capsys.readouterr().out.strip() == answer
    assert main(["chat", str(run)]) == 2
    assert main(["chat", str(run), str(video), "--json"]) == 2
    assert main(["chat", str(run), str(video), "Hm?", "--start", "4", "--end", "2"]) == 2
    assert "no part of a video from 4 to 2" in capsys.readouterr().err


def test_turns_of_a_request_are_a_dialogue() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What?"},
        {"role": "assistant", "content": "A circle."},
        {"role": "user", "content": [{"type": "text", "text": "Which?"}]},
    ]
    read = read_request(json.dumps({"messages": messages}).encode())
    assert read.turns[-1] == Turn("user", "Which?")
    assert (read.frames, read.streams) == (None, False)
