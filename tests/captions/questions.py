"""Questions about clips, put to a served model, for the tests of the client."""

from __future__ import annotations

from typing import Any

from internvid.captions.requests import Answer, Request, ask_about
from internvid.captions.server.chat import converse
from internvid.captions.server.config import ServedModel
from internvid.core.contracts import Pick
from tests.captions.servers import Turn, chat, fingerprint, mirror, serving
from tests.models.pretrained.pictures import jpeg

PICTURES = [jpeg(seed) for seed in range(12)]
KEY = "sk-verysecret-0123456789"


def requests(number: int) -> list[Request]:
    return [
        ask_about(f"{at:032x}", [Pick(0, 0.0, PICTURES[at % 12])], f"what is number {at}?")
        for at in range(number)
    ]


def expected(request: Request) -> str:
    return fingerprint(request.prompt, [pick.jpeg for pick in request.picks])


def echo(payload: dict[str, Any], _: int) -> Turn:
    return Turn(chat(mirror(payload)))


def answers(served: ServedModel, asked: list[Request]) -> dict[str, Answer]:
    told = list(converse(served, asked, 32))
    found = {request.clip_id: answer for request, answer in told}
    assert len(found) == len(told) == len(asked)
    return found


def collect(
    told: dict[str, Answer], served: ServedModel, asked: list[Request], maximum_tokens: int = 32
) -> None:
    """Keep answers as they come, for streams that end with an error."""
    for request, answer in converse(served, asked, maximum_tokens):
        told[request.clip_id] = answer


def single(turn: Turn, **fields: Any) -> Answer:
    """The answer to one question, the server's turn being always the same."""
    with serving(lambda _payload, _time: turn) as server:
        return answers(server.served(retries=1, **fields), requests(1))[f"{0:032x}"]
