"""Runs one component over a stream of clips; its answers are staged, then sealed part by part."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from internvid.core.contracts import Annotation
from internvid.core.errors import InternvidError
from internvid.core.timings import Timings, collecting, stage
from internvid.dataset.answers.column_inputs import TEXT_DIGEST, text_digest
from internvid.dataset.answers.columns import staged_files
from internvid.dataset.answers.generations import latest_rows
from internvid.dataset.parts import commit_table, discard, read_part, rows_to_table
from internvid.dataset.tables import AnswerRow
from internvid.pipeline.annotate.job_file import read_job
from internvid.pipeline.annotate.rows import answer_row
from internvid.pipeline.annotate.stream import ClipStream, ColumnJob, PartWork

STAGE_ANSWERS = 256
STAGE_SECONDS = 5.0
_MOST_STAGED_FILES = 64


@dataclass(frozen=True)
class PartTask:
    """Parts of one column for one process.

    Attributes:
        job: file of the column's job.
    """

    job: Path
    parts: tuple[str, ...]


def annotate_parts(task: PartTask, report: Any) -> Timings:
    """Answer for some parts; returns what was reported meanwhile, of this process.

    `report` is called with (answered, failed) so far.
    """
    job = read_job(task.job)
    with collecting() as timings:
        ColumnRun(job, task.parts, lambda answered, failed: report((answered, failed))).run()
    return timings


@dataclass
class ColumnRun:
    """One component over some parts, in this process.

    Attributes:
        report_counts: called with how many clips were answered, and how many of them failed.
    """

    job: ColumnJob
    parts: Sequence[str]
    report_counts: Callable[[int, int], None] = field(default=lambda answered, failed: None)
    answered: int = 0
    failed: int = 0

    def run(self) -> int:
        """Ask about every pending clip, write every answer. The component is set up before.

        Whatever ends it, what was answered is staged or sealed.

        Raises:
            InternvidError: the component gave two answers for a clip, or one for a clip that was
                not requested; or what the component itself raises.
        """
        stream = ClipStream(self.job, self.parts)
        with AnswerWriter(self.job) as staged:
            for answer in _answers(self.job, stream):
                work, pick_set = stream.answered(answer.clip_id)
                self._keep(staged, work, self._row(work, answer, pick_set))
                self._seal_completed(stream, staged)
            for work, clip_id, pick_set in stream.unanswered():
                stream.answered(clip_id)
                self._keep(staged, work, self._row(work, _silence(clip_id), pick_set))
            for view in stream:  # a component that stopped early left these unread
                work, pick_set = stream.answered(view.clip.clip_id)
                self._keep(staged, work, self._row(work, _silence(view.clip.clip_id), pick_set))
                self._seal_completed(stream, staged)
            self._seal_completed(stream, staged)
        return self.answered

    def _row(self, work: PartWork, answer: Annotation, pick_set: str) -> AnswerRow:
        row = answer_row(answer, self.job.traits, pick_set)
        if self.job.text is not None:
            row["text_digest"] = text_digest(work.texts[answer.clip_id][0])
        return row

    def _keep(self, staged: AnswerWriter, work: PartWork, row: AnswerRow) -> None:
        staged.add(work.part, row)
        self.answered += 1
        self.failed += row["status"] == "failed"
        self.report_counts(self.answered, self.failed)

    def _seal_completed(self, stream: ClipStream, staged: AnswerWriter) -> None:
        for work in stream.completed():
            staged.seal(work)


def _silence(clip_id: str) -> Annotation:
    """What is kept of a clip that the component answered nothing about."""
    return Annotation(clip_id, None, "failed", "no_answer")


def _answers(job: ColumnJob, stream: ClipStream) -> Iterator[Annotation]:
    component = job.component
    made: Iterable[Annotation] = (
        component.caption(stream) if job.traits.verb == "caption" else component.score(stream)
    )
    try:
        for answer in made:
            if not isinstance(answer, Annotation):
                raise InternvidError(
                    f"{type(component).__name__} yielded {type(answer).__name__}, not an Annotation"
                )
            yield answer
    finally:
        close = getattr(made, "close", None)
        if close is not None:
            close()


class AnswerWriter:
    """Answers on their way: kept in memory for seconds, then in files, then sealed.

    A thread of its own writes what has waited long enough, so that a kill loses little even while
    the model thinks for minutes.
    """

    def __init__(self, job: ColumnJob) -> None:
        self.job = job
        self._rows: dict[str, list[AnswerRow]] = {}
        self._count = 0
        self._oldest = 0.0
        self._lock = threading.RLock()
        self._end = threading.Event()
        self._trouble: BaseException | None = None
        # It reports to the timings of the run that it writes for.
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._watch,), name="answers", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._end.set()
        self._thread.join()
        # Also when the run was stopped: what is done is not paid for twice.
        self.flush()

    def add(self, part: str, row: AnswerRow) -> None:
        """Take an answer of a part.

        Raises:
            StorageError: earlier answers could not be written.
        """
        with self._lock:
            if self._trouble is not None:
                raise self._trouble
            if not self._count:
                self._oldest = time.monotonic()
            self._rows.setdefault(part, []).append(row)
            self._count += 1
            if self._count >= STAGE_ANSWERS:
                self.flush()

    def flush(self) -> None:
        """Write everything that is in memory alone."""
        with self._lock, stage("writing answers"):
            for part, rows in self._rows.items():
                self._write(part, rows_to_table(rows, self.job.schema))
            self._rows, self._count = {}, 0

    def _write(self, part: str, table: pa.Table) -> None:
        folder = self.job.layout.staged_column(self.job.cut, self.job.column, part)
        there = sorted(folder.glob("*.parquet"))
        number = int(there[-1].stem) + 1 if there else 0
        if len(there) >= _MOST_STAGED_FILES:
            # A slow model would leave a file for each answer.
            table = pa.concat_tables([*(read_part(path) for path in there), table])
        commit_table(folder / f"{number:06d}.parquet", table)
        if len(there) >= _MOST_STAGED_FILES:
            for path in there:
                path.unlink()

    def _watch(self) -> None:
        while not self._end.wait(STAGE_SECONDS / 10):
            with self._lock:
                if self._count and time.monotonic() - self._oldest >= STAGE_SECONDS:
                    try:
                        self.flush()
                    except (InternvidError, OSError) as error:
                        self._trouble = error
                        return

    def seal(self, work: PartWork) -> None:
        """Write the next generation of a part: its new answers, in the order of its clips.

        Rows that repeat what already stands there are left out, so that a run which was killed
        while it sealed, or which failed again in the same way, adds nothing.
        """
        with self._lock, stage("writing answers"):
            fresh = self._rows.pop(work.part, [])
            self._count -= len(fresh)
            table = self._gathered(work, fresh)
            files = self.job.layout.column_files(self.job.cut, self.job.column, work.part)
            table = _changed(table, latest_rows(files))
            if table.num_rows:
                names = self._generations(work.part)
                commit_table(next(names), table, otherwise=names)
            folder = self.job.layout.staged_column(self.job.cut, self.job.column, work.part)
            if folder.exists():
                discard(folder)
                _remove_empty(folder.parent, self.job.layout.root)

    def _gathered(self, work: PartWork, fresh: list[AnswerRow]) -> pa.Table:
        job = self.job
        schema = job.schema
        tables = [] if work.carried is None else [work.carried]
        tables += [
            read_part(path, schema=schema)
            for path in staged_files(job.layout, job.cut, job.column, work.part)
        ]
        tables.append(rows_to_table([*work.ready, *fresh], schema))
        whole = pa.concat_tables(tables)
        last = {clip_id: at for at, clip_id in enumerate(whole["clip_id"].to_pylist())}
        places = [last[clip_id] for clip_id in work.order if clip_id in last]
        return whole.take(pa.array(places, pa.int64())).combine_chunks()

    def _generations(self, part: str) -> Iterator[Path]:
        layout, cut, column = self.job.layout, self.job.cut, self.job.column
        return (layout.column(cut, column, part, number) for number in itertools.count())


def _changed(table: pa.Table, known: pa.Table | None) -> pa.Table:
    """The rows of a table that say something else than what is known."""
    if known is None or not table.num_rows or "seal" not in known.schema.names:
        return table
    names = ["clip_id", "status", "seal", "reason"]
    if TEXT_DIGEST in table.schema.names:
        names.append(TEXT_DIGEST)
        if TEXT_DIGEST not in known.schema.names:
            known = known.append_column(TEXT_DIGEST, pa.nulls(known.num_rows, pa.string()))
    old = set(zip(*(known[name].to_pylist() for name in names), strict=True))
    new = zip(*(table[name].to_pylist() for name in names), strict=True)
    return table.filter(pa.array([row not in old for row in new], pa.bool_()))


def _remove_empty(folder: Any, root: Any) -> None:
    while folder != root and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
