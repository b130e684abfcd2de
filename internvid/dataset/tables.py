"""Schemas of the stored tables, and the ways between rows and the central types."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NotRequired, TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from internvid.core.contracts import PickFacts
from internvid.core.types import Clip, ColumnSpec, Timeline, TimeSpan

VIDEO_SCHEMA = pa.schema(
    [
        ("video_id", pa.string()),
        ("source_id", pa.string()),
        ("uri", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("error", pa.string()),
        ("container", pa.string()),
        ("codec", pa.string()),
        ("pixel_format", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("rotation_degrees", pa.int32()),
        ("sample_aspect", pa.float64()),
        ("fps", pa.float64()),
        ("frames", pa.int64()),
        ("duration_seconds", pa.float64()),
        ("start_pts", pa.int64()),
        ("time_base_numerator", pa.int64()),
        ("time_base_denominator", pa.int64()),
        ("has_audio", pa.bool_()),
        ("file_bytes", pa.int64()),
        ("picks", pa.int64()),
        ("damaged_packets", pa.int64()),
        ("damaged_frames", pa.int64()),
        ("repaired_times", pa.int64()),
        ("truncated", pa.bool_()),
        ("is_mirrored", pa.bool_()),
        ("dynamic_range", pa.string()),
        ("scan_mode", pa.string()),
        ("metadata", pa.string()),
    ]
)
"""One row a source. `status` is ok, failed or duplicate; `reason` and `error` say why not ok."""


class VideoRow(TypedDict, total=False):
    """A row of `videos`, or of a stage: what was not read, or is not known, is absent or null.

    A video whose status is ok has all that a scan measures.
    """

    video_id: str | None
    source_id: str | None
    uri: str
    status: str
    reason: str | None
    error: str | None
    container: str
    codec: str
    pixel_format: str
    width: int
    height: int
    rotation_degrees: int
    sample_aspect: float
    fps: float
    frames: int
    duration_seconds: float
    start_pts: int
    time_base_numerator: int
    time_base_denominator: int
    has_audio: bool
    file_bytes: int
    picks: int
    damaged_packets: int
    damaged_frames: int
    repaired_times: int
    truncated: bool
    is_mirrored: bool | None
    dynamic_range: str | None
    scan_mode: str | None
    metadata: str | None


LATER_VIDEO_COLUMNS = (
    "null::boolean as is_mirrored, null::varchar as dynamic_range, null::varchar as scan_mode"
)
"""Columns that parts of earlier versions lack, as SQL: null there."""

SOURCE_SCHEMA = pa.schema(
    [
        ("uri", pa.string()),
        ("source_id", pa.string()),
        ("metadata", pa.string()),
        ("known_in", pa.string()),
    ]
)
"""One row a source as asked for. `source_id` is null where no table gives one; `known_in`: the part
that has its row of `videos`, of which only the metadata is new, so that the file is not read."""


class SourceRow(TypedDict):
    """A row of `sources`; what is read of a table has no `known_in` yet."""

    uri: str
    source_id: str | None
    metadata: str | None
    known_in: NotRequired[str | None]


PICK_SCHEMA = pa.schema(
    [
        ("video_id", pa.string()),
        ("frame", pa.int64()),
        ("ticks", pa.int64()),
        ("pts_seconds", pa.float64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("sharpness", pa.float32()),
        ("picture_hash", pa.uint64()),
        ("colours", pa.list_(pa.uint8())),
        ("jpeg", pa.binary()),
    ]
)
"""One row a kept frame. `colours`: share of each named colour in 255ths."""


class PickRow(TypedDict):
    """A row of `picks`."""

    video_id: str
    frame: int
    ticks: int
    pts_seconds: float
    width: int
    height: int
    sharpness: float
    picture_hash: int
    colours: list[int]
    jpeg: bytes


CLIP_FIELDS: tuple[tuple[str, pa.DataType], ...] = (
    ("clip_id", pa.string()),
    ("video_id", pa.string()),
    ("source_id", pa.string()),
    ("start_seconds", pa.float64()),
    ("end_seconds", pa.float64()),
    ("duration_seconds", pa.float64()),
    ("start_pts", pa.int64()),
    ("end_pts", pa.int64()),
    ("start_frame", pa.int64()),
    ("end_frame", pa.int64()),
    ("shot", pa.int32()),
    ("transition", pa.string()),
    ("transition_score", pa.float32()),
    ("kept", pa.bool_()),
    ("reason", pa.string()),
    ("reason_value", pa.float64()),
)
"""Leading columns of the clips table; the signals' columns follow."""


class ClipFrames(TypedDict):
    """Where a clip lies on the frames of its video."""

    clip_id: str
    video_id: str
    start_frame: int
    end_frame: int


class StitchedClip(ClipFrames):
    """A clip that is not measured and filtered yet."""

    source_id: str | None
    start_seconds: float
    end_seconds: float
    duration_seconds: float
    start_pts: int
    end_pts: int
    shot: int
    transition: str
    transition_score: float


class ClipRow(StitchedClip):
    """The leading columns of a row of `clips`: those of every cut, whatever its signals are."""

    kept: bool
    reason: str
    reason_value: float | None


SPAN_PICK_SCHEMA = pa.schema(
    [
        ("video_id", pa.string()),
        ("clip_id", pa.string()),
        ("frame", pa.int64()),
        ("ticks", pa.int64()),
        ("pts_seconds", pa.float64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("jpeg", pa.binary()),
    ]
)
"""One row a frame of a further pick set, decoded for one clip."""


class SpanPicture(TypedDict):
    """What is read of a frame of a further pick set to show it."""

    clip_id: str
    frame: int
    pts_seconds: float
    jpeg: bytes


class SpanPickRow(SpanPicture):
    """A row of a further pick set."""

    video_id: str
    ticks: int
    width: int
    height: int


ANNOTATION_KEYS = (
    "clip_id", "value", "status", "reason", "frames", "prompt", "pick_set", "seal", "text_digest",
)  # fmt: skip
SEAL_BYTES = 16


class AnswerRow(TypedDict):
    """A row of a column of captions or scores; the component's extras stand beside these.

    `text_digest` is there in columns that were made from a text. Columns that were written before
    seals existed lack what follows `reason`.
    """

    clip_id: str
    value: Any
    status: str
    reason: str | None
    frames: list[int] | None
    prompt: str | None
    pick_set: str
    seal: bytes | None
    text_digest: NotRequired[str]


ARROW_TYPES: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint64": pa.uint64(),
    "float": pa.float32(),
    "float32": pa.float32(),
    "double": pa.float64(),
    "float64": pa.float64(),
    "string": pa.string(),
    "list<string>": pa.list_(pa.string()),
    "list<float>": pa.list_(pa.float32()),
    "list<double>": pa.list_(pa.float64()),
}


def extras_in(row: AnswerRow) -> dict[str, Any]:
    """The values of the component's extras in a row that was read back."""
    return {name: value for name, value in row.items() if name not in ANNOTATION_KEYS}


def row_to_clip(row: Mapping[str, Any]) -> Clip:
    """The clip that a row of the clips table stands for."""
    return Clip(
        clip_id=row["clip_id"],
        video_id=row["video_id"],
        span=TimeSpan(row["start_seconds"], row["end_seconds"]),
        start_pts=row["start_pts"],
        end_pts=row["end_pts"],
    )


def column_schema(
    value_type: str, extras: Mapping[str, str], *, reads_text: bool = False
) -> pa.Schema:
    """Schema of a column of captions or scores.

    Args:
        value_type: "string", "double", "bool" or "vector" (float32 of one length).
        extras: the component's further columns, which stand after `reason`; name -> type name.
        reads_text: its rows remember the text that they were made from, see
            `internvid.dataset.answers.column_inputs`.
    """
    value = pa.list_(pa.float32()) if value_type == "vector" else ARROW_TYPES[value_type]
    return pa.schema(
        [
            ("clip_id", pa.string()),
            ("value", value),
            ("status", pa.string()),
            ("reason", pa.string()),
            *((name, ARROW_TYPES[kind]) for name, kind in extras.items()),
            ("frames", pa.list_(pa.int32())),
            ("prompt", pa.string()),
            ("pick_set", pa.string()),
            ("seal", pa.binary(SEAL_BYTES)),
            *((("text_digest", pa.string()),) if reads_text else ()),
        ]
    )


def clip_schema(signal_columns: Mapping[str, str]) -> pa.Schema:
    """Schema of the clips table with these signal columns (name -> type name)."""
    extra = [(name, ARROW_TYPES[kind]) for name, kind in signal_columns.items()]
    return pa.schema([*CLIP_FIELDS, *extra])


def timeline_schema(specs: Mapping[str, ColumnSpec]) -> pa.Schema:
    """Schema of the timelines table; scale, offset and unit stand in the field metadata."""
    fields = [pa.field("video_id", pa.string()), pa.field("ticks", pa.int64())]
    for name, spec in specs.items():
        metadata = {
            "scale": repr(spec.scale),
            "offset": repr(spec.offset),
            "unit": spec.unit,
            "meaning": spec.meaning,
        }
        fields.append(pa.field(name, pa.from_numpy_dtype(np.dtype(spec.dtype)), metadata=metadata))
    return pa.schema(fields)


def timeline_to_table(timeline: Timeline, frames: slice = slice(None)) -> pa.Table:
    """One row a frame, stored values as they are; all frames or some of them."""
    pts = timeline.pts[frames]
    columns: list[Any] = [pa.repeat(timeline.video_id, len(pts)), pa.array(pts, pa.int64())]
    columns += [pa.array(timeline.stored[name][frames]) for name in timeline.specs]
    return pa.Table.from_arrays(columns, schema=timeline_schema(timeline.specs))


def table_to_timeline(table: pa.Table, video: VideoRow) -> Timeline:
    """The timeline of one video from its rows and its row of the videos table."""
    specs: dict[str, ColumnSpec] = {}
    stored: dict[str, npt.NDArray[Any]] = {}
    for field in table.schema:
        if field.name in ("video_id", "ticks"):
            continue
        metadata = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
        specs[field.name] = ColumnSpec(
            dtype=str(np.dtype(field.type.to_pandas_dtype())),
            scale=float(metadata.get("scale", "1")),
            offset=float(metadata.get("offset", "0")),
            unit=metadata.get("unit", ""),
            meaning=metadata.get("meaning", ""),
        )
        stored[field.name] = table.column(field.name).to_numpy()
    return Timeline(
        video_id=str(video["video_id"]),
        pts=table.column("ticks").to_numpy(),
        time_base=Fraction(video["time_base_numerator"], video["time_base_denominator"]),
        duration_seconds=float(video["duration_seconds"]),
        stored=stored,
        specs=specs,
    )


def table_to_pick_facts(table: pa.Table) -> list[PickFacts]:
    """What was measured on each pick, from rows of the picks table."""
    columns = ["frame", "pts_seconds", "sharpness", "picture_hash", "colours"]
    return [
        PickFacts(
            frame=row["frame"],
            pts_seconds=row["pts_seconds"],
            sharpness=row["sharpness"],
            picture_hash=row["picture_hash"],
            colours=bytes(row["colours"]),
        )
        for row in table.select(columns).to_pylist()
    ]
