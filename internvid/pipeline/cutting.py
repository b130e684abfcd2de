"""The cut pass: timelines in, clips out. No pixel is read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
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
    columns = {name: kind for signal in signals for name, kind in signal.columns.items()}
    path = task.layout.scanned(task.scan, "videos", task.part)
    videos: list[VideoRow] = read_part(path).to_pylist()
    timelines = task.layout.scanned(task.scan, "timelines", task.part)
    picks = task.layout.scanned(task.scan, "picks", task.part)
    facts = [name for name in PICK_SCHEMA.names if name not in ("video_id", "jpeg")]
    with reading_part(timelines), pq.ParquetFile(timelines) as file:
        owners = set(row_group_owners(file))
        # The id would take more room than all numbers of a frame.
        numbers = [name for name in file.schema_arrow.names if name != "video_id"]
    rows: list[dict[str, Any]] = []
    for done, video in enumerate(videos):
        report(float(done))
        # A file that has its old bytes again was cut in the part of that time.
        if video["status"] != "ok" or video["video_id"] not in owners:
            continue
        timeline = table_to_timeline(read_rows_of(timelines, video["video_id"], numbers), video)
        kept = table_to_pick_facts(read_rows_of(picks, video["video_id"], facts))
        rows.extend(cut_video(timeline, kept, video, task.recipe, signals))
    table = rows_to_table(rows, clip_schema(columns))
    commit_table(task.layout.clips(task.cut, task.part), table)
    return int(table.num_rows)


def cut_video(
    timeline: Timeline,
    picks: Sequence[PickFacts],
    video: VideoRow,
    recipe: CutRecipe,
    signals: Sequence[Any],
) -> list[dict[str, Any]]:
    """The clip rows of one video with the columns of its signals, in time order."""
    shots = recipe.detector.detect(timeline)
    pick_frames = [pick.frame for pick in picks]
    rows: list[dict[str, Any]] = []
    for number, shot in enumerate(recipe.stitch.stitch(timeline, shots)):
        clip = _stitched(timeline, video, number, shot)
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
    for row in rows:
        row["kept"], row["reason"], row["reason_value"] = apply_filters(row, recipe.filters)
    return rows


def _stitched(timeline: Timeline, video: VideoRow, number: int, shot: Shot) -> StitchedClip:
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
