"""What an annotate pass would cost: the component is tried on a few clips.

Nothing is written to the dataset. What a served model answered stays in the client's cache, and is
what the run would have requested: the same pictures with the same words.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from internvid.core.annotators import set_up
from internvid.core.contracts import Annotation, ClipView
from internvid.core.sequences import middles
from internvid.core.timings import collecting, stage
from internvid.dataset.layout import Layout
from internvid.dataset.stores.store_path import located
from internvid.pipeline.annotate.annotate import Survey, survey
from internvid.pipeline.annotate.jobs import ColumnRequest, column_job
from internvid.pipeline.annotate.pick_sets import name_pick_sets, tried_pick_set
from internvid.pipeline.annotate.rows import bind
from internvid.pipeline.annotate.stream import ColumnJob, load_part, part_views, source_paths

SAMPLE = 12
_WARM_UP = 2
# Counts of the client that say what the cache did and not what the run will do.
_OF_CACHE = ("answers_kept", "cache_hits", "cached_tokens", "kept_tokens", "retries")
_PARTS_OF_TOKENS = ("prompt_tokens", "completion_tokens")


@dataclass(frozen=True)
class ColumnPlan:
    """What one column is expected to cost.

    Attributes:
        column: its name. key: `name@fingerprint`.
        clips: clips to ask about. carried: answers that are there for equal spans of another cut.
        waiting: clips whose text is not there yet.
        tried: clips that the component was tried on. failed: how many of them failed.
        lasting: clips that failed before for a reason that lasts and are not requested about.
        kept: questions of the trial that the cache of answers knows now; the run pays for none.
        setup_seconds: loading. seconds_per_clip: wall time, pictures decoded again included.
        stages: seconds for each clip by stage, over all threads.
        counts: for each clip: frames, tokens, requests and whatever else the component counts.
        expected: the same counts for what is left to be done. expected_seconds: wall time for all.
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
    lasting: int = 0
    kept: int = 0


def plan_columns(dataset: Path, requests: Sequence[ColumnRequest]) -> list[ColumnPlan]:
    """Try each component on a few of the clips it would be given.

    Served models really answer about these clips, with the pictures that the run will show.

    Raises:
        InternvidError: as the run itself would.
    """
    layout = Layout(located(dataset))
    record = layout.read_record()
    jobs = [column_job(layout, record, request) for request in requests]
    surveys = [survey(job) for job in jobs]
    jobs = name_pick_sets(jobs, [found.asked > 0 for found in surveys])
    return [_plan(job, found) for job, found in zip(jobs, surveys, strict=True)]


def _plan(job: ColumnJob, surveyed: Survey) -> ColumnPlan:
    started = time.monotonic()
    if surveyed.asked:
        set_up(job.component)
    loaded = time.monotonic() - started
    tried = _try(job, surveyed) if surveyed.asked else _Tried()
    each = tried.seconds / max(tried.timed, 1)
    counts, expected = _counts(tried, surveyed.asked)
    return ColumnPlan(
        column=job.column.partition("@")[0],
        key=job.column,
        clips=surveyed.asked,
        carried=surveyed.carried,
        waiting=surveyed.waiting,
        tried=tried.clips,
        failed=tried.failed,
        lasting=surveyed.lasting,
        kept=tried.kept,
        setup_seconds=round(loaded, 3),
        seconds_per_clip=round(each, 4),
        stages=_per_clip(tried),
        counts={name: round(count, 3) for name, count in counts.items()},
        expected=expected,
        expected_seconds=round(loaded + each * surveyed.asked, 1),
    )


def _counts(tried: _Tried, clips: int) -> tuple[dict[str, float], dict[str, int]]:
    """(what a clip costs, what the run will cost) by what was counted in the trial.

    A question that the cache answers would have been a request with its tokens. What the trial was
    recognised and what the cache held before, the run need not ask.
    """
    plain = {name: tried.counts[name] for name in sorted(tried.counts) if name not in _OF_CACHE}
    free: dict[str, int] = {"requests": tried.kept, "tokens": 0}
    sent = tried.counts["requests"]
    if sent or tried.kept:
        known = tried.counts["cached_tokens"]
        plain["requests"] = sent + tried.counts["cache_hits"]
        plain["tokens"] = tried.counts["tokens"] + known
        free["tokens"] = known + tried.counts["kept_tokens"]
        for name in _PARTS_OF_TOKENS:
            # Only what was sent now is counted in parts.
            share = tried.counts[name] / max(tried.counts["tokens"], 1)
            plain[name], free[name] = round(share * plain["tokens"]), round(share * free["tokens"])
    each = {name: count / max(tried.clips, 1) for name, count in plain.items()}
    expected = {
        name: max(0, round(count * clips) - free.get(name, 0)) for name, count in each.items()
    }
    return each, expected


def _per_clip(tried: _Tried) -> dict[str, float]:
    return {
        name: round(spent / max(tried.timed, 1), 5) for name, spent in sorted(tried.stages.items())
    }


@dataclass(frozen=True)
class _Tried:
    """A trial: its clips, those of them whose time was taken, and what was reported meanwhile."""

    clips: int = 0
    timed: int = 0
    failed: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    stages: Mapping[str, float] = field(default_factory=dict)

    @property
    def kept(self) -> int:
        """Questions that the cache of answers knows now."""
        return self.counts["cache_hits"] + self.counts["answers_kept"]


def _try(job: ColumnJob, surveyed: Survey) -> _Tried:
    """What a sample costs; the first clips only warm up, which counts but takes no time."""
    with tempfile.TemporaryDirectory() as folder, collecting() as whole:
        sample, warm = _sample(job, surveyed)
        started = time.monotonic()
        with stage("more pictures"):
            sample = tried_pick_set(job, sample, Path(folder))
        decoding = (time.monotonic() - started) / max(len(sample), 1)
        rows = bind(sample[:warm], _verb(job, sample[:warm]), job.component) if warm else []
        views = sample[warm:]
        with collecting() as timings:
            started = time.monotonic()
            rows += bind(views, _verb(job, views), job.component)
            spent = time.monotonic() - started
    stages: dict[str, float] = dict(timings.seconds)
    if job.pick_set is not None:
        stages["more pictures"] = decoding * len(views)
        spent += decoding * len(views)
    failed = sum(row["status"] == "failed" for row in rows)
    return _Tried(len(sample), len(views), failed, spent, whole.counts, stages)


def _verb(job: ColumnJob, views: Sequence[ClipView]) -> Iterator[Annotation]:
    component = job.component
    ask = component.caption if job.traits.verb == "caption" else component.score
    made: Iterator[Annotation] = iter(ask(iter(views)))
    return made


def _sample(job: ColumnJob, surveyed: Survey) -> tuple[list[ClipView], int]:
    """Clips spread over the first parts that are pending, and how many of them only warm up."""
    parts = list(surveyed.parts)[:4]
    sources = source_paths(job)
    views: list[ClipView] = []
    for part in parts:
        work = load_part(job, part)
        count = work.pending.num_rows
        wanted = min(count, -(-(SAMPLE + _WARM_UP) // len(parts)))
        work.pending = work.pending.take(middles(count, wanted))
        views += [view for view, _ in part_views(job, work, sources)]
    return views, _WARM_UP if len(views) > _WARM_UP else 0
