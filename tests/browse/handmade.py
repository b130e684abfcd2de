"""Datasets written table by table, as large and as odd as a test needs."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow as pa

from internvid.core.types import ColumnSpec, Timeline, make_clip_id
from internvid.dataset.layout import Layout
from internvid.dataset.parts import commit_table, part_writer, rows_to_table
from internvid.dataset.store import Dataset, open_dataset
from internvid.dataset.tables import PICK_SCHEMA, VIDEO_SCHEMA, clip_schema, timeline_to_table

SCAN, CUT = "5ca1ab1e0000", "handmade@0123456789ab"
TICKS = 10
SIGNALS = {
    "motion_mean": "double",
    "camera_move": "string",
    "is_still": "bool",
    "colour_names": "list<string>",
    "sharpness": "double",
}
MOTION = ColumnSpec("uint16", 1 / 256, unit="levels", meaning="mean |luma change|")
PICTURE = (160, 90)


@dataclass(frozen=True)
class Plan:
    """What to make.

    Attributes:
        names: a usable source for each.
        clips: how many clips each source is cut into; every clip lasts two seconds.
        rejected: whether every third clip is rejected as `too_still`, or all of them.
        failures: (uri, reason, error) of sources that are not usable.
        metadata: column -> value of each source, in the order of `names`.
        caption: given number `n` of a clip, its text; None stands for a failed answer.
        picks: stored frames of each clip.
    """

    names: Sequence[str] = ("/videos/first.mp4", "/videos/second.mp4")
    clips: int = 4
    rejected: str = "third"
    failures: Sequence[tuple[str, str, str]] = ()
    metadata: dict[str, Sequence[str]] = field(default_factory=dict)
    captions: Sequence[str | None] = ("a red ball rolls", "two dogs run over green grass")
    component: str = "my_package.captions:RemoteCaptioner"
    picks: int = 3


def make(root: Path, plan: Plan | None = None) -> Dataset:
    """A finished dataset of one part."""
    plan = plan or Plan()
    layout, part = Layout(root), "part-00000"
    record = layout.create()
    videos = [_video(plan, at, uri) for at, uri in enumerate(plan.names)]
    failed = [
        {"uri": uri, "status": "failed", "reason": reason, "error": error}
        for uri, reason, error in plan.failures
    ]
    rows = [row for video in videos for row in _clips(plan, video)]
    commit_table(
        layout.scanned(SCAN, "videos", part), rows_to_table([*videos, *failed], VIDEO_SCHEMA)
    )
    _write_timelines(layout.scanned(SCAN, "timelines", part), videos)
    _write_picks(layout.scanned(SCAN, "picks", part), plan, rows)
    commit_table(layout.clips(CUT, part), rows_to_table(rows, clip_schema(SIGNALS)))
    commit_table(layout.column(CUT, "words@00ff", part), _captions(plan, rows))
    record.parts = [{"name": part, "sources": len(videos) + len(failed)}]
    record.scan, record.cut = SCAN, CUT
    record.metadata = dict.fromkeys(plan.metadata, "VARCHAR")
    record.scans, record.cuts = {SCAN: _SCAN_RECIPE}, {CUT: _CUT_RECIPE}
    record.columns = {CUT: {"words": "words@00ff"}}
    record.column_recipes = {
        "words@00ff": {"component": plan.component, "version": 2, "fields": {"model": "tiny/vlm"}}
    }
    layout.write_record(record)
    return open_dataset(root)


_SCAN_RECIPE = {"component": "scan:ScanRecipe", "version": 1, "fields": {"mode": "full"}}
_CUT_RECIPE = {
    "component": "recipe:CutRecipe",
    "version": 1,
    "fields": {
        "detector": {
            "component": "shots:SomeDetector", "version": 3, "fields": {"threshold": 27.0},
        },
        "signals": ["motion", "camera"],
        "filters": [
            {
                "component": "filters:FilterRule",
                "fields": {
                    "column": "motion_mean", "reason": "too_still", "minimum": 0.5,
                    "maximum": None,
                },
            }
        ],
    },
}  # fmt: skip


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _video(plan: Plan, at: int, uri: str) -> dict[str, Any]:
    seconds = 2.0 * plan.clips
    return {
        "video_id": _digest(f"video {at}"), "source_id": _digest(f"video {at}"), "uri": uri,
        "status": "ok", "container": "mp4", "codec": "h264", "width": 1280, "height": 720,
        "fps": 25.0, "frames": int(seconds * TICKS), "duration_seconds": seconds,
        "start_pts": 0, "time_base_numerator": 1, "time_base_denominator": TICKS,
        "has_audio": at % 2 == 0,
        "metadata": json.dumps({key: texts[at] for key, texts in plan.metadata.items()}),
    }  # fmt: skip


def _clips(plan: Plan, video: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    length = 2 * TICKS
    for number in range(plan.clips):
        start = number * length
        rejected = plan.rejected == "all" or (plan.rejected == "third" and number % 3 == 2)
        motion = 0.25 if rejected else 2.0 + number
        rows.append({
            "clip_id": make_clip_id(video["video_id"], start, start + length, Fraction(1, TICKS)),
            "video_id": video["video_id"], "source_id": video["source_id"],
            "start_seconds": start / TICKS, "end_seconds": (start + length) / TICKS,
            "duration_seconds": length / TICKS, "start_pts": start, "end_pts": start + length,
            "start_frame": start, "end_frame": start + length, "shot": number,
            "transition": "cut" if number else "start", "transition_score": 0.9,
            "kept": not rejected, "reason": "too_still" if rejected else "",
            "reason_value": motion if rejected else None, "motion_mean": motion,
            "camera_move": ("pan", "static")[number % 2], "is_still": rejected,
            "colour_names": ["red", "grey"][: 1 + number % 2], "sharpness": 10.0 ** (number % 5),
        })  # fmt: skip
    return rows


def _write_timelines(path: Path, videos: Sequence[dict[str, Any]]) -> None:
    schema = None
    tables = []
    for video in videos:
        frames = video["frames"]
        motion = MOTION.encode(np.linspace(0, 20, frames))
        timeline = Timeline(
            video["video_id"], np.arange(frames), Fraction(1, TICKS), frames / TICKS,
            {"motion": motion}, {"motion": MOTION},
        )  # fmt: skip
        tables.append(timeline_to_table(timeline))
        schema = tables[-1].schema
    fields = [("video_id", pa.string()), ("ticks", pa.int64()), ("motion", pa.uint16())]
    with part_writer(path, schema or pa.schema(fields)) as writer:
        for table in tables:
            writer.write_table(table)


def _write_picks(path: Path, plan: Plan, rows: Sequence[dict[str, Any]]) -> None:
    pictures = [_jpeg(shade) for shade in range(0, 250, 25)]
    with part_writer(path, PICK_SCHEMA) as writer:
        by_video: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            by_video.setdefault(row["video_id"], []).append(row)
        for clips in by_video.values():
            picks = [
                {
                    "video_id": row["video_id"], "frame": row["start_frame"] + 5 * at,
                    "ticks": row["start_frame"] + 5 * at,
                    "pts_seconds": (row["start_frame"] + 5 * at) / TICKS,
                    "width": PICTURE[0], "height": PICTURE[1], "sharpness": 9.0,
                    "picture_hash": 7, "colours": [255, 0],
                    "jpeg": pictures[(row["shot"] + at) % len(pictures)],
                }
                for row in clips
                for at in range(plan.picks)
            ]  # fmt: skip
            writer.write_table(rows_to_table(picks, PICK_SCHEMA))


def _jpeg(shade: int) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.new("RGB", PICTURE, (shade, 90, 255 - shade)).save(buffer, "JPEG")
    return buffer.getvalue()


def _captions(plan: Plan, rows: Sequence[dict[str, Any]]) -> pa.Table:
    answers = []
    kept = [row for row in rows if row["kept"]]
    for number, row in enumerate(kept):
        text = plan.captions[number % len(plan.captions)]
        answers.append({
            "clip_id": row["clip_id"], "value": text,
            "status": "ok" if text is not None else "failed", "reason": "",
        })  # fmt: skip
    schema = pa.schema([(key, pa.string()) for key in ("clip_id", "value", "status", "reason")])
    return rows_to_table(answers, schema)
