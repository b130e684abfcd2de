"""How fast the client goes: as fast as the server answers in time, and no request too many."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from internvid.captions.requests import Answer
from internvid.captions.server.chat import converse
from internvid.captions.server.lanes import Lanes, Passage
from internvid.core.errors import ServiceError
from tests.captions.questions import answers, collect, expected, requests
from tests.captions.servers import Turn, chat, mirror, serving

pytestmark = pytest.mark.usefixtures("hurried")


def working(seconds: float) -> Any:
    return lambda payload, _: Turn(chat(mirror(payload)), work_seconds=seconds)


@pytest.mark.parametrize(
    ("seconds", "number"),
    [
        (0.01, 150),  # sixty-four at once would wait twice as long as is allowed
        (0.13, 12),  # four at once would
        (0.45, 4),  # one alone does
    ],
)
def test_a_server_that_answers_one_at_a_time_is_asked_everything_once(
    seconds: float, number: int
) -> None:
    asked = requests(number)
    with serving(working(seconds), workers=1) as server:
        served = server.served(read_seconds=0.3, total_seconds=3.0)
        found = answers(served, asked)
        # A loaded machine may be late by itself now and then.
        assert len(server.posts) <= number + 2
    assert all(found[request.clip_id].text == expected(request) for request in asked)


def test_a_slow_server_with_many_hands_is_given_as_much_as_it_takes() -> None:
    with serving(working(0.15), workers=32) as server:
        found = answers(server.served(concurrency=32, read_seconds=1.0), requests(150))
        assert server.most_at_once >= 24
    assert not any(answer.failure for answer in found.values())


def test_a_request_that_is_lost_is_sent_again_and_holds_up_no_other() -> None:
    def script(payload: dict[str, Any], time: int) -> Turn:
        is_lost = time == 0 and "number 5?" in payload["messages"][0]["content"][-1]["text"]
        return Turn(chat(mirror(payload)), delay_seconds=0.01, does="hang" if is_lost else "answer")

    with serving(script) as server:
        served = server.served(read_seconds=0.3, concurrency=8)
        order = [request.clip_id for request, answer in converse(served, requests(120), 32)]
        assert len(order) == 120
        assert len(server.posts) == 121
        assert order.index(f"{5:032x}") > 20


def test_waiting_for_a_lane_is_not_waiting_for_the_server() -> None:
    with serving(working(0.05), workers=1) as server:
        served = server.served(total_seconds=0.6, read_seconds=0.4)
        found = answers(served, requests(30))
    assert not any(answer.failure for answer in found.values())


def test_a_silent_server_is_told_with_the_settings_that_may_help() -> None:
    with serving(lambda *_: Turn(does="hang")) as server:
        told: dict[str, Answer] = {}
        served = server.served(read_seconds=0.03, total_seconds=20.0, retries=0)
        with pytest.raises(ServiceError, match="timed_out") as caught:
            collect(told, served, requests(40))
    assert "no answer within read_seconds=0.03" in str(caught.value)
    for setting in ("served.read_seconds", "served.total_seconds", "served.concurrency"):
        assert setting in str(caught.value)


def test_clips_that_a_server_rejects_do_not_end_a_run_that_it_answers() -> None:
    def script(payload: dict[str, Any], _: int) -> Turn:
        number = int(payload["messages"][0]["content"][-1]["text"].split()[-1].strip("?"))
        if number < 12 or number % 2:
            return Turn({"error": "cannot decode the image"}, 400)
        return Turn(chat(mirror(payload)))

    with serving(script) as server:
        found = answers(server.served(), requests(80))
    assert sum(bool(answer.text) for answer in found.values()) == 34


async def _entered(lanes: Lanes, number: int) -> list[Passage]:
    return [await lanes.enter() for _ in range(number)]


def test_the_number_falls_at_once_and_rises_slowly() -> None:
    async def scenario() -> list[int]:
        lanes, seen = Lanes(64, 10.0), []
        for _ in range(5):  # doubles with every round of early answers
            passages = await _entered(lanes, lanes.limit)
            for passage in passages:
                lanes.answered(passage)
                lanes.leave(passage)
            seen.append(lanes.limit)
        passages = await _entered(lanes, lanes.limit)
        for passage in passages:  # halves once, however many of a round are late
            lanes.late(passage)
        seen.append(lanes.limit)
        for passage in passages:
            lanes.leave(passage)
        passages = await _entered(lanes, lanes.limit)
        for passage in passages:
            lanes.answered(passage)
            lanes.leave(passage)
        seen.append(lanes.limit)
        return seen

    assert asyncio.run(scenario()) == [4, 8, 16, 32, 64, 32, 32]


def test_a_lane_is_passed_on_when_the_one_who_waited_has_left() -> None:
    async def scenario() -> None:
        lanes = Lanes(1, 10.0)
        (first,) = await _entered(lanes, 1)
        gone, here = (asyncio.ensure_future(lanes.enter()) for _ in range(2))
        await asyncio.sleep(0)
        lanes.leave(first)
        gone.cancel()
        await asyncio.wait_for(here, 5)

    asyncio.run(scenario())
