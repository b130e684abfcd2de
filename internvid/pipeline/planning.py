"""Which sources are new: recorded, in order, before any of them is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from internvid.core.errors import InternvidError
from internvid.dataset.layout import Layout, Record
from internvid.dataset.parts import commit_table
from internvid.dataset.uris import uri_to_path
from internvid.video.probe import hash_file

SEEN_SCHEMA = pa.schema(
    [
        ("uri", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("video_id", pa.string()),
    ]
)


def plan_sources(layout: Layout, record: Record, sources: pa.Table, *, retry: bool = False) -> int:
    """Record sources that are new, or whose bytes changed, as new parts; returns how many.

    Parts are filled in uri order and never change afterwards, whatever happens later.
    """
    recorded = recorded_sources(layout, record)
    seen = _Seen(layout)
    known = _recorded_videos(layout, record)
    new = []
    for uri in sources.column("uri").to_pylist():
        video_id, status = known.get(uri, (None, None))
        again = retry and status == "failed"
        new.append(uri not in recorded or again or seen.changed(uri, video_id))
    seen.save()
    fresh = sources.filter(pa.array(new, pa.bool_()))
    for start in range(0, fresh.num_rows, record.sources_per_part):
        part = fresh.slice(start, record.sources_per_part)
        name = f"part-{len(record.parts):05d}"
        commit_table(layout.sources(name), part.combine_chunks())
        record.parts.append({"name": name, "sources": part.num_rows})
    if fresh.num_rows:
        layout.write_record(record)
    return int(fresh.num_rows)


def recorded_sources(layout: Layout, record: Record) -> set[str]:
    """Every uri the dataset has on record."""
    uris: set[str] = set()
    for part in record.parts:
        table = pq.read_table(layout.sources(part["name"]), columns=["uri"])
        uris.update(table.column("uri").to_pylist())
    return uris


def _recorded_videos(layout: Layout, record: Record) -> dict[str, tuple[str | None, str]]:
    """Each uri with its (video_id, status), from its latest row."""
    videos: dict[str, tuple[str | None, str]] = {}
    if record.scan is None:
        return videos
    for part in record.parts:
        path = layout.scanned(record.scan, "videos", part["name"])
        if path.exists():
            rows = pq.read_table(path, columns=["uri", "video_id", "status"]).to_pylist()
            videos.update((row["uri"], (row["video_id"], row["status"])) for row in rows)
    return videos


class _Seen:
    """Sizes and times of files whose hash is known, so that a rerun need not read them.

    It lies in `runs/`, the only place where times stand; without it files are hashed again.
    """

    def __init__(self, layout: Layout) -> None:
        self.path: Path = layout.root / "runs" / "seen.parquet"
        self.rows: dict[str, dict[str, Any]] = {}
        if self.path.exists():
            self.rows = {row["uri"]: row for row in pq.read_table(self.path).to_pylist()}
        self.dirty = False

    def changed(self, uri: str, video_id: str | None) -> bool:
        """Whether the bytes at a recorded uri are known to be others than `video_id`."""
        if video_id is None:
            return False
        try:
            path = uri_to_path(uri)
            status = os.stat(path)
            row = self.rows.get(uri)
            stamp = (status.st_size, status.st_mtime_ns)
            if row is None or (row["size"], row["mtime_ns"]) != stamp:
                found = hash_file(path)
                self.rows[uri] = {
                    "uri": uri, "size": stamp[0], "mtime_ns": stamp[1], "video_id": found,
                }  # fmt: skip
                self.dirty = True
            return bool(self.rows[uri]["video_id"] != video_id)
        except (OSError, InternvidError):
            return False  # gone or unreadable now: the recorded row stays what it was

    def save(self) -> None:
        """Keep what was learned."""
        if self.dirty:
            table = pa.Table.from_pylist(list(self.rows.values()), schema=SEEN_SCHEMA)
            commit_table(self.path, table.take(pc.sort_indices(table, [("uri", "ascending")])))
