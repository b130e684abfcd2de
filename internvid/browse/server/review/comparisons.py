"""Comparisons of two captions of a clip, side by side, without saying which is whose."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from internvid.browse.server.conditions import AddressUnreadableError
from internvid.browse.server.desk import Desk
from internvid.browse.server.review.planned_reviews import (
    MOST_EACH,
    answered,
    shown,
    whole_number,
)
from internvid.curate.draws import drawn_query
from internvid.dataset.answers.review_log import PlannedReview

_SIDES = ("left", "right")
_NO_TEXTS = frozenset({"reason", "verdict"})


def comparable(desk: Desk) -> list[str]:
    """Columns that can be compared: texts first, then words, which repeat."""
    facets = [each for each in desk.table.facets.values() if each.name not in _NO_TEXTS]
    return [each.name for kind in ("text", "word") for each in facets if each.kind == kind]


def begin_comparison(desk: Desk, body: Mapping[str, Any]) -> str:
    """Draw the clips of a comparison and record it; returns its id.

    Kept clips are drawn that have two texts which differ. On which side a text stands is drawn
    for each clip.

    Args:
        desk: of the dataset.
        body: `columns`, two of `comparable`; `count`; `seed`.

    Raises:
        AddressUnreadableError: nothing can be drawn so.
        StorageError: the log cannot be written.
    """
    columns = body.get("columns")
    known = comparable(desk)
    if not isinstance(columns, list) or len(columns) != 2 or columns[0] == columns[1]:
        raise AddressUnreadableError("columns is a list of two columns that differ")
    wrong = [each for each in columns if not isinstance(each, str) or each not in known]
    if wrong:
        raise AddressUnreadableError(
            f"{str(wrong[0])[:60]!r} is no column of texts; there are: {', '.join(known) or 'none'}"
        )
    count = whole_number(body.get("count"), "count", MOST_EACH, 1)
    seed = whole_number(body.get("seed"), "seed")
    first, second = (f"nullif({desk.table.facets[each].sql}, '')" for each in columns)
    size, equal = _counts(desk, first, second)
    if not size:
        raise AddressUnreadableError(
            f"no kept clip has both {columns[0]} and {columns[1]} with different texts"
        )
    ids = _drawn(desk, f"{first} <> {second}", count, seed)
    drawing = random.Random(seed)
    drawing.shuffle(ids)
    order = [(clip_id, {"is_swapped": drawing.random() < 0.5}) for clip_id in ids]
    plan = {
        "cut": desk.dataset.record.cut,
        "columns": columns,
        "count": count,
        "seed": seed,
        "size": size,
        "equal": equal,
    }
    return desk.review_log.begin("comparison", plan, order, desk.author)


def _counts(desk: Desk, first: str, second: str) -> tuple[int, int]:
    """How many kept clips have two texts that differ, and two equal ones."""
    found = desk.dataset.connection.cursor().execute(
        f"select count(*) filter ({first} <> {second}), count(*) filter ({first} = {second}) "
        "from clips"
    )
    different, equal = found.fetchall()[0]
    return int(different), int(equal)


def _drawn(desk: Desk, condition: str, count: int, seed: int) -> list[str]:
    """Ids of clips, drawn uniformly and without replacement by a hash of seed and id."""
    clips = f"select clip_id, ('0x' || clip_id[:16])::ubigint as key from clips where {condition}"
    drawn = drawn_query(clips, seed, "key", "draw")
    found = desk.dataset.connection.cursor().execute(
        f"select clip_id from ({drawn}) order by draw, clip_id limit {count}"
    )
    return sorted(clip_id for (clip_id,) in found.fetchall())


def shown_pair(desk: Desk, review: PlannedReview, at: int | None) -> dict[str, Any]:
    """A clip of a comparison with its texts on their sides, and the side that was chosen."""
    found = shown(desk, review, at)
    clip = found["clip"]
    if clip is None:
        return found
    is_swapped = bool(review.drawn[clip["clip_id"]].facts.get("is_swapped"))
    found["answer"] = _side_of(found["answer"], is_swapped=is_swapped)
    if not clip.get("is_gone"):
        row = desk.clip(clip["clip_id"])
        texts = [str(row.get(column) or "") for column in review.plan["columns"]]
        clip["left"], clip["right"] = reversed(texts) if is_swapped else texts
    return found


def answer_pair(desk: Desk, review: PlannedReview, body: Mapping[str, Any]) -> PlannedReview:
    """Record which side of a clip is better: `left`, `right`, `tie`, `bad` or none.

    Raises:
        AddressUnreadableError: it is no side.
        MisuseError: the comparison has no such clip.
    """
    answer, drawn = body.get("answer", ""), review.drawn.get(str(body.get("clip_id")))
    if answer not in (*_SIDES, "tie", "bad", None):
        raise AddressUnreadableError("an answer is left, right, tie, bad or null")
    if answer in _SIDES and drawn is not None:
        is_first = (answer == "left") != bool(drawn.facts.get("is_swapped"))
        answer = "first" if is_first else "second"
    return answered(desk, review, {**body, "answer": answer})


def _side_of(answer: str | None, *, is_swapped: bool) -> str | None:
    if answer not in ("first", "second"):
        return answer
    return _SIDES[(answer == "second") != is_swapped]
