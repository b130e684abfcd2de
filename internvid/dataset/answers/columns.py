"""Captions and scores as stored: several generations of a part, of which the last row holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import pyarrow as pa

from internvid.dataset.answers.column_inputs import TEXT_DIGEST, stale_clips
from internvid.dataset.answers.generations import latest_rows
from internvid.dataset.current import current_clips, gone_videos
from internvid.dataset.layout import Layout, Record
from internvid.dataset.parts import read_part_schema
from internvid.dataset.tables import ANNOTATION_KEYS


def statuses(files: Sequence[Path]) -> dict[str, str]:
    """clip_id -> status of its last row, of one part of a column."""
    table = latest_rows(files, ["clip_id", "status"])
    if table is None:
        return {}
    return dict(zip(table["clip_id"].to_pylist(), table["status"].to_pylist(), strict=True))


def outcomes(files: Sequence[Path]) -> dict[str, tuple[str, str, str | None]]:
    """clip_id -> (status, reason, digest of the text it was made from) of its last row."""
    table = latest_rows(files, ["clip_id", "status", "reason"], optional=[TEXT_DIGEST])
    if table is None:
        return {}
    names = ("clip_id", "status", "reason", TEXT_DIGEST)
    rows = zip(*(table[name].to_pylist() for name in names), strict=True)
    return {clip_id: (status, reason or "", digest) for clip_id, status, reason, digest in rows}


def texts_of(files: Sequence[Path]) -> dict[str, tuple[str | None, str]]:
    """clip_id -> (text or None, status) of one part of a text column."""
    table = latest_rows(files, ["clip_id", "value", "status"])
    if table is None:
        return {}
    names = ("clip_id", "value", "status")
    rows = zip(*(table[name].to_pylist() for name in names), strict=True)
    return {clip_id: (value, status) for clip_id, value, status in rows}


def extras_of(schema: pa.Schema | None) -> list[str]:
    """Names of a column's own further columns."""
    if schema is None:
        return []
    return [name for name in schema.names if name not in ANNOTATION_KEYS]


def staged_files(layout: Layout, cut: str, column: str, part: str) -> list[Path]:
    """Answers of a part that are not sealed yet, the oldest first."""
    return sorted(layout.staged_column(cut, column, part).glob("*.parquet"))


def is_text_column(layout: Layout, record: Record, cut: str, key: str) -> bool:
    """Whether a column holds texts; recognised by its record, else by its first file."""
    known = record.column_recipes.get(key, {})
    if isinstance(known, Mapping) and "value_type" in known:
        return bool(known["value_type"] == "string")
    schema = column_schema_of(layout, record, cut, key)
    return schema is not None and pa.types.is_string(schema.field("value").type)


def column_schema_of(layout: Layout, record: Record, cut: str, key: str) -> pa.Schema | None:
    """Schema of the first file of a column; None where nothing is answered yet."""
    for part in record.parts:
        for path in layout.column_files(cut, key, part["name"])[:1]:
            return read_part_schema(path)
    return None


class ColumnProgress(TypedDict):
    """How many kept clips of a column are `ok`, `skipped` and so on, see `column_progress`."""

    column: str
    ok: int
    skipped: int
    failed: int
    staged: int
    stale: int
    pending: int
    key: str


class ReasonCount(TypedDict):
    """How many clips of a column have no value for one reason."""

    status: str
    reason: str
    clips: int


def column_progress(layout: Layout, record: Record, cut: str) -> list[ColumnProgress]:
    """What each current column of a cut has answered.

    Returns:
        One entry a column: `column`, how many kept clips are `ok`, `skipped`, `failed`, `staged`
        (answered, not sealed yet), `pending` (not sealed) and `stale` (answered from a text that
        is another one now), and its `key`.
    """
    names = record.columns.get(cut, {})
    counts = {
        name: dict.fromkeys(("ok", "skipped", "failed", "staged", "stale"), 0) for name in names
    }
    kept = 0
    gone = _gone(layout, record)
    for part in (entry["name"] for entry in record.parts):
        clips = current_clips(layout, cut, part, gone, ["clip_id", "kept"])
        if clips is None:
            continue
        ids = set(clips.filter(clips["kept"])["clip_id"].to_pylist())
        kept += len(ids)
        for name, key in names.items():
            counted = statuses(layout.column_files(cut, key, part))
            for clip_id, status in counted.items():
                if clip_id in ids:
                    counts[name][status] += 1
            counts[name]["stale"] += len(ids & stale_clips(layout, record, cut, key, part))
            staged = statuses(staged_files(layout, cut, key, part))
            counts[name]["staged"] += sum(
                clip_id in ids and counted.get(clip_id) != status
                for clip_id, status in staged.items()
            )
    return [
        {
            "column": name,
            "ok": count["ok"],
            "skipped": count["skipped"],
            "failed": count["failed"],
            "staged": count["staged"],
            "stale": count["stale"],
            "pending": kept - count["ok"] - count["skipped"] - count["failed"],
            "key": names[name],
        }
        for name, count in sorted(counts.items())
    ]


def reasons_of(layout: Layout, record: Record, cut: str, key: str) -> list[ReasonCount]:
    """Why clips of a column have no value: `status`, `reason`, `clips`, the most frequent first."""
    counts: dict[tuple[str, str], int] = {}
    gone = _gone(layout, record)
    for part in (entry["name"] for entry in record.parts):
        files = layout.column_files(cut, key, part)
        table = latest_rows(files, ["clip_id", "status", "reason"])
        clips = current_clips(layout, cut, part, gone, ["clip_id"])
        if table is None or clips is None:
            continue
        ids = set(clips["clip_id"].to_pylist())
        for row in table.to_pylist():
            status, reason = row["status"], row["reason"]
            if status != "ok" and row["clip_id"] in ids:
                counts[status, reason or ""] = counts.get((status, reason or ""), 0) + 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        {"status": status, "reason": reason, "clips": clips} for (status, reason), clips in ordered
    ]


def _gone(layout: Layout, record: Record) -> frozenset[str]:
    if record.scan is None:
        return frozenset()
    return gone_videos(layout, record.scan, [part["name"] for part in record.parts])
