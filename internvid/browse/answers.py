"""How far each column of captions and scores is, and why clips have no answer in it."""

from __future__ import annotations

from dataclasses import dataclass

from internvid.dataset.answers.columns import column_progress, reasons_of
from internvid.dataset.store import Dataset

MOST_REASONS = 8


@dataclass(frozen=True)
class Answers:
    """One column.

    Attributes:
        ok, skipped, failed, pending: kept clips by what became of them.
        stale: answered ones that were made from a text which is another one now.
        reasons: (status, reason, clips) of those without a value, the most frequent first.
        verb: "caption" or "score".
    """

    column: str
    verb: str
    ok: int
    skipped: int
    failed: int
    pending: int
    reasons: tuple[tuple[str, str, int], ...]
    stale: int = 0


def answers(dataset: Dataset) -> tuple[Answers, ...]:
    """Every current column of the current cut, in name order."""
    record, layout = dataset.record, dataset.layout
    if record.cut is None:
        return ()
    answer_facts = []
    for row in column_progress(layout, record, record.cut):
        reasons = reasons_of(layout, record, record.cut, row["key"])[:MOST_REASONS]
        verb = str(record.column_recipes.get(row["key"], {}).get("verb", "caption"))
        answer_facts.append(
            Answers(
                row["column"], verb, row["ok"], row["skipped"], row["failed"], row["pending"],
                tuple((one["status"], one["reason"], one["clips"]) for one in reasons),
                row["stale"],
            )
        )  # fmt: skip
    return tuple(answer_facts)
