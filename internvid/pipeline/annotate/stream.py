"""What a component is given: the clips that still need an answer, as one stream of views."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from internvid.core.annotators import Traits, traits_of
from internvid.core.contracts import ClipView, Pick
from internvid.core.errors import InternvidError
from internvid.dataset.answers.column_inputs import TEXT_DIGEST, TextRow, current_texts, text_digest
from internvid.dataset.answers.columns import outcomes, staged_files
from internvid.dataset.answers.generations import latest_rows
from internvid.dataset.current import current_clips
from internvid.dataset.layout import Layout
from internvid.dataset.parts import read_part
from internvid.dataset.picks import SCAN_PICKS, SpanPicks, StoredPicks, span_picks_index
from internvid.dataset.sources.uris import uri_to_path
from internvid.dataset.tables import CLIP_FIELDS, AnswerRow, VideoRow, column_schema
from internvid.pipeline.annotate.rows import make_view, no_text

_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class ColumnJob:
    """One column to write: all that a process needs for it.

    Attributes:
        column: `name@fingerprint`.
        component: a captioner or scorer.
        parts: names of all parts of the dataset, in order.
        only: clip ids of a subset, or None for every kept clip.
        text: `name@fingerprint` of the text column that the component reads, if it does.
        pick_set: name of the pick set that it is shown where that holds the clip.
        gone: videos that no source is any more; their clips are left out.
        read_texts: `text`, the text column that it was made from itself, and so on; empty where one
            of these was made again, so that what was made of it is stale.
        retry: also ask about clips that failed for a reason that lasts.
        redo: clips that are requested although they have an answer.
        share: the parts that are worked on in this process; all when None.
    """

    layout: Layout
    scan: str
    cut: str
    column: str
    component: Any
    parts: tuple[str, ...]
    only: frozenset[str] | None = None
    text: str | None = None
    pick_set: str | None = None
    gone: frozenset[str] = frozenset()
    read_texts: tuple[str, ...] = ()
    retry: bool = False
    redo: frozenset[str] = frozenset()
    share: tuple[str, ...] | None = None

    @property
    def todo(self) -> tuple[str, ...]:
        """The parts to work on, in order."""
        return self.parts if self.share is None else self.share

    @property
    def traits(self) -> Traits:
        """What the component declares."""
        return traits_of(self.component)

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the column's files."""
        traits = self.traits
        return column_schema(traits.value_type, traits.extras, reads_text=self.text is not None)


@dataclass
class PartWork:
    """One part of one column: what is known, what is requested, what was answered.

    Attributes:
        order: every kept clip of the part, in the order of its rows.
        pending: rows of the clips table to ask about, in order.
        carried: rows of equal spans under other cuts.
        ready: rows that need no asking.
        waiting: clips that cannot be annotated yet because their text is missing, or stale.
        lasting: clips that failed for a reason that lasts and are not requested about again.
        texts: clip_id -> (text, status of its row).
        open: clip_id -> pick set, of clips that were requested and not answered yet.
        is_read: whether all pending clips were handed out.
    """

    part: str
    order: list[str]
    pending: pa.Table
    carried: pa.Table | None = None
    ready: list[AnswerRow] = field(default_factory=list)
    waiting: int = 0
    lasting: int = 0
    texts: dict[str, tuple[str | None, str]] = field(default_factory=dict)
    open: dict[str, str] = field(default_factory=dict)
    is_read: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether every clip that can be annotated was answered."""
        return self.is_read and not self.open


def load_part(job: ColumnJob, part: str) -> PartWork:
    """The clips of a part that a column has no answer for, or a failed one."""
    names = None if "row" in job.traits.reads else [name for name, _ in CLIP_FIELDS]
    clips = current_clips(job.layout, job.cut, part, job.gone, names)
    if clips is None:
        return PartWork(part, [], pa.table({"clip_id": pa.array([], pa.string())}))
    clips = clips.filter(clips["kept"])
    order: list[str] = clips["clip_id"].to_pylist()
    texts = current_texts(job.layout, job.cut, job.read_texts, part)
    work = PartWork(part, order, clips)
    pending = _unanswered(job, work, texts)
    work.carried = _carried(job, part, frozenset(pending) - job.redo, texts)
    if work.carried is not None:
        held = set(work.carried["clip_id"].to_pylist())
        pending = [clip_id for clip_id in pending if clip_id not in held]
    if job.text is not None:
        pending = _with_texts(job, work, pending, texts)
    work.pending = clips.filter(pc.is_in(clips["clip_id"], pa.array(pending, pa.string())))
    return work


def _unanswered(job: ColumnJob, work: PartWork, texts: Mapping[str, TextRow]) -> list[str]:
    """Clips without an answer, with one from another text, or with a failure worth a retry."""
    known = outcomes(job.layout.column_files(job.cut, job.column, work.part))
    known.update(outcomes(staged_files(job.layout, job.cut, job.column, work.part)))
    lasting = frozenset() if job.retry else job.traits.lasting
    found = []
    for clip_id in work.order:
        if job.only is not None and clip_id not in job.only:
            continue
        status, reason, digest = known.get(clip_id, ("failed", "", None))
        is_stale = digest is not None and digest != _digest(texts, clip_id)
        if is_stale or clip_id in job.redo:
            found.append(clip_id)
        elif status == "failed" and reason in lasting:
            work.lasting += 1
        elif status == "failed":
            found.append(clip_id)
    return found


def _digest(texts: Mapping[str, TextRow], clip_id: str) -> str:
    row = texts.get(clip_id)
    return text_digest(row.value if row else None)


def _with_texts(
    job: ColumnJob, work: PartWork, pending: Sequence[str], texts: Mapping[str, TextRow]
) -> list[str]:
    with_text = []
    for clip_id in pending:
        row = texts.get(clip_id)
        if row is not None and row.value is not None:
            work.texts[clip_id] = (row.value, row.status)
            with_text.append(clip_id)
        elif row is not None and row.status == "skipped":
            work.ready.append({**no_text(clip_id, job.traits), "text_digest": ""})
        else:
            work.waiting += 1
    return with_text


def _carried(
    job: ColumnJob, part: str, pending: frozenset[str], texts: Mapping[str, TextRow]
) -> pa.Table | None:
    """Answers about the same spans, and texts, that another cut's column of the same key holds."""
    tables = []
    wanted = set(pending)
    for cut in sorted(path.name for path in (job.layout.root / "cuts").glob("*")):
        if cut == job.cut or not wanted:
            continue
        table = latest_rows(job.layout.column_files(cut, job.column, part))
        if table is None:
            continue
        fits = pc.and_(
            pc.is_in(table["clip_id"], pa.array(sorted(wanted), pa.string())),
            pc.not_equal(table["status"], "failed"),
        )
        table = _as_stored(table.filter(fits), job.schema)
        if job.text is not None:
            table = table.filter(_of_these_texts(table, texts))
        wanted -= set(table["clip_id"].to_pylist())
        if table.num_rows:
            tables.append(table)
    return pa.concat_tables(tables) if tables else None


def _as_stored(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table with exactly the columns of a schema; what is not there is null."""
    for name in schema.names:
        if name not in table.schema.names:
            nulls = pa.nulls(table.num_rows, schema.field(name).type)
            table = table.append_column(name, nulls)
    return table.select(schema.names).cast(schema)


def _of_these_texts(table: pa.Table, texts: Mapping[str, TextRow]) -> pa.Array:
    """Which rows were made from the texts that are current; those of before digests are trusted."""
    rows = zip(table["clip_id"].to_pylist(), table[TEXT_DIGEST].to_pylist(), strict=True)
    return pa.array([digest in (None, _digest(texts, clip_id)) for clip_id, digest in rows])


class ClipStream(Iterator[ClipView]):
    """Clips of several parts, one after another, handed to one component.

    Any thread may take the next clip. Remembers which clips were handed out, in bounded memory:
    what is known of a part is dropped when it is complete.
    """

    def __init__(self, job: ColumnJob, parts: Sequence[str]) -> None:
        self.job = job
        self.works: dict[str, PartWork] = {}
        self.finished: list[PartWork] = []
        self._parts = list(parts)
        self._views = self._all_views()
        self._owners: dict[str, PartWork] = {}
        self._lock = threading.Lock()

    def __next__(self) -> ClipView:
        with self._lock:
            return next(self._views)

    def _all_views(self) -> Iterator[ClipView]:
        sources = source_paths(self.job)
        for part in self._parts:
            work = load_part(self.job, part)
            self.works[part] = work
            for view, pick_set in part_views(self.job, work, sources):
                clip_id = view.clip.clip_id
                work.open[clip_id] = pick_set
                self._owners[clip_id] = work
                yield view
            work.is_read = True
            # Threads that read far ahead end a part after its last answer, or before.
            if work.is_complete:
                self.finished.append(work)

    def answered(self, clip_id: str) -> tuple[PartWork, str]:
        """The part and pick set of a clip that is open; it is open no more.

        Raises:
            InternvidError: it was not requested, or was answered before.
        """
        with self._lock:
            work = self._owners.pop(clip_id, None)
            if work is None:
                known = any(clip_id in each.order for each in self.works.values())
                raise InternvidError(
                    f"two answers came for clip {clip_id}"
                    if known
                    else f"an answer came for clip {clip_id}, which was not asked",
                    hint="this is a fault of the component; what was answered before is kept",
                )
            pick_set = work.open.pop(clip_id)
            if work.is_complete:
                self.finished.append(work)
            return work, pick_set

    def completed(self) -> list[PartWork]:
        """Parts that became complete since the last call; they are forgotten."""
        with self._lock:
            completed, self.finished = self.finished, []
            for work in completed:
                self.works.pop(work.part, None)
            return completed

    def unanswered(self) -> list[tuple[PartWork, str, str]]:
        """(part, clip_id, pick set) of all that was requested in vain."""
        with self._lock:
            return [
                (work, clip_id, pick_set)
                for work in self.works.values()
                for clip_id, pick_set in work.open.items()
            ]


def part_views(
    job: ColumnJob, work: PartWork, sources: Mapping[str, Path]
) -> Iterator[tuple[ClipView, str]]:
    """What the component is given for each pending clip, and the pick set it comes from."""
    layout, part = job.layout, work.part
    stored = StoredPicks(layout.scanned(job.scan, "picks", part))
    further: dict[str, tuple[tuple[Path, int], ...]] = {}
    if job.pick_set is not None:
        further = span_picks_index(layout.span_picks_files(job.scan, job.pick_set, part))
    for start in range(0, work.pending.num_rows, _ROWS_AT_ONCE):
        for row in work.pending.slice(start, _ROWS_AT_ONCE).to_pylist():
            picks: Sequence[Pick]
            if row["clip_id"] in further and job.pick_set is not None:
                picks, pick_set = SpanPicks(further[row["clip_id"]], row["clip_id"]), job.pick_set
            else:
                picks = stored.of(row["video_id"], row["start_frame"], row["end_frame"])
                pick_set = SCAN_PICKS
            text = work.texts.get(row["clip_id"], (None, ""))[0]
            view = make_view(row, picks, text)
            source = sources.get(row["video_id"])
            yield (view if source is None else replace(view, source=source)), pick_set


def source_paths(job: ColumnJob) -> dict[str, Path]:
    """video_id -> a file with those bytes that is still there; only for jobs that read sources.

    A file of another size has other bytes and does not count.
    """
    if "source" not in job.traits.reads:
        return {}
    return find_sources_of(job.layout, job.scan, job.todo)


def find_sources_of(layout: Layout, scan: str, parts: Sequence[str]) -> dict[str, Path]:
    """Source files of all videos of a scan."""
    rows: list[VideoRow] = []
    for part in parts:
        path = layout.scanned(scan, "videos", part)
        if path.exists():
            columns = ["video_id", "uri", "status", "file_bytes"]
            rows += read_part(path, columns=columns).to_pylist()
    # A duplicate's row does not state its size, the first one's does.
    sizes = {row["video_id"]: row["file_bytes"] for row in rows if row["status"] == "ok"}
    paths: dict[str, Path] = {}
    for row in rows:
        video_id = row["video_id"]
        if row["status"] not in ("ok", "duplicate") or video_id is None or video_id in paths:
            continue
        path, size = uri_to_path(row["uri"]), sizes.get(video_id)
        if path.is_file() and (size is None or path.stat().st_size == size):
            paths[video_id] = path
    return paths
