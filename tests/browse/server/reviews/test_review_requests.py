"""Requests that plan and answer reviews: what is not right is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from internvid.browse.server.desk import Desk
from internvid.core.errors import MisuseError
from internvid.dataset.answers.review_log import review_log_path
from tests.browse.server.reviews.reviewing import PAIR, PLAN, client


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/audits", b"no json"),
        ("/api/audits", b"[1]"),
        ("/api/audits", {**PLAN, "groups": []}),
        ("/api/audits", {**PLAN, "groups": "kept"}),
        ("/api/audits", {**PLAN, "groups": [{"kept": 1}]}),
        ("/api/audits", {**PLAN, "groups": ["value:nothing:x"]}),
        ("/api/audits", {**PLAN, "groups": ['value:is_dark":x']}),
        ("/api/audits", {**PLAN, "groups": ["value:is_dark:maybe"]}),
        ("/api/audits", {**PLAN, "groups": ["value:measured:x"]}),
        ("/api/audits", {**PLAN, "groups": ["query:x'; drop table clips=1"]}),
        ("/api/audits", {**PLAN, "groups": ["reason:none such"]}),
        ("/api/audits", {**PLAN, "groups": [f"reason:{at}" for at in range(41)]}),
        ("/api/audits", {**PLAN, "count": 0}),
        ("/api/audits", {**PLAN, "count": 1001}),
        ("/api/audits", {**PLAN, "count": True}),
        ("/api/audits", {**PLAN, "count": "3"}),
        ("/api/audits", {**PLAN, "seed": -1}),
        ("/api/audits", {**PLAN, "seed": 1.5}),
        ("/api/comparisons", {**PAIR, "columns": ["measured"]}),
        ("/api/comparisons", {**PAIR, "columns": ["measured", "measured"]}),
        ("/api/comparisons", {**PAIR, "columns": ["measured", "nothing"]}),
        ("/api/comparisons", {**PAIR, "columns": ["measured", ["echo"]]}),
        ("/api/comparisons", {**PAIR, "columns": ["measured", "echo from clips; --"]}),
        ("/api/comparisons", {**PAIR, "count": None}),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    shared_desk: Desk, path: str, body: dict[str, Any] | bytes
) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client(shared_desk).post(path, content=data)
    assert answer.status_code == 400, answer.text
    assert not review_log_path(shared_desk.dataset.layout).exists()


def test_answers_that_fit_no_review_are_refused(desk: Desk) -> None:
    browser = client(desk)
    audit = browser.post("/api/audits", json=PLAN).json()["id"]
    pair = browser.post("/api/comparisons", json=PAIR).json()["id"]
    clip_id = browser.get(f"/api/audits/{audit}").json()["clip"]["clip_id"]
    size = review_log_path(desk.dataset.layout).stat().st_size
    outside = next(
        each
        for each in desk.dataset.clips(rejected=True)["clip_id"].to_pylist()
        if each not in desk.review_log.get(audit).drawn
    )
    for path, body in [
        (f"/api/audits/{audit}", {"clip_id": clip_id, "answer": "left"}),
        (f"/api/audits/{audit}", {"clip_id": clip_id, "answer": 1}),
        (f"/api/audits/{audit}", {"clip_id": outside, "answer": "keep"}),
        (f"/api/audits/{audit}", {"clip_id": ["x"], "answer": "keep"}),
        (f"/api/audits/{audit}", {"answer": "keep"}),
        (f"/api/audits/{audit}", {"clip_id": clip_id}),
        (f"/api/audits/{pair}", {"clip_id": clip_id, "answer": "keep"}),
        (f"/api/comparisons/{pair}", {"clip_id": clip_id, "answer": "first"}),
        (f"/api/comparisons/{pair}", {"clip_id": clip_id, "answer": ["left"]}),
        ("/api/audits/00000000", {"clip_id": clip_id, "answer": "keep"}),
        ("/api/audits/..%2f..%2fdataset.json", {"clip_id": clip_id, "answer": "keep"}),
    ]:
        assert browser.post(path, json=body).status_code in (400, 404), (path, body)
    assert review_log_path(desk.dataset.layout).stat().st_size == size
    for path in (f"/audit/{pair}", f"/captioners/{audit}", "/audit/nothing"):
        assert browser.get(path).status_code == 400
    assert browser.get(f"/api/audits/{audit}?at=-1").status_code == 400
    assert browser.get(f"/api/audits/{audit}?at=999999").json()["at"] == 2
    with pytest.raises(MisuseError, match="no review"):
        desk.review_log.get("nothing")


def test_read_only_shows_reviews_and_refuses_answers(desk: Desk) -> None:
    audit = client(desk).post("/api/audits", json=PLAN).json()["id"]
    size = review_log_path(desk.dataset.layout).stat().st_size
    browser = client(desk, read_only=True)
    view = browser.get(f"/api/audits/{audit}").json()
    body = {"clip_id": view["clip"]["clip_id"], "answer": "keep"}
    assert browser.post(f"/api/audits/{audit}", json=body).status_code == 403
    assert browser.post("/api/audits", json=PLAN).status_code == 403
    assert browser.get(f"/api/audits/{audit}/result").json()["open"] == 3
    assert browser.get("/audit").status_code == browser.get("/captioners").status_code == 200
    assert review_log_path(desk.dataset.layout).stat().st_size == size
