"""What planned reviews say: how often people agree with what was kept, whose captions they prefer.

An answer `unsure` is reported apart: a share is that of the clips on which somebody decided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from internvid.curate.reviewing.intervals import Interval, sign_test, weighted, wilson
from internvid.dataset.answers.review_log import PlannedReview, ReviewLog
from internvid.dataset.layout import Layout


@dataclass(frozen=True)
class GroupResult:
    """What an audit says of one group.

    Attributes:
        group: its name. size: clips in the dataset when the audit was planned.
        drawn: clips in the sample. answered: of these, those on which somebody decided.
        agreed: those where the answer is what the dataset has, kept or rejected.
        unsure: answers `unsure`. open: no answer yet.
        precision: agreed / answered; None while nothing is decided.
        low, high: its 95 % interval (Wilson).
    """

    group: str
    size: int
    drawn: int
    answered: int
    agreed: int
    unsure: int
    open: int
    precision: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class AuditResult:
    """What a blind audit says.

    Attributes:
        id: 8 hex digits. cut: that it is about. author: who began it. started: when.
        seed: of the draw. clips: drawn in all. open: no answer yet.
        groups: in the order of the plan.
        precision: mean of the groups' by their sizes; None while a group has no decision, or
            where groups share clips.
        low, high: its 95 % interval.
        note: why there is no precision; empty where there is.
    """

    id: str
    cut: str
    author: str
    started: str
    seed: int
    clips: int
    open: int
    groups: tuple[GroupResult, ...]
    precision: float | None
    low: float | None
    high: float | None
    note: str


@dataclass(frozen=True)
class ComparisonResult:
    """What a comparison of two captions says.

    Attributes:
        id: 8 hex digits. cut: that it is about. author: who began it. started: when.
        seed: of the draw. columns: the first and the second.
        size: clips with two different texts when it was planned. equal: with two equal ones.
        clips: drawn. open: no answer yet.
        first, second: how often each was better. tie: equally good. bad: both are bad.
        share: first / (first + second); None while neither won.
        low, high: its 95 % interval (Wilson).
        p_value: of the sign test; None while neither won.
        left: how often the text on the left won: about half, unless sides are preferred.
    """

    id: str
    cut: str
    author: str
    started: str
    seed: int
    columns: tuple[str, str]
    size: int
    equal: int
    clips: int
    open: int
    first: int
    second: int
    tie: int
    bad: int
    share: float | None
    low: float | None
    high: float | None
    p_value: float | None
    left: int


@dataclass(frozen=True)
class ReviewResults:
    """What all planned reviews of a dataset say.

    Attributes:
        audits: in the order in which they were begun.
        comparisons: in the order in which they were begun.
    """

    audits: tuple[AuditResult, ...]
    comparisons: tuple[ComparisonResult, ...]


def review_results(layout: Layout) -> ReviewResults:
    """What the planned reviews of a dataset say.

    Raises:
        StorageError: the log cannot be read.
    """
    found = ReviewLog(layout).read().values()
    return ReviewResults(
        tuple(audit_result(each) for each in found if each.kind == "audit"),
        tuple(comparison_result(each) for each in found if each.kind == "comparison"),
    )


def audit_result(review: PlannedReview) -> AuditResult:
    """What an audit says."""
    planned = review.plan.get("groups") or ()
    groups = tuple(_group_result(review, at, group) for at, group in enumerate(planned))
    overall, note = _overall(groups, are_disjoint=bool(review.plan.get("are_disjoint")))
    precision, low, high = _numbers(overall)
    return AuditResult(
        **_head(review), groups=groups, precision=precision, low=low, high=high, note=note
    )


def _group_result(review: PlannedReview, at: int, group: Any) -> GroupResult:
    drawn = [each for each in review.drawn.values() if at in each.facts.get("groups", ())]
    answers = [(each, review.answers.get(each.clip_id)) for each in drawn]
    given = [(each.facts.get("kept"), answer.answer) for each, answer in answers if answer]
    decided = [(kept, word) for kept, word in given if word != "unsure"]
    agreed = sum(word == ("keep" if kept else "reject") for kept, word in decided)
    precision, low, high = _numbers(wilson(agreed, len(decided)))
    return GroupResult(
        group=str(group["group"]),
        size=int(group["size"]),
        drawn=len(drawn),
        answered=len(decided),
        agreed=agreed,
        unsure=len(given) - len(decided),
        open=len(drawn) - len(given),
        precision=precision,
        low=low,
        high=high,
    )


def _overall(groups: Sequence[GroupResult], *, are_disjoint: bool) -> tuple[Interval | None, str]:
    if not are_disjoint:
        return None, "the groups may share clips, so that their sizes are no weights"
    shares = [(float(each.size), wilson(each.agreed, each.answered)) for each in groups]
    missing = [each.group for each, (_, share) in zip(groups, shares, strict=True) if share is None]
    if missing:
        return None, f"nothing is decided yet of {', '.join(missing)}"
    return weighted([(size, share) for size, share in shares if share is not None]), ""


def comparison_result(review: PlannedReview) -> ComparisonResult:
    """What a comparison says."""
    counts = Counter(answer.answer for answer in review.answers.values())
    first, second = counts["first"], counts["second"]
    share, low, high = _numbers(wilson(first, first + second))
    return ComparisonResult(
        **_head(review),
        columns=(str(review.plan["columns"][0]), str(review.plan["columns"][1])),
        size=int(review.plan["size"]),
        equal=int(review.plan["equal"]),
        first=first,
        second=second,
        tie=counts["tie"],
        bad=counts["bad"],
        share=share,
        low=low,
        high=high,
        p_value=sign_test(first, second),
        left=_left(review),
    )


def _left(review: PlannedReview) -> int:
    return sum(
        answer.answer == ("second" if review.drawn[clip_id].facts.get("is_swapped") else "first")
        for clip_id, answer in review.answers.items()
    )


def _head(review: PlannedReview) -> dict[str, Any]:
    plan = review.plan
    return {
        "id": review.id,
        "cut": str(plan.get("cut", "")),
        "author": str(plan.get("author", "")),
        "started": str(plan.get("at", "")),
        "seed": int(plan.get("seed", 0)),
        "clips": len(review.drawn),
        "open": _open(review.drawn, review.answers),
    }


def _open(drawn: Iterable[str], answers: Iterable[str]) -> int:
    return len(set(drawn) - set(answers))


def _numbers(interval: Interval | None) -> tuple[float | None, float | None, float | None]:
    return (None,) * 3 if interval is None else (interval.share, interval.low, interval.high)
