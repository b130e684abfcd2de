"""A second set of pictures for models that need more or larger ones than the scan kept.

Only spans that fall short are decoded, once for all who ask in a run. What was decoded is kept
beside the scan, keyed by clip_id, and serves every later component whose needs it covers, under
any cut that has the same spans.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from internvid.core.contracts import ClipView, Needs
from internvid.core.errors import VideoError, VideoUnreadableError
from internvid.core.sequences import middles
from internvid.dataset.layout import Layout
from internvid.dataset.parts import (
    discard,
    part_writer,
    read_groups,
    read_part,
    read_rows_of,
    rows_to_table,
)
from internvid.dataset.picks import SpanPicks, span_picks_index
from internvid.dataset.tables import SPAN_PICK_SCHEMA, ClipFrames, SpanPickRow, VideoRow
from internvid.pipeline.annotate.column_progress import AnnotateProgress
from internvid.pipeline.annotate.stream import ColumnJob, find_sources_of, load_part
from internvid.run.executor import Executor
from internvid.video.decode import Picture, VideoPass, open_video
from internvid.video.display.picture import Painter, encode_jpeg
from internvid.video.probe import hash_file
from internvid.video.reader import seek_before
from internvid.video.timing.packet_times import has_own_times, stores_times

_QUALITY = 90
_CLIPS_PER_GROUP = 16
StoredPicture = tuple[int, int, bytes]
"""Width, height and JPEG bytes."""
_SET_NAME = re.compile(r"(\d+)x(\d+)")
# Spans that lie closer are reached by decoding on; seeking goes back to a key frame.
_WORTH_A_SEEK_SECONDS = 4.0


@dataclass(frozen=True)
class WantedSpan:
    """Frames of one clip: indices on the timeline and ticks from the first displayed frame."""

    clip_id: str
    frames: tuple[int, ...]
    ticks: tuple[int, ...]


@dataclass(frozen=True)
class SpansTask:
    """The spans of one video.

    Attributes:
        start_pts: stream ticks of the first displayed frame.
        seconds_per_tick: of the stream.
        short_side: pixels of the shorter side; smaller sources stay as they are.
        stage: the file to write.
        is_timed: whether frames can be found by their time in the stream.
        is_numbered: whether the numbers of frames count all displayed ones.
    """

    video_id: str
    path: Path
    start_pts: int
    seconds_per_tick: Fraction
    short_side: int
    spans: tuple[WantedSpan, ...]
    stage: Path
    is_timed: bool = False
    is_numbered: bool = False


def give_pick_sets(
    jobs: Sequence[ColumnJob],
    active: Sequence[bool],
    executor: Executor,
    progress: AnnotateProgress,
) -> list[ColumnJob]:
    """The jobs with the pick set that each is to read; what is missing in it is decoded now.

    Args:
        jobs: of one dataset and cut.
        active: which of them have anything to ask.
        executor: decodes, one video a task.
        progress: hears how many videos are decoded.
    """
    named = name_pick_sets(jobs, active)
    asking = [job for job in named if job.pick_set is not None]
    if asking and asking[0].pick_set is not None:
        _complete_set(asking, asking[0].pick_set, executor, progress)
    return named


def name_pick_sets(jobs: Sequence[ColumnJob], active: Sequence[bool]) -> list[ColumnJob]:
    """The jobs with the name of the pick set that each is to read: one set for all who need one."""
    asking = [
        job
        for job, is_active in zip(jobs, active, strict=True)
        if is_active and job.traits.needs != Needs()
    ]
    if not asking:
        return list(jobs)
    needs = Needs(
        max(job.traits.needs.frames for job in asking),
        max(job.traits.needs.short_side for job in asking),
    )
    layout, scan = asking[0].layout, asking[0].scan
    needs = replace(needs, short_side=max(needs.short_side, _stored_side(layout, scan)))
    name = _covering_set(layout, scan, needs)
    ids = {id(job) for job in asking}
    return [replace(job, pick_set=name) if id(job) in ids else job for job in jobs]


def tried_pick_set(job: ColumnJob, views: Sequence[ClipView], folder: Path) -> list[ClipView]:
    """The views with the pictures that a run would show, decoded into a folder of the caller's.

    What the job's pick set holds already is not decoded again.
    """
    name = job.pick_set
    if name is None:
        return list(views)
    sources = find_sources_of(job.layout, job.scan, job.parts)
    picks_by_clip: dict[str, SpanPicks] = {}
    names = ["clip_id", "video_id", "start_frame", "end_frame"]
    clips: list[ClipFrames] = [
        {
            "clip_id": view.clip.clip_id,
            "video_id": view.clip.video_id,
            "start_frame": view.row["start_frame"],
            "end_frame": view.row["end_frame"],
        }
        for view in views
    ]
    for part in job.parts:
        path = job.layout.clips(job.cut, part)
        ids = set(read_part(path, columns=names[:1])["clip_id"].to_pylist())
        inside = [row for row in clips if row["clip_id"] in ids]
        for number, task in enumerate(_tasks(job, name, part, inside, sources)):
            stage = folder / f"{part}-{number}.parquet"
            with contextlib.suppress(VideoError):
                decode_spans(replace(task, stage=stage), lambda _: None)
                for clip_id, places in span_picks_index([stage]).items():
                    picks_by_clip[clip_id] = SpanPicks(places, clip_id)
    return [replace(view, picks=picks_by_clip.get(view.clip.clip_id, view.picks)) for view in views]


def _stored_side(layout: Layout, scan: str) -> int:
    """Pixels of the shorter side of the scan's own picks, as its recipe says."""
    recipe: Any = layout.read_record().scans.get(scan, {})
    for key in ("fields", "picks", "fields", "short_side"):
        recipe = recipe.get(key, {}) if isinstance(recipe, Mapping) else {}
    return recipe if isinstance(recipe, int) else 256


def _covering_set(layout: Layout, scan: str, needs: Needs) -> str:
    """The smallest set there is that covers the needs, or the name of a new one."""
    covering = []
    folder = layout.span_picks(scan, "0x0", "x").parent.parent
    for path in sorted(folder.glob("*")):
        match = _SET_NAME.fullmatch(path.name)
        if match:
            frames, side = int(match[1]), int(match[2])
            if frames >= needs.frames and side >= needs.short_side:
                covering.append((side, frames, path.name))
    return min(covering)[2] if covering else f"{needs.frames}x{needs.short_side}"


def _complete_set(
    jobs: Sequence[ColumnJob], name: str, executor: Executor, progress: AnnotateProgress
) -> None:
    first = jobs[0]
    sources = find_sources_of(first.layout, first.scan, first.todo)
    parts: dict[str, list[SpansTask]] = {}
    for part in first.todo:
        clips = _pending_clips(jobs, part)
        tasks = list(_tasks(first, name, part, clips, sources))
        if tasks:
            parts[part] = tasks
    todo = [task for tasks in parts.values() for task in tasks if not _is_staged(task)]
    if todo:
        progress.begin(f"decoding more pictures ({name})", len(todo), None)
    for done, _ in enumerate(executor.map(decode_spans, todo), start=1):
        # A video that cannot be decoded again keeps the picks it has.
        progress.reached(done, 0)
    for part, tasks in parts.items():
        _seal(first, name, part, tasks)


def _pending_clips(jobs: Sequence[ColumnJob], part: str) -> list[ClipFrames]:
    names = ["clip_id", "video_id", "start_frame", "end_frame"]
    clips: dict[str, ClipFrames] = {}
    for job in jobs:
        for row in load_part(job, part).pending.select(names).to_pylist():
            clips[row["clip_id"]] = row
    return list(clips.values())


def _tasks(
    job: ColumnJob,
    name: str,
    part: str,
    clips: Sequence[ClipFrames],
    sources: Mapping[str, Path],
) -> Iterator[SpansTask]:
    layout, scan = job.layout, job.scan
    held = span_picks_index(layout.span_picks_files(scan, name, part)) if clips else {}
    by_video: dict[str, list[ClipFrames]] = {}
    for row in clips:
        if row["clip_id"] not in held and row["video_id"] in sources:
            by_video.setdefault(row["video_id"], []).append(row)
    if not by_video:
        return
    videos: dict[str, VideoRow] = {
        row["video_id"]: row
        for row in read_part(layout.scanned(scan, "videos", part)).to_pylist()
        if row["status"] == "ok"
    }
    frames, side = map(int, name.split("x"))
    mode = layout.read_record().scan_setting(scan, "mode")
    for video_id, rows in by_video.items():
        video = videos[video_id]
        picks = read_rows_of(
            layout.scanned(scan, "picks", part), video_id, ["frame", "width", "height"]
        )
        timeline = layout.scanned(scan, "timelines", part)
        ticks = read_rows_of(timeline, video_id, ["ticks"])["ticks"].to_numpy()
        spans = tuple(
            WantedSpan(row["clip_id"], chosen, tuple(int(ticks[frame]) for frame in chosen))
            for row in rows
            if (chosen := _frames_wanted(row, picks, Needs(frames, side), video))
        )
        if spans:
            yield SpansTask(
                video_id,
                sources[video_id],
                video["start_pts"],
                Fraction(video["time_base_numerator"], video["time_base_denominator"]),
                side,
                spans,
                layout.staged_picks(scan, name, part) / f"{video_id}.parquet",
                has_own_times(video) and stores_times(video["container"]),
                (video.get("scan_mode") or mode) == "full",
            )


def _frames_wanted(row: ClipFrames, picks: Any, needs: Needs, video: VideoRow) -> tuple[int, ...]:
    """Frames to decode for a clip; none where its stored picks are enough."""
    start, end = row["start_frame"], row["end_frame"]
    numbers = picks["frame"].to_numpy()
    first, stop = (int(at) for at in np.searchsorted(numbers, [start, end]))
    inside = numbers[first:stop]
    count = min(needs.frames, end - start)
    sizes = zip(
        picks["width"].to_pylist()[first:stop], picks["height"].to_pylist()[first:stop], strict=True
    )
    wanted_side = min(needs.short_side, video["width"], video["height"])
    is_large = all(min(size) >= wanted_side for size in sizes)
    if len(inside) >= max(count, 1) and is_large:
        return ()
    if len(inside) >= max(count, 1):
        return tuple(int(frame) for frame in inside)  # the same instants, larger
    return tuple(start + at for at in middles(end - start, max(count, 1)))


def decode_spans(task: SpansTask, report: Any) -> int:
    """Decode and stage the wanted frames of one video; returns how many clips are whole.

    Raises:
        VideoError: the source cannot be read, or holds other bytes now (`changing`).
    """
    if hash_file(task.path) != task.video_id:
        raise VideoUnreadableError("it has other bytes now", reason="changing")
    open_spans = {span.clip_id: span for span in task.spans}
    owners = {tick: span.clip_id for span in task.spans for tick in span.ticks}
    pictures: dict[int, StoredPicture] = {}
    whole = 0
    with part_writer(task.stage, SPAN_PICK_SCHEMA) as writer:
        rows: list[SpanPickRow] = []
        for seeks in (True, False) if task.is_timed else (False,):
            missing = [tick for span in open_spans.values() for tick in span.ticks]
            wanted = set(missing) - set(pictures)
            if not wanted:
                break
            with open_video(task.path) as opened:
                for tick, picture in _pictures(opened, task, wanted, seeks=seeks):
                    report(float(tick))
                    pictures[tick] = picture
                    span = open_spans[owners[tick]]
                    if not all(each in pictures for each in span.ticks):
                        continue
                    rows.extend(_rows(task, span, pictures))
                    del open_spans[span.clip_id]
                    whole += 1
                    if whole % _CLIPS_PER_GROUP == 0:
                        writer.write_table(rows_to_table(rows, SPAN_PICK_SCHEMA))
                        rows = []
        if rows:
            writer.write_table(rows_to_table(rows, SPAN_PICK_SCHEMA))
    return whole


def _rows(
    task: SpansTask, span: WantedSpan, pictures: dict[int, StoredPicture]
) -> Iterator[SpanPickRow]:
    for frame, tick in zip(span.frames, span.ticks, strict=True):
        width, height, jpeg = pictures.pop(tick)
        yield {
            "video_id": task.video_id,
            "clip_id": span.clip_id,
            "frame": frame,
            "ticks": tick,
            "pts_seconds": float(tick * task.seconds_per_tick),
            "width": width,
            "height": height,
            "jpeg": jpeg,
        }


def _pictures(
    opened: VideoPass, task: SpansTask, wanted: set[int], *, seeks: bool
) -> Iterator[tuple[int, StoredPicture]]:
    """(tick, picture) of the wanted frames, in order as far as they are found."""
    painter: Painter | None = None
    remaining = sorted(wanted)
    far = _WORTH_A_SEEK_SECONDS / opened.facts.time_base
    while remaining:
        if seeks:
            seek_before(opened, task.start_pts + remaining[0])
        for item, tick in _timed(opened, task, seeks=seeks):
            while remaining and remaining[0] < tick:
                remaining.pop(0)  # not there; reading from the start may find it
            if not remaining:
                return
            if remaining[0] == tick:
                remaining.pop(0)
                is_far = bool(remaining) and remaining[0] - tick > far
                if painter is None:
                    painter = Painter(opened.facts, task.short_side)
                image = painter.colour(painter.shrink(item.frame))
                yield tick, (image.width, image.height, encode_jpeg(image, _QUALITY))
                # Only after a find: otherwise a seek that falls short would be tried for ever.
                if seeks and is_far:
                    break
        else:
            return


def _timed(opened: VideoPass, task: SpansTask, *, seeks: bool) -> Iterator[tuple[Picture, int]]:
    """Pictures with the ticks that the scan gave them; -1 for those that no span wants."""
    pairs = [zip(span.frames, span.ticks, strict=True) for span in task.spans]
    ticks = dict(itertools.chain.from_iterable(pairs))
    pictures = (item for item in opened.read() if isinstance(item, Picture))
    for number, item in enumerate(pictures):
        if seeks and item.frame.pts is not None:
            yield item, item.frame.pts - task.start_pts
        elif task.is_numbered:  # read from the start, frames have the numbers of the scan
            yield item, ticks.get(number, -1)
        else:
            yield item, item.ticks


def _is_staged(task: SpansTask) -> bool:
    if not task.stage.exists():
        return False
    held = set(read_part(task.stage, columns=["clip_id"])["clip_id"].to_pylist())
    return {span.clip_id for span in task.spans} <= held


def _seal(job: ColumnJob, name: str, part: str, tasks: Sequence[SpansTask]) -> None:
    """The next generation of a part, of the videos that were decoded, in the order of the clips."""
    layout, scan = job.layout, job.scan
    folder = layout.staged_picks(scan, name, part)
    there = [task.stage for task in tasks if task.stage.exists()]
    if any(read_part(path, ["clip_id"]).num_rows for path in there):
        names = (layout.span_picks(scan, name, part, number) for number in itertools.count())
        with part_writer(next(names), SPAN_PICK_SCHEMA, otherwise=names) as writer:
            for staged in there:
                for table in read_groups(staged):
                    writer.write_table(table, row_group_size=max(1, table.num_rows))
    discard(folder)
    while folder.parent != layout.root and not any(folder.parent.iterdir()):
        folder = folder.parent
        folder.rmdir()
