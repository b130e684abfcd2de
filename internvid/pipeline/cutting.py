"""The cut pass: timelines in, clips out. No pixel is read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from internvid.core.contracts import PickFacts, RelatingSignal
from internvid.core.types import Shot, Timeline, TimeSpan, make_clip_id
from internvid.curate.filters import apply_filters
from internvid.dataset.layout import Layout
from internvid.dataset.parts import (
    commit_table,
    read_part,
    read_rows_of,
    reading_part,
    row_group_owners,
    rows_to_table,
)
from internvid.dataset.tables import (
    PICK_SCHEMA,
    StitchedClip,
    VideoRow,
    clip_schema,
    table_to_pick_facts,
    table_to_timeline,
)
from internvid.pipeline.recipe import CutRecipe


@dataclass(frozen=True)
class CutTask:
    """One part to cut."""

    layout: Layout
    scan: str
    cut: str
    part: str
    recipe: CutRecipe


def cut_part(task: CutTask, report: Any) -> int:
    """Write the clips of one part; returns how many."""
    signals = task.recipe.signal_components()
    rows: list[dict[str, Any]] = []
    for done, scanned in enumerate(scanned_videos(task.layout, task.scan, task.part)):
        report(float(done))
        rows.extend(cut_video(scanned, task.recipe, signals))
    table = rows_to_table(rows, clip_schema(signal_columns(signals)))
    commit_table(task.layout.clips(task.cut, task.part), table)
    return int(table.num_rows)


def signal_columns(signals: Sequence[Any]) -> dict[str, str]:
    """Column -> type, of all signals."""
    return {name: kind for signal in signals for name, kind in signal.columns.items()}


@dataclass(frozen=True)
class ScannedVideo:
    """What a scan left of one video."""

    video: VideoRow
    timeline: Timeline
    picks: Sequence[PickFacts]


def scanned_videos(
    layout: Layout, scan: str, part: str, wanted: Container[str] | None = None
) -> Iterator[ScannedVideo]:
    """The videos of a part that were scanned in it, in its order.

    Args:
        layout, scan, part: which part.
        wanted: only videos with these ids; all when None.
    """
    videos: list[VideoRow] = read_part(layout.scanned(scan, "videos", part)).to_pylist()
    timelines = layout.scanned(scan, "timelines", part)
    picks = layout.scanned(scan, "picks", part)
    facts = [name for name in PICK_SCHEMA.names if name not in ("video_id", "jpeg")]
    with reading_part(timelines), pq.ParquetFile(timelines) as file:
        owners = set(row_group_owners(file))
        # The id would take more room than all numbers of a frame.
        numbers = [name for name in file.schema_arrow.names if name != "video_id"]
    for video in videos:
        video_id = video["video_id"]
        # A file that has its old bytes again was cut in the part of that time.
        if video["status"] != "ok" or video_id is None or video_id not in owners:
            continue
        if wanted is not None and video_id not in wanted:
            continue
        timeline = table_to_timeline(read_rows_of(timelines, video_id, numbers), video)
        kept = table_to_pick_facts(read_rows_of(picks, video_id, facts))
        yield ScannedVideo(video, timeline, kept)


def cut_video(
    scanned: ScannedVideo, recipe: CutRecipe, signals: Sequence[Any]
) -> list[dict[str, Any]]:
    """The clip rows of one video with the columns of its signals, in time order."""
    shots = recipe.detector.detect(scanned.timeline)
    stitched = recipe.stitch.stitch(scanned.timeline, shots)
    rows = measured_clips(scanned, stitched, signals)
    for row in rows:
        row["kept"], row["reason"], row["reason_value"] = apply_filters(row, recipe.filters)
    return rows


def measured_clips(
    scanned: ScannedVideo, shots: Iterable[Shot], signals: Sequence[Any]
) -> list[dict[str, Any]]:
    """A row for each shot of a video, in their order, with the columns of the signals."""
    timeline, picks = scanned.timeline, scanned.picks
    pick_frames = [pick.frame for pick in picks]
    rows: list[dict[str, Any]] = []
    for number, shot in enumerate(shots):
        clip = clip_of(timeline, scanned.video, number, shot)
        row: dict[str, Any] = {**clip}
        frames = slice(clip["start_frame"], clip["end_frame"])
        first, stop = (bisect_left(pick_frames, edge) for edge in (frames.start, frames.stop))
        inside, part = picks[first:stop], timeline.part(frames)
        span = TimeSpan(clip["start_seconds"], clip["end_seconds"])
        for signal in signals:
            row.update(signal.measure(part, span, inside))
        rows.append(row)
    for signal in signals:
        if isinstance(signal, RelatingSignal):
            for row, changed in zip(rows, signal.relate(rows, picks), strict=True):
                row.update(changed)
    return rows


def clip_of(timeline: Timeline, video: VideoRow, number: int, shot: Shot) -> StitchedClip:
    """The clip that a shot of a video is, of the frames that begin in it."""
    frames = timeline.frames_in(shot.span)
    # Spans are made of frame times, so rounding finds the exact tick again.
    first = round(shot.span.start_seconds / timeline.time_base)
    stop = round(shot.span.end_seconds / timeline.time_base)
    start_pts, end_pts = video["start_pts"] + first, video["start_pts"] + stop
    return {
        "clip_id": make_clip_id(timeline.video_id, start_pts, end_pts, timeline.time_base),
        "video_id": timeline.video_id,
        "source_id": video["source_id"],
        "start_seconds": float(first * timeline.time_base),
        "end_seconds": float(stop * timeline.time_base),
        "duration_seconds": float((stop - first) * timeline.time_base),
        "start_pts": start_pts,
        "end_pts": end_pts,
        "start_frame": frames.start,
        "end_frame": frames.stop,
        "shot": number,
        "transition": shot.transition,
        "transition_score": shot.score,
    }
