"""Audits: drawn without bias, hidden while they are answered, counted right."""

from __future__ import annotations

from collections import Counter

import pytest

from internvid.browse.server.desk import Desk
from internvid.browse.server.review.planned_reviews import next_open, shown
from internvid.curate.reviewing.intervals import wilson
from internvid.curate.reviewing.review_results import (
    audit_result,
)
from internvid.dataset.answers.review_log import ReviewLog
from tests.browse.server.reviews.reviewing import audited, reasons


def test_a_seed_draws_without_replacement_and_every_clip_equally_often(desk: Desk) -> None:
    reason, size = next(iter(reasons(desk).items()))
    first = desk.review_log.get(audited(desk, "kept", f"reason:{reason}", count=3))
    again = desk.review_log.get(audited(desk, "kept", f"reason:{reason}", count=3))
    other = desk.review_log.get(audited(desk, "kept", f"reason:{reason}", count=3, seed=2))
    assert list(first.drawn) == list(again.drawn)
    assert list(first.drawn) != list(other.drawn)
    drawn = [each.facts["groups"] for each in first.drawn.values()]
    assert sorted(drawn) == [[0]] * 3 + [[1]] * min(3, size)
    kept = {row["clip_id"]: row["kept"] for row in desk.dataset.clips(rejected=True).to_pylist()}
    assert all(each.facts["kept"] == kept[each.clip_id] for each in first.drawn.values())
    counts, places = Counter[str](), Counter[str]()
    for seed in range(300):
        review = desk.review_log.get(audited(desk, "kept", count=3, seed=seed))
        counts.update(list(review.drawn))
        places[next(iter(review.drawn))] += 1
    clips = len(desk.dataset)
    assert len(counts) == clips
    expected, place = 300 * 3 / clips, 300 / clips
    assert all(abs(count - expected) < 5 * expected**0.5 for count in counts.values())
    # Nor does a clip come first more often than others.
    assert all(count < place + 5 * place**0.5 for count in places.values())


def test_nothing_that_is_shown_says_which_group_a_clip_is_from(desk: Desk) -> None:
    review = desk.review_log.get(
        audited(desk, "kept", *(f"reason:{each}" for each in reasons(desk)))
    )
    for at in range(len(review.drawn)):
        view = shown(desk, review, at)
        assert set(view) == {
            "id", "cut", "author", "started", "clips", "open", "at", "answer", "next", "clip",
        }  # fmt: skip
        assert set(view["clip"]) == {"clip_id", "start_seconds", "end_seconds", "playable"}
    kept = [each.facts["kept"] for each in review.drawn.values()]
    assert kept != sorted(kept)
    assert kept != sorted(kept, reverse=True)


def test_figures_of_an_audit_are_those_that_are_counted_by_hand(desk: Desk) -> None:
    (reason, size), *_ = reasons(desk).items()
    log, name = desk.review_log, audited(desk, "kept", f"reason:{reason}", count=6)
    review = log.get(name)
    kept = [each.clip_id for each in review.drawn.values() if each.facts["kept"]]
    rejected = [each.clip_id for each in review.drawn.values() if not each.facts["kept"]]
    for clip_id, answer in zip(kept, ["keep", "keep", "keep", "reject", "unsure"], strict=False):
        log.answer(name, clip_id, answer, "ann")
    assert "nothing is decided yet" in audit_result(log.get(name)).note
    log.answer(name, rejected[0], "keep", "ann")
    log.answer(name, rejected[0], "reject", "bob")
    log.answer(name, rejected[1], "keep", "bob")
    log.answer(name, rejected[1], None, "bob")
    found = audit_result(log.get(name))
    one, two = found.groups
    clips = len(desk.dataset)
    assert (one.size, one.drawn, one.answered, one.agreed) == (clips, 6, 4, 3)
    assert (one.unsure, one.open) == (1, 1)
    assert (two.size, two.answered, two.agreed, two.unsure) == (size, 1, 1, 0)
    assert two.open == two.drawn - 1
    interval = wilson(3, 4)
    assert interval is not None
    assert (one.precision, one.low, one.high) == (interval.share, interval.low, interval.high)
    assert found.precision == pytest.approx((clips * 0.75 + size * 1) / (clips + size))
    assert found.low is not None
    assert found.precision is not None
    assert found.low < found.precision


def test_groups_that_may_share_clips_have_no_figure_over_all(desk: Desk) -> None:
    name = audited(
        desk, "kept", "query:duration_seconds=0..100&page=3&sort=random", "value:is_dark:no"
    )
    review = desk.review_log.get(name)
    shared = [each for each in review.drawn.values() if len(each.facts["groups"]) == 3]
    assert shared
    assert len(review.drawn) == len(set(review.drawn))
    for clip_id in review.drawn:
        desk.review_log.answer(name, clip_id, "keep", "ann")
    found = audit_result(desk.review_log.get(name))
    assert found.precision is None
    assert "share clips" in found.note
    assert [each.group for each in found.groups][1] == "duration_seconds=0..100"
    recorded = next(iter(review.drawn))
    desk.verdicts.record(recorded, "keep", "ann")
    desk.refresh_verdicts()
    of_verdict = desk.review_log.get(audited(desk, "value:verdict:keep"))
    assert list(of_verdict.drawn) == [recorded]
    values = audited(desk, "value:camera_move:pan", "value:camera_move:zoom", count=2)
    assert desk.review_log.get(values).plan["are_disjoint"]


def test_an_audit_goes_on_where_it_was_left_and_skipped_clips_come_last(desk: Desk) -> None:
    name = audited(desk, "kept", count=4)
    order = list(desk.review_log.get(name).drawn)
    desk.review_log.answer(name, order[0], "keep", "ann")
    review = desk.review_log.answer(name, order[2], "keep", "ann")
    assert shown(desk, review, None)["at"] == 1
    assert next_open(review, 1) == 3
    assert next_open(review, 3) == 1
    # Another process, as after a kill.
    again = ReviewLog(desk.dataset.layout).get(name)
    assert again == review
    for clip_id in (order[1], order[3]):
        review = desk.review_log.answer(name, clip_id, "unsure", "ann")
    assert shown(desk, review, None)["clip"] is None
