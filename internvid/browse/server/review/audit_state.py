"""What planned reviews say of one clip."""

from __future__ import annotations

from typing import Any

from internvid.browse.server.desk import Desk


def audit_state(desk: Desk, clip_id: str) -> dict[str, Any]:
    """What people answered of a clip in audits and comparisons; open ones are left out.

    Args:
        desk: of the dataset.
        clip_id: of the clip.

    Returns:
        `audits`: `id`, `answer` (keep, reject, unsure), `agrees` (with what the dataset has; None
        where unsure), `author`, `at` of each. `comparisons`: `id`, `columns`, `better` (the column
        whose text is better; None for a tie), `answer` (first, second, tie, bad), `author`, `at`.
    """
    audits: list[dict[str, Any]] = []
    comparisons: list[dict[str, Any]] = []
    for review in desk.review_log.read().values():
        given = review.answers.get(clip_id)
        if given is None:
            continue
        facts = {"id": review.id, "answer": given.answer, "author": given.author, "at": given.at}
        if review.kind == "audit":
            right = "keep" if review.drawn[clip_id].facts.get("kept") else "reject"
            agrees = None if given.answer == "unsure" else given.answer == right
            audits.append({**facts, "agrees": agrees})
        else:
            columns = list(review.plan["columns"])
            better = {"first": columns[0], "second": columns[1]}.get(given.answer)
            comparisons.append({**facts, "columns": columns, "better": better})
    return {"audits": audits, "comparisons": comparisons}
