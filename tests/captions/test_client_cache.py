"""What the client remembers, pays for and counts."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest

from internvid.captions.requests import Answer, ask_about
from internvid.captions.server import budget
from internvid.captions.server.chat import converse
from internvid.core.errors import BudgetSpentError
from internvid.core.timings import collecting
from tests.captions.questions import (
    answers,
    collect,
    echo,
    expected,
    requests,
)
from tests.captions.servers import Turn, chat, mirror, serving

pytestmark = pytest.mark.usefixtures("hurried")


def test_a_rerun_pays_nothing(tmp_path: Path) -> None:
    with serving(echo) as server:
        served = server.served(cache=str(tmp_path))
        first = answers(served, requests(20))
        with collecting() as timings:
            again = answers(server.served(cache=str(tmp_path), concurrency=2), requests(20))
        assert again == first
        assert len(server.posts) == 20
        assert timings.counts["cache_hits"] == 20
        assert timings.counts["requests"] == 0


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
from internvid.captions.requests import ask_about
from internvid.captions.server.chat import converse
from internvid.captions.server.config import ServedModel

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


def test_runs_of_two_threads_do_not_mix_and_work_for_one_counts_in_it() -> None:
    """Each stream runs in a thread; requests are sent in the client's own."""
    with serving(echo) as server, ThreadPoolExecutor(2) as pool:
        served = server.served(concurrency=2)
        with budget.run() as spent:
            pool.submit(copy_context().run, answers, served, requests(3)).result()
            assert spent.requests == 3
            pool.submit(answers, served, requests(4)).result()
            assert spent.requests == 3, "that thread worked for nobody's run"
            with budget.run() as inner:
                answers(served, requests(2))
            assert (inner.requests, spent.requests) == (2, 3)
            answers(served, requests(1))
            assert spent.requests == 4


def test_work_is_counted() -> None:
    turns = [Turn(b"", 500), Turn(chat("a dog"))]
    with serving(lambda _, time: turns[min(time, 1)]) as server, collecting() as timings:
        answers(server.served(), requests(3))
    assert timings.counts["requests"] == 6
    assert timings.counts["retries"] == 3
    assert (timings.counts["prompt_tokens"], timings.counts["completion_tokens"]) == (300, 21)
    assert timings.counts["tokens"] == 321
    assert timings.seconds["request"] > 0


def test_a_budget_of_tokens_is_used_up_by_what_answers_cost() -> None:
    with serving(echo) as server:
        served = server.served(max_tokens=2000, concurrency=64)
        told: dict[str, Answer] = {}
        with pytest.raises(BudgetSpentError, match=r"1926 tokens of 2000; the next .* 107 tokens"):
            collect(told, served, requests(60), 1000)
    assert len(told) == 2000 // 107, "a thousand tokens are allowed for each, seven are used"


def test_a_budget_that_is_too_small_for_the_first_says_what_that_would_cost() -> None:
    with serving(echo) as server:
        with pytest.raises(BudgetSpentError, match=r"0 tokens of 500; the next .* 1305 tokens"):
            list(converse(server.served(max_tokens=500), requests(3), 1000))
        assert server.posts == []


def test_answers_of_a_server_that_does_not_count_are_counted_by_their_length() -> None:
    silent = {key: value for key, value in chat("a dog runs").items() if key != "usage"}
    with serving(lambda *_: Turn(silent)) as server:
        told: dict[str, Answer] = {}
        with pytest.raises(BudgetSpentError):
            collect(told, server.served(max_tokens=5000, concurrency=2), requests(60))
    assert 10 <= len(told) <= 5000 // 300


def test_all_tries_of_an_answer_are_paid_for() -> None:
    def script(payload: dict[str, Any], time: int) -> Turn:
        return Turn(chat("no object" if time < 2 else '{"caption": "a dog"}'))

    with serving(script) as server, budget.run() as spent:
        answers(server.served(structured=True, temperature=0.5), requests(2))
    assert (spent.requests, spent.tokens, spent.reserved) == (6, 6 * 107, 0)


def test_streams_of_one_run_wait_for_what_others_have_set_aside() -> None:
    """The outer stream asks for more while its own requests hold most of the budget."""
    with serving(lambda payload, _: Turn(chat(mirror(payload)), delay_seconds=0.05)) as server:
        inner, outer = server.served(model="inner"), server.served(model="outer")
        with budget.run(max_tokens=2200):
            pairs = converse(inner, requests(8), 1000)
            found = list(converse(outer, (request for request, _ in pairs), 1000))
    assert len(found) == 8
