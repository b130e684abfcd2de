"""Comparisons of captioners: sides hidden, answers to the right column."""

from __future__ import annotations

import json

from internvid.browse.server.desk import Desk
from internvid.browse.server.review.audit_state import audit_state
from internvid.browse.server.review.comparisons import (
    answer_pair,
    begin_comparison,
    shown_pair,
)
from internvid.curate.reviewing.review_results import (
    comparison_result,
)
from tests.browse.server.reviews.reviewing import audited


def test_sides_hide_whose_a_text_is_and_answers_go_to_their_column(desk: Desk) -> None:
    columns = ["measured", "echo"]
    name = begin_comparison(desk, {"columns": columns, "count": 1000, "seed": 5})
    review = desk.review_log.get(name)
    assert len(review.drawn) == review.plan["size"] == len(desk.dataset)
    swapped = [each.facts["is_swapped"] for each in review.drawn.values()]
    assert 0 < sum(swapped) < len(swapped)
    for at, (clip_id, drawn) in enumerate(review.drawn.items()):
        view = shown_pair(desk, review, at)
        row = desk.clip(clip_id)
        sides = [row["echo"], row["measured"]] if drawn.facts["is_swapped"] else [
            row["measured"], row["echo"],
        ]  # fmt: skip
        assert [view["clip"]["left"], view["clip"]["right"]] == sides
        assert "measured" not in json.dumps(
            {**view, "clip": {**view["clip"], "left": "", "right": ""}}
        )
    order = list(review.drawn)
    for at, clip_id in enumerate(order[:7]):
        view = shown_pair(desk, review, at)
        side = "left" if view["clip"]["left"] == desk.clip(clip_id)["echo"] else "right"
        review = answer_pair(desk, review, {"clip_id": clip_id, "answer": side})
        assert shown_pair(desk, review, at)["answer"] == side
    answer_pair(desk, review, {"clip_id": order[6], "answer": "tie"})
    review = answer_pair(desk, review, {"clip_id": order[5], "answer": "bad"})
    found = comparison_result(review)
    assert (found.first, found.second, found.tie, found.bad) == (0, 5, 1, 1)
    assert found.p_value == 2 / 32
    assert found.left == sum(swapped[:5])
    assert found.columns == ("measured", "echo")
    state = audit_state(desk, order[0])
    assert [each["better"] for each in state["comparisons"]] == ["echo"]
    audit = audited(desk, "kept")
    desk.review_log.answer(audit, order[0], "reject", "ann")
    assert [each["agrees"] for each in audit_state(desk, order[0])["audits"]] == [False]
    assert audit_state(desk, "0" * 32) == {"audits": [], "comparisons": []}


def test_equal_texts_are_counted_and_not_shown(desk: Desk) -> None:
    name = begin_comparison(
        desk, {"columns": ["camera_move", "camera_direction"], "count": 9, "seed": 1}
    )
    review = desk.review_log.get(name)
    ((size, equal),) = desk.dataset.sql(
        "select count(*) filter (camera_move <> camera_direction), "
        "count(*) filter (camera_move = camera_direction) from clips"
    ).fetchall()
    assert (review.plan["size"], review.plan["equal"]) == (size, equal)
