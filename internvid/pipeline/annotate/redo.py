"""Which answered clips are annotated again: those whose text is bad in a way that is named."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from internvid.captions.checks.check import REASONS, can_tell_language
from internvid.captions.requests import FAILURES
from internvid.captions.server.config import ServedModel
from internvid.core.errors import MisuseError
from internvid.dataset.answers.columns import staged_files
from internvid.dataset.answers.generations import latest_rows
from internvid.dataset.layout import Layout, Record
from internvid.dataset.tables import AnswerRow
from internvid.pipeline.annotate.audit import (
    PartPicks,
    broken_reason,
    clips_by_id,
    health_of,
    shared_in,
)

BROKEN, IDENTICAL = "broken", "identical"
KNOWN = tuple(dict.fromkeys((BROKEN, IDENTICAL, *REASONS, *FAILURES)))
# A refusal is a failure where the server says so, and a text where the model does.
_ALSO = {"refused": ("refusing",)}


def check_redo(reasons: Sequence[str]) -> None:
    """Refuses a reason that no answer can have.

    Raises:
        MisuseError: one of them is none.
    """
    wrong = [reason for reason in reasons if reason not in KNOWN]
    if wrong:
        raise MisuseError(
            f"no answer is {wrong[0]!r}; answers can be: {', '.join(KNOWN)}",
            hint="internvid audit says what there is",
        )


def clips_to_redo(
    layout: Layout, record: Record, key: str, reasons: Sequence[str], language: str = "en"
) -> frozenset[str]:
    """Clips of a column whose answer is bad for one of the reasons.

    Args:
        layout, record: the dataset.
        key: `name@fingerprint` of the column.
        reasons: of `KNOWN`: failures, reasons to distrust a text, `identical` (many clips share
            the text) and `broken` (the answer does not belong to its clip).
        language: texts should be in it, for `wrong_language`.

    Raises:
        MisuseError: there is no such reason.
    """
    check_redo(reasons)
    wanted = {*reasons, *(other for reason in reasons for other in _ALSO.get(reason, ()))}
    language = language if "wrong_language" in wanted and can_tell_language() else ""
    shared = shared_in(layout, record, key) if IDENTICAL in wanted else frozenset()
    found: set[str] = set()
    for part in (entry["name"] for entry in record.parts):
        found |= set(_in_part(layout, record, (key, part), wanted, (language, shared)))
    return frozenset(found)


def _in_part(
    layout: Layout,
    record: Record,
    where: tuple[str, str],
    wanted: Collection[str],
    healthy: tuple[str, Collection[str]],
) -> Iterator[str]:
    key, part = where
    assert record.cut is not None
    assert record.scan is not None
    files = layout.column_files(record.cut, key, part)
    table = latest_rows([*files, *staged_files(layout, record.cut, key, part)])
    if table is None:
        return
    clips = clips_by_id(layout, record.cut, part) if BROKEN in wanted else {}
    picks = PartPicks(layout, record.scan, part)
    for batch in table.to_batches(256):
        for row in batch.to_pylist():
            if _reasons(row, *healthy) & set(wanted) or (
                BROKEN in wanted and broken_reason(row, clips, picks)
            ):
                yield row["clip_id"]


def _reasons(row: AnswerRow, language: str, shared: Collection[str]) -> set[str]:
    if row["status"] != "ok":
        return {row["reason"] or ""}
    if not isinstance(row["value"], str):
        return set()
    return set(health_of(row["value"], language, shared))


def with_fresh_answers(component: Any) -> Any:
    """The component with served models that do not read kept answers; nothing else changes."""
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(component):
        value = getattr(component, field.name)
        if isinstance(value, ServedModel):
            changes[field.name] = dataclasses.replace(value, cache="")
        elif field.init and dataclasses.is_dataclass(value) and not isinstance(value, type):
            changes[field.name] = with_fresh_answers(value)
    return dataclasses.replace(component, **changes) if changes else component
