"""Where videos were cut: one bar a video, one block a shot, its motion below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from internvid.browse.column_facts import literals, values
from internvid.browse.wording import clock, footage
from internvid.dataset.store import Dataset

MOST_VIDEOS = 20
UNITS = 1000
_BINS = 200
_ACTIVITY = ("motion", "delta_value")
_PLOT_HEIGHT = 20.0
# Neighbours that are both narrower than this become one block, which bounds the page's size.
_NARROW = 4.0


class _VideoLine(TypedDict):
    video_id: str
    uri: str
    duration_seconds: float
    seconds_per_tick: float


class _ClipLine(TypedDict):
    video_id: str
    start_seconds: float
    end_seconds: float
    transition: str
    kept: bool
    reason: str


@dataclass(frozen=True)
class Block:
    """One shot on a bar, or several that are too short to tell apart (`shots` > 1)."""

    x: float
    width: float
    transition: str
    is_kept: bool
    shots: int
    says: str


@dataclass(frozen=True)
class VideoBar:
    """One video: its blocks, and an SVG path of how much the picture changes."""

    uri: str
    duration_seconds: float
    shots: int
    kept: int
    blocks: tuple[Block, ...]
    activity: str


@dataclass(frozen=True)
class Overview:
    """Bars of some videos.

    Attributes:
        transitions: those that occur, for the legend.
        videos: how many usable videos the dataset has.
        activity: the timeline column that is drawn, "" if there is none.
    """

    bars: tuple[VideoBar, ...]
    transitions: tuple[str, ...]
    videos: int
    activity: str


def overview(dataset: Dataset) -> Overview:
    """Some videos, those with several shots first, drawn by a hash of their id; in name order."""
    connection = dataset.connection
    chosen = dataset.sql(
        "select video_id, uri, duration_seconds, time_base_numerator / time_base_denominator "
        "as seconds_per_tick from videos left join "
        "(select video_id, count(*) > 1 as is_cut from all_clips group by video_id) "
        "using (video_id) where status = 'ok' and duration_seconds > 0 "
        "order by coalesce(is_cut, false) desc, md5(video_id), video_id, uri "
        f"limit {MOST_VIDEOS}"
    )
    videos: list[_VideoLine] = chosen.to_arrow_table().to_pylist()
    videos.sort(key=lambda row: (row["uri"], row["video_id"]))
    total = connection.execute("select count(*) from videos where status = 'ok'").fetchall()[0][0]
    ids = [row["video_id"] for row in videos]
    clips = _clips(dataset, ids)
    name = next((one for one in _ACTIVITY if one in _timeline_columns(dataset)), "")
    activity = _activity(dataset, videos, name) if name else {}
    bars = tuple(
        VideoBar(
            uri=video["uri"],
            duration_seconds=video["duration_seconds"],
            shots=len(clips.get(video["video_id"], [])),
            kept=sum(clip["kept"] for clip in clips.get(video["video_id"], [])),
            blocks=_blocks(clips.get(video["video_id"], []), video["duration_seconds"]),
            activity=_path(activity.get(video["video_id"], {})),
        )
        for video in videos
    )
    seen = {block.transition for bar in bars for block in bar.blocks}
    order = ("start", "cut", "dissolve", "fade", "wipe", "split")
    known = tuple(one for one in order if one in seen)
    return Overview(bars, known + tuple(sorted(seen - set(order))), total, name)


def _timeline_columns(dataset: Dataset) -> list[str]:
    return list(dataset.sql("select * from timelines limit 0").columns)


def _clips(dataset: Dataset, video_ids: Sequence[str]) -> dict[str, list[_ClipLine]]:
    if not video_ids:
        return {}
    relation = dataset.sql(
        "select video_id, start_seconds, end_seconds, transition, kept, reason from all_clips "
        f"where video_id in ({literals(video_ids)}) order by video_id, start_pts"
    )
    clips_by_video: dict[str, list[_ClipLine]] = {}
    for row in relation.to_arrow_table().to_pylist():
        clips_by_video.setdefault(row["video_id"], []).append(row)
    return clips_by_video


def _blocks(clips: Sequence[_ClipLine], duration: float) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for clip in clips:
        x = round(UNITS * clip["start_seconds"] / duration, 1)
        width = round(UNITS * clip["end_seconds"] / duration - x, 1)
        last = blocks[-1] if blocks else None
        if last is not None and width < _NARROW and last.width < _NARROW:
            shots = last.shots + 1
            says = f"{shots} shots from {clock(last.x * duration / UNITS)}"
            whole = round(x + width - last.x, 1)
            kept = last.is_kept or clip["kept"]
            blocks[-1] = Block(last.x, whole, last.transition, kept, shots, says)
            continue
        verdict = "kept" if clip["kept"] else f"rejected: {clip['reason']}"
        span = f"{clock(clip['start_seconds'])} – {clock(clip['end_seconds'])}"
        length = footage(clip["end_seconds"] - clip["start_seconds"])
        says = f"{span} ({length}), begins with {clip['transition']}, {verdict}"
        blocks.append(Block(x, max(0.8, width), clip["transition"], clip["kept"], 1, says))
    return tuple(blocks)


def _activity(
    dataset: Dataset, videos: Sequence[_VideoLine], name: str
) -> dict[str, dict[int, float]]:
    """video_id -> bin -> mean of the stored column. Whole-number sums: exact in any order."""
    if not videos:
        return {}
    bins = values(
        [
            (row["video_id"], _BINS * row["seconds_per_tick"] / row["duration_seconds"])
            for row in videos
        ]
    )
    rows = dataset.connection.execute(
        f"select video_id, least(floor(ticks * bins_per_tick), {_BINS - 1})::integer as bin, "
        f'sum("{name}"::bigint)::bigint, count(*) from timelines '
        f"join (values {bins}) as asked(video_id, bins_per_tick) using (video_id) "
        f"where video_id in ({literals([row['video_id'] for row in videos])}) "
        "group by all order by all"
    ).fetchall()
    activity: dict[str, dict[int, float]] = {}
    for video_id, at, total, frames in rows:
        activity.setdefault(video_id, {})[at] = total / frames
    return activity


def _path(values: Mapping[int, float]) -> str:
    """A filled outline, square-root scaled: cuts stand out, small motion stays visible."""
    if not values or max(values.values()) <= 0:
        return ""
    top: float = max(values.values()) ** 0.5
    wide = UNITS / _BINS
    steps = [f"M0 {_PLOT_HEIGHT:.0f}"]
    level = 0.0
    for at in range(_BINS):
        level = values.get(at, level)
        y = round(_PLOT_HEIGHT * (1 - max(level, 0.0) ** 0.5 / top), 1)
        steps.append(f"L{at * wide:g} {y:g}H{(at + 1) * wide:g}")
    return "".join(steps) + f"V{_PLOT_HEIGHT:.0f}Z"
