"""Failures that would only be paid for again wait for a retry; others are asked again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from internvid.captions.requests import FAILURES, LASTING, LASTING_IF_GREEDY, TRANSIENT
from internvid.captions.tags import TagsCaptioner
from internvid.captions.vlm import VlmCaptioner
from internvid.core.annotators import traits_of
from internvid.pipeline.annotate.annotate import annotate
from tests.captions.servers import Turn, asked, chat, mirror, serving
from tests.captions.speaking import served_multiscale
from tests.cli.speaking import Capture, read_json, spoken
from tests.pipeline.answers import kept, rows

TURNS = [
    Turn({"error": {"message": "cannot decode the image"}}, 400),
    Turn({"error": {"message": "The decoder prompt (length 9) is longer than the maximum model "
        "length of 4."}}, 400),
    Turn(chat(None, refusal="No.")),
    Turn(chat("a dog a dog a dog", "length")),
    Turn(chat("...")),
]  # fmt: skip


def sick(payload: dict[str, Any], time: int) -> Turn:
    """Every third clip fails for one of several reasons of its own."""
    mark = int(mirror(payload)[:8], 16)
    return TURNS[mark // 3 % len(TURNS)] if mark % 3 == 0 else Turn(chat("a dog runs"))


def test_what_cannot_succeed_is_not_paid_for_again(data: Path, capsys: Capture) -> None:
    with serving(sick) as server:
        captioner = VlmCaptioner(frames=2, served=server.served())
        first = annotate(data, captioner, "vlm")
        reasons = {row["reason"] for row in rows(data, "vlm").values()} - {""}
        assert len(reasons) >= 3
        assert first.failed > 3
        paid = len(server.posts)
        again = annotate(data, captioner, "vlm")
        assert (again.asked, again.lasting) == (0, first.failed)
        address = f"http://127.0.0.1:{server.port}/v1"
        command = (
            "caption", data, "--captioner", "vlm", "--server", address, "--model", "m",
            "--set", "frames=2", "--set", "served.cache=",
        )  # fmt: skip
        _, out, _ = spoken(capsys, *command)
        assert f"{first.failed} failed before for a reason that lasts (see --retry)" in out
        assert len(server.posts) == paid
        (retried,) = read_json(capsys, *command, "--retry")
        assert (retried["asked"], retried["lasting"]) == (first.failed, 0)
        assert len(server.posts) == paid + first.failed


def test_a_model_that_samples_may_say_something_else_the_next_time() -> None:
    for field in ({"temperature": 0.7}, {"extra": '{"temperature": 0.7}'}):
        with serving(sick) as server:
            captioner = VlmCaptioner(served=server.served(**field))
        assert traits_of(captioner).lasting == set(LASTING)
    assert traits_of(VlmCaptioner()).lasting == {*LASTING, *LASTING_IF_GREEDY}
    assert not set(LASTING) & set(TRANSIENT)
    assert {*LASTING, *LASTING_IF_GREEDY, *TRANSIENT} < set(FAILURES)


def failing_once(server_state: dict[str, bool], turn: Turn, model: str = "m") -> Any:
    """While the server is ill, one picture of each clip gets no answer."""

    def script(payload: dict[str, Any], _: int) -> Turn:
        mark = int(mirror(payload)[:8], 16)
        if server_state["ill"] and payload["model"] == model and mark % 4 == 0:
            return turn
        return Turn(chat(f"a dog numbered {mark}"))

    return script


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        (Turn({"error": "oops"}, 500, {"Retry-After": "0"}), "server_error"),
        (Turn(b"", 429, {"Retry-After": "0"}), "rate_limited"),
        (Turn(chat("x"), does="reset"), "connection_lost"),
    ],
)
def test_a_clip_that_lacks_a_line_for_want_of_a_server_is_asked_again(
    turn: Turn, reason: str, data: Path, tmp_path: Path
) -> None:
    state = {"ill": True}
    with serving(failing_once(state, turn)) as server:
        served = server.served(retries=0, cache=str(tmp_path / "cache"))
        tags = TagsCaptioner(per_second=4.0, served=served)
        first = annotate(data, tags, "tags")
        found = rows(data, "tags")
        failed = {clip_id for clip_id, row in found.items() if row["status"] == "failed"}
        assert 0 < len(failed) == first.failed < len(found)
        for clip_id, row in found.items():
            assert ("" in row["lines"]) == (clip_id in failed)
            assert row["reason"] == (reason if clip_id in failed else "")
        state["ill"] = False
        paid = len(server.posts)
        missing = sum(line == "" for row in found.values() for line in row["lines"])
        assert annotate(data, tags, "tags").asked == len(failed)
        assert len(server.posts) == paid + missing, "what was answered is not paid for again"
    healthy = rows(data, "tags").values()
    assert {row["status"] for row in healthy} == {"ok"}
    assert all("" not in row["lines"] for row in healthy)
    assert set(found) == set(kept(data))


@pytest.mark.parametrize("ill", ["coarse", "fine"])
def test_a_scale_that_is_missing_for_want_of_a_server_is_not_done_without(
    ill: str, data: Path, tmp_path: Path
) -> None:
    state = {"ill": True}
    turn = Turn({"error": "oops"}, 500, {"Retry-After": "0"})
    with serving(failing_once(state, turn, ill)) as server:
        captioner = served_multiscale(server, retries=0, cache=str(tmp_path / "cache"))
        first = annotate(data, captioner, "multi")
        found = rows(data, "multi")
        assert first.failed > 0
        assert {row["reason"] for row in found.values()} == {"", "server_error"}
        fused = [payload for payload in server.posts if payload["model"] == "fuse"]
        assert len(fused) == first.answered - first.failed, "no sentence of half of the lines"
        assert all(asked(payload)[0].count("numbered") >= 1 for payload in fused)
        state["ill"] = False
        annotate(data, captioner, "multi")
    assert {row["status"] for row in rows(data, "multi").values()} == {"ok"}
