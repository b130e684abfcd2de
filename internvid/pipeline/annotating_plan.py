"""What an annotate pass would cost: the component is tried on a few clips, nothing is kept."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from internvid.core.annotators import set_up
from internvid.core.contracts import Annotation, ClipView, Needs
from internvid.core.ledger import Ledger, collecting, stage
from internvid.dataset.layout import Layout
from internvid.dataset.picks import SCAN_PICKS
from internvid.pipeline.annotating import Survey, survey
from internvid.pipeline.annotating_jobs import ColumnRequest, column_job
from internvid.pipeline.annotating_parts import ColumnJob, load_part, part_views, source_paths
from internvid.pipeline.annotating_picks import tried_pick_set
from internvid.pipeline.annotating_rows import bind

SAMPLE = 12
_WARM_UP = 2


@dataclass(frozen=True)
class ColumnPlan:
    """What one column is expected to cost.

    Attributes:
        column: its name. key: `name@fingerprint`.
        clips: clips to ask about. carried: answers that are there for equal spans of another cut.
        waiting: clips whose text is not there yet.
        tried: clips that the component was tried on. failed: how many of them failed.
        setup_seconds: loading. seconds_per_clip: wall time, pictures decoded again included.
        stages: seconds for each clip by stage, over all threads.
        counts: for each clip: frames, tokens, requests and whatever else the component counts.
        expected: the same counts for all clips. expected_seconds: wall time for all of them.
    """

    column: str
    key: str
    clips: int
    carried: int
    waiting: int
    tried: int
    failed: int
    setup_seconds: float
    seconds_per_clip: float
    stages: Mapping[str, float]
    counts: Mapping[str, float]
    expected: Mapping[str, int]
    expected_seconds: float


def plan_columns(dataset: Path, requests: Sequence[ColumnRequest]) -> list[ColumnPlan]:
    """Try each component on a few of the clips it would be asked about.

    Served models are really asked about these clips; their answers stay in the client's cache.

    Raises:
        InternvidError: as the run itself would.
    """
    layout = Layout(dataset.absolute())
    record = layout.read_record()
    plans = []
    for request in requests:
        job = column_job(layout, record, request)
        plans.append(_plan(job, survey(job)))
    return plans


def _plan(job: ColumnJob, found: Survey) -> ColumnPlan:
    started = time.monotonic()
    if found.asked:
        set_up(job.component)
    loaded = time.monotonic() - started
    tried = _try(job, found) if found.asked else _Tried()
    each = tried.seconds / max(tried.clips, 1)
    counts = {
        name: count / max(tried.clips, 1) for name, count in sorted(tried.ledger.counts.items())
    }
    return ColumnPlan(
        column=job.column.partition("@")[0],
        key=job.column,
        clips=found.asked,
        carried=found.carried,
        waiting=found.waiting,
        tried=tried.clips,
        failed=tried.failed,
        setup_seconds=round(loaded, 3),
        seconds_per_clip=round(each, 4),
        stages=_per_clip(tried),
        counts={name: round(count, 3) for name, count in counts.items()},
        expected={name: round(count * found.asked) for name, count in counts.items()},
        expected_seconds=round(loaded + each * found.asked, 1),
    )


def _per_clip(tried: _Tried) -> dict[str, float]:
    return {
        name: round(spent / max(tried.clips, 1), 5)
        for name, spent in sorted(tried.ledger.seconds.items())
    }


@dataclass(frozen=True)
class _Tried:
    clips: int = 0
    failed: int = 0
    seconds: float = 0.0
    ledger: Ledger = field(default_factory=Ledger)


def _try(job: ColumnJob, found: Survey) -> _Tried:
    """What a sample costs; the first clips only warm up."""
    with tempfile.TemporaryDirectory() as folder:
        warm, views = _sample(job, found)
        if len(views) > len(warm):
            bind(warm, _verb(job, warm), job.component)
        with collecting() as ledger:
            started = time.monotonic()
            if job.traits.needs != Needs():
                with stage("more pictures"):
                    views = tried_pick_set(job, views, Path(folder))
            rows = bind(views, _verb(job, views), job.component)
            spent = time.monotonic() - started
    return _Tried(len(views), sum(row["status"] == "failed" for row in rows), spent, ledger)


def _verb(job: ColumnJob, views: Sequence[ClipView]) -> Iterator[Annotation]:
    component = job.component
    ask = component.caption if job.traits.verb == "caption" else component.score
    made: Iterator[Annotation] = iter(ask(iter(views)))
    return made


def _sample(job: ColumnJob, found: Survey) -> tuple[list[ClipView], list[ClipView]]:
    """A few clips to warm up on, and others spread over the first parts that are pending."""
    parts = list(found.parts)[:4]
    sources = source_paths(job)
    views: list[ClipView] = []
    for part in parts:
        work = load_part(replace(job, pick_set=None), part)
        count = work.pending.num_rows
        wanted = min(count, -(-(SAMPLE + _WARM_UP) // len(parts)))
        rows = sorted({(2 * at + 1) * count // (2 * wanted) for at in range(wanted)})
        work.pending = work.pending.take(rows)
        views += [
            view for view, pick_set in part_views(job, work, sources) if pick_set == SCAN_PICKS
        ]
    if len(views) <= _WARM_UP:
        return [], views
    return views[:_WARM_UP], views[_WARM_UP:]
