"""The client against a real server that misbehaves: every answer to its clip, or a reason."""

from __future__ import annotations

import gc
import gzip
import json
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from internvid.captions.requests import Answer, ask_about
from internvid.captions.server import client
from internvid.captions.server.chat import check_served, converse, listed_models
from internvid.core.contracts import Pick
from internvid.core.errors import ServiceError
from tests.captions.questions import (
    KEY,
    PICTURES,
    answers,
    collect,
    echo,
    expected,
    requests,
    single,
)
from tests.captions.servers import ChatServer, Turn, chat, mirror, serving

pytestmark = pytest.mark.usefixtures("hurried")

KINDS = ["answer", "hang", "reset", "cut", "short", "long", "twice", "chunks", "garbage"]
BODIES = ["good", "429", "500", "503", "html", "empty", "list", "not utf-8", "no choices"]


@settings(
    max_examples=6, deadline=None, print_blob=False, suppress_health_check=[HealthCheck.too_slow]
)
@given(
    plan=st.lists(
        st.tuples(
            st.sampled_from(KINDS), st.sampled_from(BODIES), st.floats(0, 0.03), st.integers(0, 2)
        ),
        min_size=30,
        max_size=30,
    ),
    concurrency=st.integers(1, 16),
)
def test_no_caption_moves_to_another_clip(
    plan: list[tuple[str, str, float, int]], concurrency: int
) -> None:
    """Answers come out of order, late, broken, twice, or after failures of every kind."""

    def script(payload: dict[str, Any], time: int) -> Turn:
        number = int(payload["messages"][0]["content"][-1]["text"].split()[-1].strip("?"))
        does, body, delay, times = plan[number]
        good = chat(mirror(payload))
        if time >= times:
            # In the end all is well, but for the order, and answers that are sent twice.
            return Turn(good, 200, {}, delay, "twice" if does == "twice" else "answer")
        return {
            "good": Turn(good, 200, {}, delay, does),
            "429": Turn({"error": {"message": "slow down"}}, 429, {"Retry-After": "0"}, delay),
            "500": Turn({"error": "oops"}, 500, {}, delay, does),
            "503": Turn(b"<html>busy</html>", 503, {"Retry-After": "0.01"}, delay),
            "html": Turn(b"<html><body>Hello</body></html>", 200, {}, delay),
            "empty": Turn(b"", 200, {}, delay),
            "list": Turn([good, good], 200, {}, delay),
            "not utf-8": Turn(b'{"choices": "\xff\xfe"}', 200, {}, delay),
            "no choices": Turn({"choices": []}, 200, {}, delay, does),
        }[body]

    asked = requests(len(plan))
    with serving(script) as server:
        # So many retries, because a loaded machine is silent for longer than that by itself.
        served = server.served(concurrency=concurrency, read_seconds=0.05, retries=1000)
        for request, answer in converse(served, asked, 32):
            assert answer.text == expected(request) or answer.failure
            assert not (answer.text and answer.failure)


def test_a_second_answer_on_a_connection_never_reaches_the_next_request() -> None:
    with serving(lambda payload, _: Turn(chat(mirror(payload)), does="twice")) as server:
        asked = requests(40)
        found = answers(server.served(concurrency=1), asked)
    assert [found[request.clip_id].text for request in asked] == [expected(r) for r in asked]


def test_many_are_under_way_at_once_and_no_more_than_allowed() -> None:
    with serving(lambda payload, _: Turn(chat(mirror(payload)), delay_seconds=0.2)) as server:
        found = answers(server.served(concurrency=16), requests(64))
        assert server.most_at_once == 16
    assert not any(answer.failure for answer in found.values())


def test_requests_are_read_only_as_far_ahead_as_they_are_sent() -> None:
    read = 0

    def source() -> Any:
        nonlocal read
        for request in requests(60):
            read += 1
            yield request

    with serving(echo) as server:
        for done, _ in enumerate(converse(server.served(concurrency=4), source(), 32), start=1):
            assert read <= done + 4 + 2


# What a server may say.


@pytest.mark.parametrize(
    ("turn", "text"),
    [
        (Turn(chat("A dog runs.")), "A dog runs."),
        (
            Turn(chat([{"type": "text", "text": "A dog"}, {"type": "text", "text": "runs."}])),
            "A dog runs.",
        ),
        (Turn(chat("A dog runs.", reasoning_content="First I look.")), "A dog runs."),
        (Turn(chat("A dog runs.", reasoning="First I look.")), "A dog runs."),
        (Turn(chat("<think>\nI look.\n</think>\n\nA dog runs.")), "A dog runs."),
        (Turn(chat("I look.</think>A dog runs.")), "A dog runs."),
        (
            Turn(chat([{"type": "thinking", "thinking": []}, {"type": "text", "text": "A dog"}])),
            "A dog",
        ),
        (Turn(chat("A dog runs.", None)), "A dog runs."),
        (Turn({k: v for k, v in chat("A dog runs.").items() if k != "usage"}), "A dog runs."),
        (Turn(chat("A dog runs."), does="chunks"), "A dog runs."),
        (Turn(chat("A  dog\n\nruns.\x00")), "A dog runs."),
        (Turn({**chat("A dog runs."), "usage": {"prompt_tokens": None}}), "A dog runs."),
        (
            Turn(
                {
                    **chat("A dog."),
                    "choices": [
                        {**chat("b")["choices"][0], "index": 1},
                        chat("A dog.")["choices"][0],
                    ],
                }
            ),
            "A dog.",
        ),
    ],
)
def test_shapes_of_answers(turn: Turn, text: str) -> None:
    assert single(turn) == Answer(text)


@pytest.mark.parametrize(
    ("turn", "failure"),
    [
        (Turn(chat("A dog ru", "length")), "truncated"),
        (Turn(chat(None, "length", reasoning_content="Hm, let me")), "truncated"),
        (Turn(chat("<think>so, a dog")), "empty_answer"),
        (Turn(chat("")), "empty_answer"),
        (Turn(chat(None)), "empty_answer"),
        (Turn(chat([])), "empty_answer"),
        (Turn(chat(None, refusal="I can't help with that.")), "refused"),
        (Turn(chat([{"type": "refusal", "refusal": "No."}])), "refused"),
        (Turn(chat("", "content_filter")), "refused"),
        (Turn({"error": {"message": "flagged by moderation", "code": 403}}, 403), "refused"),
        (Turn({"error": {"code": "content_filter", "message": "policy"}}, 400), "refused"),
        (Turn(chat(None, tool_calls=[{"id": "1"}])), "bad_answer"),
        (Turn({"choices": []}), "bad_answer"),
        (Turn({"choices": [{"text": "legacy"}]}), "bad_answer"),
        (Turn({"choices": [None, 3]}), "bad_answer"),
        (Turn(b"<html><title>502</title></html>"), "bad_answer"),
        (Turn(b'{"choices": [{"mess'), "bad_answer"),
        (Turn(b"\xff\xfe\x00"), "bad_answer"),
        (Turn(b"[" * 100_000), "bad_answer"),
        (
            Turn(
                {"error": {"message": "This model's maximum context length is 4096", "code": 400}},
                400,
            ),
            "context_exceeded",
        ),
        (
            Turn({"object": "error", "message": "prompt is too long", "code": 400}, 400),
            "context_exceeded",
        ),
        (
            Turn(
                {"error": {"code": 400, "type": "exceed_context_size_error", "message": "x"}}, 400
            ),
            "context_exceeded",
        ),
        (Turn(b"too large", 413), "context_exceeded"),
        (Turn({"detail": [{"loc": ["body"], "msg": "bad"}]}, 422), "rejected"),
        (Turn({"error": "cannot decode the image"}, 400), "rejected"),
        (Turn({"error": {"message": "slow"}}, 429, {"Retry-After": "0"}), "rate_limited"),
        (Turn({"error": {"code": 503, "message": "Loading model"}}, 503), "server_error"),
        (Turn({"error": {"message": "upstream", "code": 502}}), "server_error"),
        (Turn(b"", 504), "timed_out"),
        (Turn(does="hang"), "timed_out"),
        (Turn(chat("A dog"), does="reset"), "connection_lost"),
        (Turn(chat("A dog"), does="cut"), "connection_lost"),
        (Turn(chat("A dog"), does="long"), "connection_lost"),
        (Turn(chat("A dog"), does="short"), "bad_answer"),
        (Turn(does="garbage"), "connection_lost"),
    ],
)
def test_reasons_of_failures(turn: Turn, failure: str) -> None:
    patience = 0.2 if turn.does == "hang" else 60.0
    assert single(turn, read_seconds=patience) == Answer(failure=failure)


def test_a_long_answer_comes_whole() -> None:
    assert len(single(Turn(chat("word " * 20_000))).text) > 99_000


def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    from internvid.captions.server import transport

    monkeypatch.setattr(transport, "_MOST_BYTES", 10_000)
    assert single(Turn(chat("word " * 20_000))).failure == "connection_lost"


def test_fields_that_a_server_does_not_know_are_left_out() -> None:
    def script(payload: dict[str, Any], _: int) -> Turn:
        for name, complaint in (
            ("response_format", "response_format json_schema is not supported"),
            ("max_tokens", "Unsupported parameter: use 'max_completion_tokens' instead."),
            ("temperature", "temperature does not support 0 with this model"),
        ):
            if name in payload:
                return Turn({"error": {"message": complaint}}, 400)
        return Turn(chat('```json\n{"caption": "' + mirror(payload) + '"}\n```'))

    with serving(script) as server:
        asked = requests(12)
        found = answers(server.served(structured=True, concurrency=1), asked)
        assert all(found[request.clip_id].text == expected(request) for request in asked)
        assert server.posts[-1]["max_completion_tokens"] == 32
        assert len(server.posts) == 12 + 3


def test_structured_answers_are_checked_here_too() -> None:
    assert single(Turn(chat('{"caption": "a dog"}')), structured=True).text == "a dog"
    for content in ("a dog", '{"text": "a dog"}', '{"caption": 3}', "[]"):
        assert single(Turn(chat(content)), structured=True).failure == "bad_answer"


def test_an_object_among_words_is_found() -> None:
    turn = Turn(chat('Here it is: {"caption": "a {dog}"}. Enjoy!'))
    assert single(turn, structured=True).text == "a {dog}"


def test_a_server_that_ignores_the_wanted_structure_is_not_asked_again_and_again() -> None:
    with serving(lambda payload, _: Turn(chat("a dog"))) as server:
        with pytest.raises(ServiceError, match=r"bad_answer(?s:.)*served.structured=false"):
            answers(server.served(structured=True), requests(40))
        assert len(server.posts) <= 8, "one for each clip, until it is plain"


def test_packed_answers_are_read() -> None:
    def packed(body: Any, packing: str, **more: Any) -> Turn:
        plain = json.dumps(body).encode()
        data = gzip.compress(plain) if packing == "gzip" else zlib.compress(plain)
        return Turn(data, headers={"Content-Encoding": packing}, **more)

    for packing in ("gzip", "deflate"):
        assert single(packed(chat("a dog"), packing)).text == "a dog"
    assert single(Turn(gzip.compress(json.dumps(chat("a dog")).encode()))).text == "a dog"
    cut = Turn(gzip.compress(json.dumps(chat("a dog")).encode())[:-9])
    assert single(cut).failure == "connection_lost"
    refused = packed({"error": {"message": "no such key"}}, "gzip", status=401)
    for turn, said in ((refused, "no such key"), (Turn(b"\x00\x1b[31m\x07!", 401), "!")):
        with serving(lambda *_, turn=turn: turn) as server, pytest.raises(ServiceError) as caught:
            answers(server.served(), requests(1))
        assert said in str(caught.value)
        assert str(caught.value).replace("\n", "").isprintable()


def test_an_unknown_model_is_told_with_those_that_there_are() -> None:
    turn = Turn({"error": {"message": "The model `n` does not exist."}}, 404)
    with serving(lambda *_: turn) as server:
        server.models = ["big", "n:latest"]
        with pytest.raises(ServiceError, match=r"it has: big, n:latest(?s:.)*did you mean 'n:lat"):
            answers(server.served(model="n"), requests(1))


def test_a_name_that_is_not_listed_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    with serving(echo) as server:
        server.models = ["qwen2.5-vl"]
        check_served(server.served(model="qwen2.5-vl"))
        assert not caplog.records
        check_served(server.served(model="qwen2-vl"))
        assert "does not list the model 'qwen2-vl'; it lists: qwen2.5-vl" in caplog.text


def test_what_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with serving(echo) as server:
        request = ask_about("ab", [Pick(1, 0.5, PICTURES[0]), Pick(2, 1.0, PICTURES[1])], 'a "b"\n')
        extra = '{"chat_template_kwargs": {"enable_thinking": false}}'
        served = server.served(key_variable="MY_KEY", extra=extra)
        assert answers(served, [request])["ab"].text == expected(request)
        method, path, headers, payload = server.requests[0]
    assert (method, path) == ("POST", "/v1/chat/completions")
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["host"] == f"127.0.0.1:{server.port}"
    assert payload["model"] == "m"
    assert payload["temperature"] == 0
    assert payload["max_tokens"] == 32
    assert payload["chat_template_kwargs"] == {"enable_thinking": False}
    kinds = [part["type"] for part in payload["messages"][0]["content"]]
    assert kinds == ["image_url", "image_url", "text"]


def test_waits_that_a_server_asks_for_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = [Turn(b"", 429, {"Retry-After": "0.3"}), Turn(chat("a dog"))]
    with serving(lambda _, time: turns[min(time, 1)]) as server:
        started = time.perf_counter()
        assert answers(server.served(), requests(1))[f"{0:032x}"].text == "a dog"
        assert time.perf_counter() - started >= 0.3


def test_one_clip_does_not_wait_longer_than_its_whole_time() -> None:
    with serving(lambda *_: Turn(b"", 503, {"Retry-After": "50"})) as server:
        started = time.perf_counter()
        served = server.served(total_seconds=0.4)
        assert answers(served, requests(1))[f"{0:032x}"].failure == "timed_out"
        assert time.perf_counter() - started < 30


def test_a_server_that_went_down_stops_the_run() -> None:
    def script(payload: dict[str, Any], _: int) -> Turn:
        return echo(payload, 0) if len(server.posts) <= 10 else Turn(does="reset")

    with serving(script) as server:
        told: dict[str, Answer] = {}
        with pytest.raises(ServiceError, match=r"not answered 16 clips in a row.*connection_lost"):
            collect(told, server.served(concurrency=2, retries=0), requests(80))
        assert sum(1 for answer in told.values() if answer.text) >= 9


def test_a_server_that_is_busy_is_no_server_that_is_gone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(client, "_LISTING_SECONDS", 0.1)
    with serving(echo) as server:
        server.listing = Turn(does="hang")
        check_served(server.served())
        assert "says nothing yet: no answer within" in caplog.text
        with pytest.raises(ServiceError, match="no answer within"):
            listed_models(server.served())


def test_no_server_at_all_is_told_at_once() -> None:
    with serving(echo) as server:
        check_served(server.served())
        gone = server.served()
    with pytest.raises(ServiceError, match=r"(?s)cannot be reached.*served.base_url"):
        check_served(gone)


# Streams that are left, and pictures that are none.


def test_a_stream_that_is_left_early_ends_its_threads() -> None:
    with serving(lambda payload, _: Turn(chat(mirror(payload)), delay_seconds=0.01)) as server:
        before = threading.active_count()
        stream = converse(server.served(concurrency=4), requests(50), 32)
        next(iter(stream))
        stream.close()  # type: ignore[attr-defined]
        gc.collect()
        assert threading.active_count() == before


def test_an_error_in_the_source_of_requests_is_raised() -> None:
    def source() -> Any:
        yield from requests(3)
        raise RuntimeError("the disk is gone")

    with serving(echo) as server, pytest.raises(RuntimeError, match="the disk is gone"):
        list(converse(server.served(concurrency=2), source(), 32))


def test_a_picture_that_does_not_decode_is_not_paid_for() -> None:
    broken = ask_about("aa", [Pick(0, 0.0, PICTURES[0][:200])], "what?")
    none = ask_about("bb", [Pick(0, 0.0, b"")], "what?")
    with serving(echo) as server:
        found = answers(server.served(), [broken, none, *requests(1)])
        assert found["aa"].failure == found["bb"].failure == "picture_unreadable"
        assert len(server.posts) == 1


def test_server_helper_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(echo) as server:
        assert isinstance(server, ChatServer)
        answers(server.served(), requests(2))
        assert len(server.posts) == 2
