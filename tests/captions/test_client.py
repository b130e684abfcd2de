"""The client against a real server that misbehaves: every answer to its clip, or a reason."""

from __future__ import annotations

import gc
import logging
import shutil
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from internvid.captions import budget, client
from internvid.captions.asking import Answer, Request, ask_about
from internvid.captions.served import ServedModel, check_served, converse
from internvid.core.contracts import Pick
from internvid.core.errors import BudgetSpentError, ConfigInvalidError, ServiceError
from internvid.core.ledger import collecting
from tests.captions.servers import ChatServer, Turn, chat, fingerprint, mirror, serving
from tests.models.pretrained.pictures import jpeg

PICTURES = [jpeg(seed) for seed in range(12)]
KEY = "sk-verysecret-0123456789"


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries are short."""
    monkeypatch.setattr(client, "_FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(client, "_LONGEST_WAIT_SECONDS", 0.05)
    monkeypatch.delenv("INTERNVID_API_KEY", raising=False)


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


def collect(told: dict[str, Answer], served: ServedModel, asked: list[Request]) -> None:
    """Keep answers as they come, for streams that end with an error."""
    for request, answer in converse(served, asked, 32):
        told[request.clip_id] = answer


def single(turn: Turn, **fields: Any) -> Answer:
    """The answer to one question, the server's turn being always the same."""
    with serving(lambda _payload, _time: turn) as server:
        return answers(server.served(retries=1, **fields), requests(1))[f"{0:032x}"]


KINDS = ["answer", "hang", "reset", "cut", "short", "long", "twice", "chunks", "garbage"]
BODIES = ["good", "429", "500", "503", "html", "empty", "list", "not utf-8", "no choices"]


@settings(
    max_examples=10, deadline=None, print_blob=False, suppress_health_check=[HealthCheck.too_slow]
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
        served = server.served(concurrency=concurrency, read_seconds=0.15, retries=1000)
        for request, answer in converse(served, asked, 32):
            assert answer.text == expected(request) or answer.failure
            assert not (answer.text and answer.failure)


def test_a_second_answer_on_a_connection_never_reaches_the_next_request() -> None:
    with serving(lambda payload, _: Turn(chat(mirror(payload)), does="twice")) as server:
        asked = requests(40)
        found = answers(server.served(concurrency=1), asked)
    assert [found[request.clip_id].text for request in asked] == [expected(r) for r in asked]


def test_many_are_under_way_at_once_and_no_more_than_allowed() -> None:
    with serving(lambda payload, _: Turn(chat(mirror(payload)), delay_seconds=0.3)) as server:
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
    from internvid.captions import transport

    monkeypatch.setattr(transport, "_MOST_BYTES", 10_000)
    assert single(Turn(chat("word " * 20_000))).failure == "connection_lost"


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


def test_no_server_at_all_is_told_at_once() -> None:
    with serving(echo) as server:
        check_served(server.served())
        gone = server.served()
    with pytest.raises(ServiceError, match=r"(?s)cannot be reached.*served.base_url"):
        check_served(gone)


# Cache, budget, accounting.


def test_a_rerun_pays_nothing(tmp_path: Path) -> None:
    with serving(echo) as server:
        served = server.served(cache=str(tmp_path))
        first = answers(served, requests(20))
        with collecting() as ledger:
            again = answers(server.served(cache=str(tmp_path), concurrency=2), requests(20))
        assert again == first
        assert len(server.posts) == 20
        assert ledger.counts["cache_hits"] == 20
        assert ledger.counts["requests"] == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "n"},
        {"revision": "2"},
        {"temperature": 0.5},
        {"extra": '{"seed": 1}'},
        {"structured": True},
    ],
)
def test_whatever_decides_an_answer_is_part_of_its_key(
    fields: dict[str, Any], tmp_path: Path
) -> None:
    def script(payload: dict[str, Any], _: int) -> Turn:
        text = mirror(payload)
        return Turn(chat(f'{{"caption": "{text}"}}' if "response_format" in payload else text))

    with serving(script) as server:
        answers(server.served(cache=str(tmp_path)), requests(1))
        answers(server.served(cache=str(tmp_path), **fields), requests(1))
        assert len(server.posts) == 2


def test_failures_are_not_kept(tmp_path: Path) -> None:
    with serving(lambda _, time: Turn(chat("a", "length" if time < 1 else "stop"))) as server:
        served = server.served(cache=str(tmp_path))
        assert answers(served, requests(1))[f"{0:032x}"].failure == "truncated"
        assert answers(served, requests(1))[f"{0:032x}"].text == "a"


def test_a_damaged_cache_is_begun_anew_and_a_damaged_row_is_asked_again(tmp_path: Path) -> None:
    (tmp_path / "answers.sqlite").write_bytes(b"not a database" * 100)
    with serving(echo) as server:
        served = server.served(cache=str(tmp_path))
        answers(served, requests(2))
        assert (tmp_path / "answers.damaged").exists()
        base = sqlite3.connect(tmp_path / "answers.sqlite")
        base.execute("update answers set answer = 'broken'")
        base.commit()
        base.close()
        found = answers(served, requests(2))
        assert not any(answer.failure for answer in found.values())
        assert len(server.posts) == 4


def test_two_clients_share_a_cache(tmp_path: Path) -> None:
    with serving(echo) as server:
        served = server.served(cache=str(tmp_path))
        threads = [threading.Thread(target=answers, args=(served, requests(40))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        before = len(server.posts)
        answers(served, requests(40))
        assert len(server.posts) == before


_KILLED = """
import sys
from internvid.captions.asking import ask_about
from internvid.captions.served import ServedModel, converse

port, folder = sys.argv[1:]
served = ServedModel(
    model="m", base_url=f"http://127.0.0.1:{port}/v1", cache=folder, concurrency=4
)
asked = [ask_about(f"{at:032x}", prompt=f"what is number {at}?") for at in range(400)]
for request, answer in converse(served, asked, 32):
    print(request.clip_id, answer.text, flush=True)
"""


def test_what_was_answered_before_a_kill_is_not_paid_for_again(tmp_path: Path) -> None:
    with serving(echo) as server:
        process = subprocess.Popen(
            [sys.executable, "-c", _KILLED, str(server.port), str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout is not None
            before = dict(process.stdout.readline().split() for _ in range(25))
            process.kill()
        paid = len(server.posts)
        asked = [ask_about(f"{at:032x}", prompt=f"what is number {at}?") for at in range(400)]
        found = answers(server.served(cache=str(tmp_path)), asked)
        # The four that were under way when it was killed are lost, and what waited to be read.
        assert 400 <= len(server.posts) <= 400 + 4 + 2
        assert paid >= 25
    assert {clip_id: found[clip_id].text for clip_id in before} == before
    assert all(found[request.clip_id].text == expected(request) for request in asked)


def test_a_budget_of_requests_is_never_exceeded_and_a_rerun_goes_on(tmp_path: Path) -> None:
    with serving(echo) as server:
        served = server.served(cache=str(tmp_path), max_requests=7, concurrency=3)
        told: dict[str, Answer] = {}
        for _ in range(2):
            with pytest.raises(BudgetSpentError, match="7 requests"):
                collect(told, served, requests(20))
        assert len(server.posts) == 14
        assert len(told) == 14
        found = answers(served, requests(20))
        assert len(server.posts) == 20
        assert not any(answer.failure for answer in found.values())


def test_a_budget_of_tokens_stops_before_it_is_exceeded() -> None:
    with serving(echo) as server:
        served = server.served(max_tokens=3000, concurrency=2)
        told: dict[str, Answer] = {}
        with pytest.raises(BudgetSpentError):
            collect(told, served, requests(60))
        # Each costs 107 tokens, and is expected to cost more.
        assert 10 <= len(told) <= 3000 // 107


def test_retries_count_and_do_not_exceed_the_budget() -> None:
    def script(payload: dict[str, Any], time: int) -> Turn:
        return Turn(b"", 500) if time % 2 == 0 else echo(payload, 0)

    with serving(script) as server:
        with pytest.raises(BudgetSpentError):
            list(converse(server.served(max_requests=9, concurrency=1), requests(20), 32))
        assert len(server.posts) <= 9


def test_a_run_has_one_budget_for_all_its_streams() -> None:
    with serving(echo) as server:
        served = server.served(concurrency=2)
        with budget.run(max_requests=5) as spent:
            answers(served, requests(3))
            with pytest.raises(BudgetSpentError):
                answers(served, requests(20))
        assert spent.requests == len(server.posts) == 5
        answers(served, requests(3))


def test_work_is_counted() -> None:
    turns = [Turn(b"", 500), Turn(chat("a dog"))]
    with serving(lambda _, time: turns[min(time, 1)]) as server, collecting() as ledger:
        answers(server.served(), requests(3))
    assert ledger.counts["requests"] == 6
    assert ledger.counts["retries"] == 3
    assert (ledger.counts["prompt_tokens"], ledger.counts["completion_tokens"]) == (300, 21)
    assert ledger.counts["tokens"] == 321
    assert ledger.seconds["request"] > 0


# Keys.


def test_keys_stay_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    told: dict[str, Answer] = {}

    def script(payload: dict[str, Any], time: int) -> Turn:
        words = payload["messages"][0]["content"][-1]["text"]
        if "number 5" in words:
            return Turn({"error": {"message": f"Incorrect key Bearer {KEY}, {KEY}"}}, 401)
        return Turn(chat(f"the key is {KEY}")) if time else Turn(f"{KEY}".encode(), 500)

    with serving(script) as server:
        served = server.served(key_variable="MY_KEY", cache=str(tmp_path), concurrency=1)
        with pytest.raises(ServiceError) as caught:
            collect(told, served, requests(9))
    seen = [str(caught.value), repr(caught.value), repr(served), repr(caught.value.__cause__)]
    seen += [repr(answer) for answer in told.values()]
    seen += [record.getMessage() for record in caplog.records]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(seen) > 5
    assert files
    assert not any(KEY in text or KEY[3:] in text for text in seen)
    assert not any(KEY.encode() in path.read_bytes() for path in files)


@pytest.mark.parametrize("value", ["k\u00e9y", "a\nb", "a\x00b"])
def test_a_value_that_is_no_key_is_refused_without_showing_it(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "\x00" not in value:
        monkeypatch.setenv("MY_KEY", value)
        with pytest.raises(ConfigInvalidError) as caught:
            ServedModel(model="m", key_variable="MY_KEY").key()
        assert value not in str(caught.value)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate for 127.0.0.1 that nobody has signed."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    path = tmp_path / "certificate.pem"
    command = (
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        f"-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout {path} -out {path}.crt"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def test_servers_are_spoken_to_in_secret_if_their_certificate_is_good(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encryption = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    encryption.load_cert_chain(certificate)
    with serving(echo, encryption) as server:
        served = server.served(base_url=f"https://127.0.0.1:{server.port}/v1", retries=0)
        with pytest.raises(ServiceError, match="CERTIFICATE_VERIFY_FAILED"):
            check_served(served)
        assert server.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        asked = requests(12)
        found = answers(served, asked)
        assert [found[r.clip_id].text for r in asked] == [expected(r) for r in asked]


def test_a_named_key_must_be_there() -> None:
    with pytest.raises(ConfigInvalidError, match="MY_MISSING_KEY is not set"):
        ServedModel(model="m", key_variable="MY_MISSING_KEY").key()
    assert ServedModel(model="m").key() is None
    assert ServedModel(model="m", key_variable="").key() is None


@pytest.mark.parametrize(
    "url",
    [
        "http://me:secret@host/v1",
        "http://host/v1?key=secret",
        "ftp://host",
        "host:8000",
        "http://h:x/",
    ],
)
def test_addresses_that_hold_secrets_or_are_none_are_refused(url: str) -> None:
    with pytest.raises(ConfigInvalidError) as caught:
        ServedModel(model="m", base_url=url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"concurrency": 0},
        {"retries": -1},
        {"read_seconds": float("nan")},
        {"extra": "[1]"},
        {"extra": "{"},
    ],
)
def test_values_that_make_no_sense_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigInvalidError):
        ServedModel(model="m", **fields)


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
