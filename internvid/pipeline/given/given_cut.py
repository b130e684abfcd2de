"""The cut of stated spans: rows of tables and timelines in, clips and their texts out.

No pixel is read, and no detector is run: a dataset that was scanned once has both cuts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from internvid.core.annotators import Traits, traits_of
from internvid.core.config import fingerprint, identity
from internvid.core.contracts import Annotation, ClipView
from internvid.core.errors import ConfigInvalidError
from internvid.core.types import GIVEN, Shot, TimeSpan
from internvid.curate.filters import FilterRule, apply_filters
from internvid.dataset.layout import ColumnEntry, CutEntry, Layout
from internvid.dataset.parts import commit_table, read_part, rows_to_table
from internvid.dataset.tables import VideoRow, clip_schema, column_schema
from internvid.pipeline.annotate.jobs import column_record
from internvid.pipeline.annotate.rows import answer_row
from internvid.pipeline.cutting import (
    ScannedVideo,
    clip_of,
    measured_clips,
    scanned_videos,
    signal_columns,
)
from internvid.pipeline.given.given_table import GivenTable, rows_of_files
from internvid.pipeline.given.rejected_rows import NO_VIDEO, REJECTED_SCHEMA
from internvid.pipeline.given.snapping import frame_edges, snap
from internvid.pipeline.recipe import Recipe

NO_CAPTION, SAME_SPAN = "no_caption", "same_span"
VERDICT_COLUMNS = {"filter_reason": "string", "filter_value": "double"}
"""What the filters of the recipe say of a stated clip, which is kept all the same."""


@dataclass(frozen=True)
class GivenSpans:
    """What decides the clips of a cut of stated spans.

    Attributes:
        spans: digest of the rows of the tables.
        columns: further columns of the tables, as (name, type).
        signals, filters: those of the recipe.
    """

    version: ClassVar[int] = 1
    spans: str
    columns: tuple[tuple[str, str], ...]
    signals: tuple[Any, ...]
    filters: tuple[FilterRule, ...]


@dataclass(frozen=True)
class GivenTexts:
    """The captions of stated clips, as a column: what a table says, by no model.

    Attributes:
        texts: digest of the captions with their spans.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ()
    texts: str

    def caption(self, clips: Iterator[ClipView]) -> Iterator[Annotation]:
        """Nothing: the texts are written with the cut, from the rows that state them."""
        for view in clips:
            yield Annotation(view.clip.clip_id, None, "skipped", NO_CAPTION)


@dataclass(frozen=True)
class GivenCut:
    """A cut of stated spans: its name, what is recorded of it, and how its parts are made.

    Attributes:
        table: the rows.
        recipe: whose scan, signals and filters it has.
    """

    table: GivenTable
    recipe: Recipe

    def __post_init__(self) -> None:
        if GIVEN in self.recipe.captioners:
            raise ConfigInvalidError(
                f"the recipe has a caption column {GIVEN!r}, which the texts of the tables are "
                "called",
                hint=f"give it another name, or leave it out: --set captioners.{GIVEN}=none",
            )

    @property
    def spans(self) -> GivenSpans:
        """What decides its clips."""
        cut = self.recipe.cut
        columns = tuple(self.table.kinds.items())
        return GivenSpans(self.table.spans, columns, cut.signals, cut.filters)

    def key(self) -> str:
        """`given@fingerprint`."""
        inputs = {"scan": self.recipe.scan_fingerprint()}
        for name, key in self.recipe.cut.signal_fingerprints().items():
            inputs[f"signal {name}"] = key
        return f"{GIVEN}@{fingerprint(self.spans, inputs)}"

    def record(self) -> CutEntry:
        """What is recorded of the cut beside its key."""
        unused = ("cut.detector", "cut.stitch")
        settings = [
            each for each in self.recipe.settings() if not each["setting"].startswith(unused)
        ]
        return {
            "scan": self.recipe.scan_fingerprint(),
            "signals": self.recipe.cut.signal_fingerprints(),
            "settings": settings,
            **identity(self.spans),
        }

    def column_key(self) -> str | None:
        """`given@fingerprint` of the captions; None where no row has one."""
        if not self.table.has_captions:
            return None
        return f"{GIVEN}@{fingerprint(GivenTexts(self.table.texts))}"

    def column_record(self) -> ColumnEntry:
        """What is recorded of the column of captions."""
        return column_record(GivenTexts(self.table.texts))

    def tasks(self, layout: Layout, parts: Sequence[str]) -> list[GivenTask]:
        """One task a part that is not cut yet, or lacks its captions."""
        cut, column = self.key(), self.column_key()
        scan = self.recipe.scan_fingerprint()
        pending = [part for part in parts if not _is_done(layout, cut, column, part)]
        copies = _copies(layout, scan, parts) if pending else {}
        return [
            GivenTask(
                layout, scan, cut, column, part, self.table.path, self.spans, copies.get(part, ())
            )
            for part in pending
        ]


def _is_done(layout: Layout, cut: str, column: str | None, part: str) -> bool:
    has_column = column is None or layout.column(cut, column, part).exists()
    return has_column and layout.clips(cut, part).exists()


def _copies(
    layout: Layout, scan: str, parts: Sequence[str]
) -> dict[str, tuple[tuple[str, str], ...]]:
    """Part -> (video_id, uri) of files with the bytes of a video of that part.

    What a table states of a copy it states of the video.
    """
    copies: dict[str, list[str]] = defaultdict(list)
    columns = ["uri", "video_id", "status"]
    for part in parts:
        for row in read_part(layout.scanned(scan, "videos", part), columns).to_pylist():
            if row["status"] == "duplicate":
                copies[row["video_id"]].append(row["uri"])
    owners: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for part in parts if copies else ():
        for row in read_part(layout.scanned(scan, "videos", part), columns).to_pylist():
            if row["status"] == "ok":
                uris = sorted(set(copies.pop(row["video_id"], ())) - {row["uri"]})
                owners[part] += [(row["video_id"], uri) for uri in uris]
    return {part: tuple(found) for part, found in owners.items()}


@dataclass(frozen=True)
class GivenTask:
    """One part to cut.

    Attributes:
        layout, scan, cut, part: which, and where it goes.
        column: of the captions; None without any.
        rows: the sorted rows of all tables.
        spans: what decides the clips.
        copies: (video_id, uri) of further files of the videos of this part.
    """

    layout: Layout
    scan: str
    cut: str
    column: str | None
    part: str
    rows: Path
    spans: GivenSpans
    copies: tuple[tuple[str, str], ...] = field(default=())


class _Stated(NamedTuple):
    """A row of a table on the frames of its video."""

    first: int
    stop: int
    row: dict[str, Any]


def cut_given_part(task: GivenTask, report: Any) -> int:
    """Write the clips of one part, their captions, and the rows that are no clips.

    The clips are written last: where they are, the rest is.

    Returns:
        How many clips there are.
    """
    from internvid.core import registry

    signals = [registry.ByName("signal", keeps_names=True).opened(s) for s in task.spans.signals]
    traits = traits_of(GivenTexts(""))
    by_video, rejected = _rows_by_video(task)
    is_cut = task.layout.clips(task.cut, task.part).exists()
    clips: list[dict[str, Any]] = []
    answers: list[Any] = []
    count = 0
    for done, scanned in enumerate(
        scanned_videos(task.layout, task.scan, task.part, by_video.keys())
    ):
        report(float(done))
        stated, lost = _on_frames(scanned, by_video[str(scanned.video["video_id"])])
        rejected += lost
        count += len(stated)
        answers += _captions(scanned, stated, traits) if task.column else ()
        if not is_cut:
            clips += _clip_rows(scanned, stated, signals, task.spans)
    if task.column is not None:
        schema = column_schema(traits.value_type, traits.extras)
        path = task.layout.column(task.cut, task.column, task.part)
        commit_table(path, rows_to_table(answers, schema))
    if not is_cut:
        table = rows_to_table(rejected, REJECTED_SCHEMA)
        commit_table(task.layout.given_rejected(task.cut, task.part), table)
        columns = {**signal_columns(signals), **VERDICT_COLUMNS, **dict(task.spans.columns)}
        commit_table(
            task.layout.clips(task.cut, task.part), rows_to_table(clips, clip_schema(columns))
        )
    return count


def _rows_by_video(
    task: GivenTask,
) -> tuple[dict[str, list[dict[str, Any]]], list[dict[str, Any]]]:
    """video_id -> its rows; and those whose file could not be used."""
    path = task.layout.scanned(task.scan, "videos", task.part)
    columns = ["uri", "video_id", "source_id", "status"]
    videos: list[VideoRow] = read_part(path, columns).to_pylist()
    files = {video["uri"]: video for video in videos if video["status"] in ("ok", "failed")}
    uris = [*files, *(uri for _, uri in task.copies)]
    by_file: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows_of_files(task.rows, uris).to_pylist() if uris else ():
        by_file[row["uri"]].append(row)
    by_video: dict[str, list[dict[str, Any]]] = defaultdict(list)
    rejected: list[dict[str, Any]] = []
    for uri, video in files.items():
        if video["status"] == "failed":
            rejected += [_rejected(row, video, NO_VIDEO) for row in by_file[uri]]
        elif by_file[uri]:
            by_video[str(video["video_id"])] += by_file[uri]
    for video_id, uri in task.copies:
        if by_file[uri]:
            by_video[video_id] += by_file[uri]
    return by_video, rejected


def _on_frames(
    scanned: ScannedVideo, rows: Sequence[dict[str, Any]]
) -> tuple[list[_Stated], list[dict[str, Any]]]:
    """The rows of a video that are clips, in time order; and the others, with their reasons."""
    edges = frame_edges(scanned.timeline)
    found: dict[tuple[int, int], _Stated] = {}
    lost = []
    for row in rows:
        snapped = row["fault"] or snap(row["start_seconds"], row["end_seconds"], edges)
        if isinstance(snapped, str):
            lost.append(_rejected(row, scanned.video, snapped))
        elif snapped in found:
            lost.append(_rejected(row, scanned.video, SAME_SPAN))
        else:
            found[snapped] = _Stated(snapped[0], snapped[1], row)
    return [found[span] for span in sorted(found)], lost


def _rejected(row: Mapping[str, Any], video: VideoRow, reason: str) -> dict[str, Any]:
    names = ("uri", "start_seconds", "end_seconds", "caption")
    return {
        **{name: row[name] for name in names},
        "video_id": video["video_id"],
        "source_id": video["source_id"],
        "reason": reason,
    }


def _shots(scanned: ScannedVideo, stated: Sequence[_Stated]) -> Iterator[Shot]:
    edges = frame_edges(scanned.timeline)
    for each in stated:
        span = TimeSpan(float(edges[each.first]), float(edges[each.stop]))
        yield Shot(span, GIVEN, 1.0)


def _clip_rows(
    scanned: ScannedVideo, stated: Sequence[_Stated], signals: Sequence[Any], spans: GivenSpans
) -> list[dict[str, Any]]:
    clips = measured_clips(scanned, _shots(scanned, stated), signals)
    for clip, each in zip(clips, stated, strict=True):
        _, reason, value = apply_filters(clip, spans.filters)
        clip |= {"kept": True, "reason": "", "reason_value": None}
        clip |= {"filter_reason": reason, "filter_value": value}
        clip |= {name: each.row[name] for name, _ in spans.columns}
    return clips


def _captions(
    scanned: ScannedVideo, stated: Sequence[_Stated], traits: Traits
) -> Iterator[Mapping[str, Any]]:
    for number, shot in enumerate(_shots(scanned, stated)):
        clip_id = clip_of(scanned.timeline, scanned.video, number, shot)["clip_id"]
        text = stated[number].row["caption"]
        answer = Annotation(clip_id, text)
        if text is None:
            answer = Annotation(clip_id, None, "skipped", NO_CAPTION)
        yield answer_row(answer, traits)
