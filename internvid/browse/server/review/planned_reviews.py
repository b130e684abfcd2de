"""What pages of planned reviews have in common: where one stands, what is answered next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from internvid.browse.server.conditions import AddressUnreadableError, Query
from internvid.browse.server.desk import ClipUnknownError, Desk
from internvid.core.errors import MisuseError
from internvid.dataset.answers.review_log import Kind, PlannedReview

MOST_EACH, MOST_CLIPS = 1000, 5000
_MOST_SEED = 10**9


def review_of(desk: Desk, kind: Kind, review: str) -> PlannedReview:
    """A review of that kind.

    Raises:
        MisuseError: there is none with that id.
    """
    found = desk.review_log.get(review)
    if found.kind != kind:
        raise MisuseError(f"{review} is no {kind}, but a {found.kind}")
    return found


def drawn_cards(desk: Desk, query: Query, count: int, seed: int) -> list[dict[str, Any]]:
    """Clips of a query, drawn uniformly and without replacement; all where there are no more.

    All columns must have been copied.

    Args:
        desk: of the dataset.
        query: whose order does not matter.
        count: how many.
        seed: the same seed draws the same clips of the same dataset.
    """
    shuffled = replace(query, is_random=True, seed=seed, sort=None)
    return desk.cards(desk.table.page(shuffled, 0, count))


def whole_number(value: Any, name: str, most: int = _MOST_SEED, least: int = 0) -> int:
    """A whole number of a request.

    Raises:
        AddressUnreadableError: it is none, or outside.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise AddressUnreadableError(f"{name} is a whole number from {least} to {most}")
    return value


def standing(review: PlannedReview) -> dict[str, Any]:
    """How far a review is, without what was answered."""
    return {
        "id": review.id,
        "cut": review.plan.get("cut"),
        "author": review.plan.get("author"),
        "started": review.plan.get("at"),
        "clips": len(review.drawn),
        "open": len(review.drawn.keys() - review.answers.keys()),
    }


def shown(desk: Desk, review: PlannedReview, at: int | None) -> dict[str, Any]:
    """A clip of a review, with nothing that says why it was drawn.

    Args:
        desk: of the dataset.
        review: which.
        at: number of the clip, from 0; the first without an answer when None.
    """
    order = list(review.drawn)
    at = next_open(review, -1) if at is None else min(at, len(order) - 1)
    found: dict[str, Any] = {**standing(review), "at": at, "clip": None}
    if at is None or not order:
        return found
    clip_id = order[at]
    answer = review.answers.get(clip_id)
    found |= {
        "answer": None if answer is None else answer.answer,
        "next": next_open(review, at),
        "clip": {"clip_id": clip_id, "is_gone": True},
    }
    try:
        row = desk.clip(clip_id)
    except ClipUnknownError:
        return found
    found["clip"] = {
        "clip_id": clip_id,
        "start_seconds": row["start_seconds"],
        "end_seconds": row["end_seconds"],
        "playable": desk.media.is_playable(row["source"]),
    }
    return found


def next_open(review: PlannedReview, at: int) -> int | None:
    """Number of the first clip without an answer after `at`, then from the beginning."""
    order = list(review.drawn)
    numbers = [*range(at + 1, len(order)), *range(max(0, at))]
    return next((each for each in numbers if order[each] not in review.answers), None)


def answered(desk: Desk, review: PlannedReview, body: Mapping[str, Any]) -> PlannedReview:
    """Record what a request answers of a clip.

    Raises:
        AddressUnreadableError: it has no clip, or no answer.
        MisuseError: the review has no such clip, or it is no such answer.
    """
    clip_id, answer = body.get("clip_id"), body.get("answer", "")
    if not isinstance(clip_id, str) or not (answer is None or isinstance(answer, str)):
        raise AddressUnreadableError("an answer is a clip_id with a text, or null to take it back")
    return desk.review_log.answer(review.id, clip_id, answer, desk.author)
