"""What servers complain of, in their own words, and what the client makes of it."""

from __future__ import annotations

import pytest

from internvid.core.errors import ServiceError
from tests.captions.questions import answers, requests, single
from tests.captions.servers import Turn, serving

pytestmark = pytest.mark.usefixtures("hurried")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        # vLLM
        (400, ("The decoder prompt (length 4711) is longer than the maximum model length of 4096. "
            "Make sure that `max_model_len` is no smaller than the number of text tokens.")),
        (400, "max_tokens must be at least 1, got -305."),
        (400, ("'max_tokens' or 'max_completion_tokens' is too large: 32. This model's maximum "
            "context length is 2048 tokens and your request has 2040 input tokens")),
        # SGLang
        (400, "The input (5000 tokens) is longer than the model's context length (4096 tokens)."),
        (400, "Requested token count exceeds the model's maximum context length of 4096 tokens."),
        # llama.cpp, also as it was, with the status of a broken server
        (500, "the request exceeds the available context size. try increasing the context size"),
        (400, "request (5000 tokens) exceeds the available context size (4096 tokens)"),
        # TGI
        (422, ("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. "
            "Given: 5000 `inputs` tokens and 20 `max_new_tokens`")),
        (422, "Input validation error: `inputs` must have less than 4095 tokens. Given: 5000"),
        # OpenAI and hosted services
        (400, ("Input tokens exceed the configured limit of 272000 tokens. Your messages resulted "
            "in 300000 tokens. Please reduce the length of the messages.")),
        (400, "Your input exceeds the context window of this model."),
        (400, "input length and `max_tokens` exceed context limit: 199899 + 20000 > 200000"),
        (400, "The input token count (1200000) exceeds the maximum number of tokens allowed."),
        (400, "Prompt contains 40000 tokens, too large for 32768 maximum context length"),
        # Ollama
        (500, "prompt too long; exceeded max context length by 123 tokens"),
        (400, "input length exceeds maximum context length"),
    ],
)  # fmt: skip
def test_too_long_for_the_model_in_the_words_of_servers(status: int, error: str) -> None:
    for body in ({"error": {"message": error}}, {"error": error}, {"message": error}):
        assert single(Turn(body, status)).failure == "context_exceeded"


@pytest.mark.parametrize(
    ("status", "error", "failure"),
    [
        (400, "At most 4 image(s) may be provided in one request.", "rejected"),
        (400, "max_tokens is too large: 5000. This model supports at most 4096", "rejected"),
        (429, "Rate limit reached: input tokens exceed the limit of 30000 tokens", "rate_limited"),
        (500, "CUDA out of memory", "server_error"),
    ],
)
def test_other_complaints_are_not_taken_for_it(status: int, error: str, failure: str) -> None:
    turn = Turn({"error": {"message": error}}, status, {"Retry-After": "0"})
    assert single(turn).failure == failure


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        (Turn({"error": {"message": "Incorrect API key"}}, 401), "Incorrect API key"),
        (Turn({"error": {"message": "no rights"}}, 403), "no rights"),
        (Turn({"error": {"message": "The model `m` does not exist."}}, 404), "does not exist"),
        (Turn({"error": "model 'm' not found, try pulling it first"}, 404), "try pulling"),
        (
            Turn({"object": "error", "message": "The model m is not available"}, 400),
            "not available",
        ),
        (Turn({"error": {"code": "insufficient_quota", "message": "pay"}}, 429), "pay"),
        (Turn(b"", 307, {"Location": "https://elsewhere/v1"}), "(HTTP 307), which is not followed"),
    ],
)
def test_what_would_be_the_same_for_every_clip_stops_the_run(turn: Turn, said: str) -> None:
    with serving(lambda _payload, _time: turn) as server, pytest.raises(ServiceError) as caught:
        answers(server.served(), requests(20))
    assert said in str(caught.value)
    assert "INTERNVID_API_KEY is not set" in str(caught.value)
    assert len(server.posts) <= 20
