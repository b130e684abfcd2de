"""The annotate pass: a text or number for each kept clip, joined by clip_id, never by position."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from internvid.core.contracts import Annotation, ClipView
from internvid.core.errors import InternvidError
from internvid.dataset.layout import Layout
from internvid.dataset.parts import commit_table, rows_to_table
from internvid.dataset.picks import StoredPicks
from internvid.dataset.tables import row_to_clip

CLIPS_PER_BATCH = 64


@dataclass(frozen=True)
class AnnotateTask:
    """One part of one column.

    Attributes:
        column: `name@fingerprint`.
        component: a captioner (has `caption`) or a scorer (has `score`).
        only: clip ids of a subset, or None for every kept clip.
    """

    layout: Layout
    scan: str
    cut: str
    column: str
    part: str
    component: Any
    only: frozenset[str] | None = None


def annotate_part(task: AnnotateTask, report: Any) -> int:
    """Write one part of a column; returns how many clips it answers for."""
    clips = pq.read_table(task.layout.clips(task.cut, task.part)).to_pylist()
    picks = StoredPicks(task.layout.scanned(task.scan, "picks", task.part))
    views = [
        make_view(row, picks)
        for row in clips
        if row["kept"] and (task.only is None or row["clip_id"] in task.only)
    ]
    is_caption = hasattr(task.component, "caption")
    rows: list[dict[str, Any]] = []
    for start in range(0, len(views), CLIPS_PER_BATCH):
        batch = views[start : start + CLIPS_PER_BATCH]
        component = task.component
        answers = component.caption(batch) if is_caption else component.score(batch)
        rows.extend(bind(batch, answers))
        report(float(start))
    value = pa.string() if is_caption else pa.float64()
    schema = pa.schema(
        [
            ("clip_id", pa.string()),
            ("value", value),
            ("status", pa.string()),
            ("reason", pa.string()),
        ]
    )
    commit_table(task.layout.column(task.cut, task.column, task.part), rows_to_table(rows, schema))
    return len(rows)


def make_view(row: dict[str, Any], picks: StoredPicks) -> ClipView:
    """What an annotator is given for one row of the clips table."""
    clip = row_to_clip(row)
    return ClipView(clip, row, picks.of(row["video_id"], row["start_frame"], row["end_frame"]))


def bind(batch: Sequence[ClipView], answers: Iterable[Annotation]) -> list[dict[str, Any]]:
    """One row per clip of the batch, in its order, matched by clip_id alone.

    A clip without an answer becomes a failure; an answer for a clip that was not asked, or a
    second one for the same clip, is a fault of the component and stops the run.
    """
    asked = {view.clip.clip_id for view in batch}
    found: dict[str, Annotation] = {}
    for answer in answers:
        if answer.clip_id not in asked:
            raise InternvidError(f"an answer came for clip {answer.clip_id}, which was not asked")
        if answer.clip_id in found:
            raise InternvidError(f"two answers came for clip {answer.clip_id}")
        found[answer.clip_id] = answer
    rows = []
    for view in batch:
        clip_id = view.clip.clip_id
        answer = found.get(clip_id, Annotation(clip_id, None, "failed", "no_answer"))
        rows.append(
            {
                "clip_id": clip_id,
                "value": answer.value if answer.status == "ok" else None,
                "status": answer.status,
                "reason": answer.reason,
            }
        )
    return rows
