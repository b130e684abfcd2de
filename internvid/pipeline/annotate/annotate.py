"""The annotate pass: a text, score or vector for each kept clip, bound to it by clip_id alone."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from internvid.core.annotators import set_up
from internvid.core.errors import BudgetSpentError, InternvidError
from internvid.core.timings import Timings, carry_over, collecting
from internvid.dataset.answers.columns import column_schema_of, staged_files
from internvid.dataset.layout import Layout, Record
from internvid.dataset.removal.purging import writing
from internvid.dataset.store import Dataset, layout_to_write
from internvid.pipeline.annotate.column_progress import AnnotateProgress
from internvid.pipeline.annotate.column_run import AnswerWriter, ColumnRun, PartTask, annotate_parts
from internvid.pipeline.annotate.job_file import job_file
from internvid.pipeline.annotate.jobs import ColumnRequest, column_job, describe, note_column
from internvid.pipeline.annotate.pick_sets import give_pick_sets
from internvid.pipeline.annotate.stream import ColumnJob, PartWork, load_part
from internvid.pipeline.runs import write_run
from internvid.run.executor import Executor, Failure
from internvid.run.executors import opened_executor

__all__ = ["ColumnRequest", "ColumnSummary", "annotate", "annotate_columns"]


@dataclass(frozen=True)
class ColumnSummary:
    """What a run did for one column.

    Attributes:
        column: its name. key: `name@fingerprint`.
        asked: clips that the component was given. answered: how many it answered.
        failed: answers that failed; the next run asks again.
        carried: answers that were there for equal spans of another cut.
        waiting: clips whose text is not there yet, or stale.
        lasting: clips that failed before for a reason that lasts; only a retry asks again.
        seconds: wall time, models loaded included. stages: seconds by stage, over all threads.
        counts: frames, tokens, requests and whatever else the component counts.
    """

    column: str
    key: str
    asked: int
    answered: int
    failed: int
    carried: int
    waiting: int
    seconds: float
    stages: Mapping[str, float]
    counts: Mapping[str, int]
    lasting: int = 0


def annotate(
    dataset: Dataset | str | os.PathLike[str],
    component: Any,
    name: str,
    *,
    subset: str | None = None,
    text: str | None = None,
    retry: bool = False,
    workers: int | None = None,
    executor: str | Executor = "local",
    progress: AnnotateProgress | None = None,
) -> ColumnSummary:
    """Let a captioner or scorer answer for every kept clip that has no answer, or a failed one.

    A killed or stopped run goes on where it was and ends in the same bytes.

    Args:
        dataset: a dataset with a finished build; an open one shows the column afterwards.
        component: a captioner or scorer, or its name as in "frame" or "my_module:MyScorer".
        name: of the column; another configuration under a name makes a new column beside the old.
        subset: only its clips.
        text: the text column to read, for components that read one.
        retry: also ask about clips that failed for a reason that lasts (the component's `lasting`).
        workers: processes for components that load no model; all cores when None.
        executor: where they run: `local`, `ray`, or an executor.
        progress: called with everything that happens.

    Raises:
        MisuseError: no such subset or column, a name that is taken, a text where none is read.
        BudgetSpentError: the budget is used up; what was answered is kept.
        InternvidError: a package, weights, key or server is missing; or the component is at fault.
    """
    request = ColumnRequest(name, component, subset, text, retry=retry)
    return annotate_columns(
        dataset, [request], workers=workers, executor=executor, progress=progress
    )[0]


def annotate_columns(
    dataset: Dataset | str | os.PathLike[str],
    requests: Sequence[ColumnRequest],
    *,
    workers: int | None = None,
    executor: str | Executor = "local",
    progress: AnnotateProgress | None = None,
) -> list[ColumnSummary]:
    """Annotate several columns; a span that the picks fall short of is decoded once for all.

    Raises:
        InternvidError: as `annotate`.
    """
    shown = progress or AnnotateProgress()
    with (
        layout_to_write(dataset) as layout,
        writing(layout),
        opened_executor(executor, workers) as runs_on,
    ):
        record = layout.read_record()
        jobs = [column_job(layout, record, request) for request in requests]
        surveys = [survey(job) for job in jobs]
        for job, surveyed in zip(jobs, surveys, strict=True):
            if surveyed.asked:
                shown.enter(f"loading ({job.column.partition('@')[0]})")
                set_up(job.component)
        jobs = give_pick_sets(jobs, [surveyed.asked > 0 for surveyed in surveys], runs_on, shown)
        summaries = []
        for job, surveyed in zip(jobs, surveys, strict=True):
            note_column(record, job)
            try:
                summaries.append(write_column(job, surveyed, runs_on, shown))
            except (InternvidError, KeyboardInterrupt) as error:
                _keep_what_is_done(layout, record, job)
                if isinstance(error, BudgetSpentError):
                    raise _with_progress(error, shown) from error
                raise
            if surveyed.asked:
                describe(record, job)
            point_at(layout, record, job)
            write_run(layout, {"annotate": vars(summaries[-1]), "seconds": summaries[-1].seconds})
    shown.enter("done")
    return summaries


@dataclass(frozen=True)
class Survey:
    """What there is to do for one column.

    Attributes:
        parts: those with clips to ask about, and how many in each.
        settled: parts in which nothing is pending but rows are ready to be written.
    """

    parts: Mapping[str, int]
    settled: tuple[str, ...]
    carried: int
    waiting: int
    lasting: int = 0

    @property
    def asked(self) -> int:
        """Clips to ask about."""
        return sum(self.parts.values())


def survey(job: ColumnJob) -> Survey:
    """Look through the parts of a column, one at a time. Nothing is loaded or written."""
    pending: dict[str, int] = {}
    settled = []
    carried = waiting = lasting = 0
    for part in job.todo:
        work: PartWork = load_part(job, part)
        carried += 0 if work.carried is None else work.carried.num_rows
        waiting += work.waiting
        lasting += work.lasting
        if work.pending.num_rows:
            pending[part] = work.pending.num_rows
        elif (
            work.carried is not None
            or work.ready
            or staged_files(job.layout, job.cut, job.column, part)
        ):
            settled.append(part)
    return Survey(pending, tuple(settled), carried, waiting, lasting)


def write_column(
    job: ColumnJob, surveyed: Survey, executor: Executor, progress: AnnotateProgress
) -> ColumnSummary:
    """Ask about all that a survey found, and seal every part.

    Raises:
        InternvidError: the component is at fault, or says what is missing.
    """
    name = job.column.partition("@")[0]
    verb = "captioning" if job.traits.verb == "caption" else "scoring"
    started = time.monotonic()
    with collecting() as timings:
        progress.begin(f"{verb} ({name})", surveyed.asked, timings)
        settle = AnswerWriter(job)
        for part in surveyed.settled:
            work = load_part(job, part)
            settle.seal(work)
        if job.traits.has_setup and surveyed.asked:
            ColumnRun(job, list(surveyed.parts), progress.reached).run()
        elif surveyed.asked:
            _in_workers(job, surveyed, executor, progress)
    return ColumnSummary(
        column=name,
        key=job.column,
        asked=surveyed.asked,
        answered=progress.answered,
        failed=progress.failed,
        carried=surveyed.carried,
        waiting=surveyed.waiting,
        seconds=round(time.monotonic() - started, 3),
        stages=_rounded(timings),
        counts=dict(sorted(timings.counts.items())),
        lasting=surveyed.lasting,
    )


def _rounded(timings: Timings) -> dict[str, float]:
    return {name: round(seconds, 3) for name, seconds in sorted(timings.seconds.items())}


def _in_workers(
    job: ColumnJob, surveyed: Survey, executor: Executor, progress: AnnotateProgress
) -> None:
    with job_file(job) as path:
        tasks = (PartTask(path, (part,)) for part in surveyed.parts)
        for result in executor.map(annotate_parts, tasks, progress.reached_in_part):
            require(result.failure)
            carry_over(result.value)


def require(failure: Failure | None) -> None:
    """Stop the run where a whole part failed.

    Raises:
        InternvidError: it did.
    """
    if failure is not None:
        raise InternvidError(
            f"a pass over a part failed: {failure.message}\n{failure.details}".rstrip(),
            hint="this is a fault of a component, not of a video; what is done is kept",
        )


def point_at(layout: Layout, record: Record, job: ColumnJob) -> None:
    """Make a column the current one of its name."""
    name = job.column.partition("@")[0]
    record.columns.setdefault(job.cut, {})[name] = job.column
    layout.write_record(record)


def _with_progress(error: BudgetSpentError, shown: AnnotateProgress) -> BudgetSpentError:
    return BudgetSpentError(
        f"{error.message}; {shown.answered} of {shown.asked} clips were answered, which is kept",
        hint=error.hint or "the same command with a larger budget goes on where this one stopped",
    )


def _keep_what_is_done(layout: Layout, record: Record, job: ColumnJob) -> None:
    # A column of that name that is whole stays the current one until the new one is.
    name = job.column.partition("@")[0]
    there = column_schema_of(layout, record, job.cut, job.column) is not None or any(
        staged_files(layout, job.cut, job.column, part) for part in job.parts
    )
    if there and name not in record.columns.get(job.cut, {}):
        point_at(layout, record, job)
