"""Which sources are new: recorded, in order, before any of them is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from internvid.core.errors import DatasetFormatError, InternvidError
from internvid.dataset.layout import Layout, Record
from internvid.dataset.parts import commit_table, read_part
from internvid.dataset.uris import uri_to_path
from internvid.video.probe import FileStamp, hash_file, stamp_file

SEEN_SCHEMA = pa.schema(
    [
        ("uri", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("inode", pa.int64()),
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
        table = read_part(layout.sources(part["name"]), columns=["uri"])
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
            rows = read_part(path, columns=["uri", "video_id", "status"]).to_pylist()
            videos.update((row["uri"], (row["video_id"], row["status"])) for row in rows)
    return videos


def remember_files(layout: Layout, part: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Note the stamps that the files of a part had when they were hashed for their scan.

    Args:
        rows: staged rows: `uri`, `video_id`, and `stamp` where the file was read whole.
    """
    known = [row for row in rows if row.get("stamp") and row.get("video_id")]
    noted = [
        {"uri": row["uri"], "video_id": row["video_id"], **vars(FileStamp(*row["stamp"]))}
        for row in known
    ]
    if noted:
        table = pa.Table.from_pylist(noted, schema=SEEN_SCHEMA)
        commit_table(layout.root / "runs" / f"seen-{part}.parquet", table)


class _Seen:
    """Stamps of files whose hash is known, so that a rerun need not read them.

    They lie in `runs/`, the only place where times stand; without them files are hashed again:
    `seen-PART.parquet` from the scan, `seen.parquet` of files that were hashed since.
    """

    def __init__(self, layout: Layout) -> None:
        folder = layout.root / "runs"
        self.path: Path = folder / "seen.parquet"
        self.hashes: dict[tuple[str, FileStamp], str] = {}
        for path in [*sorted(folder.glob("seen-*.parquet")), self.path]:
            for row in _rows_or_none(path):
                stamp = FileStamp(row["size"], row["mtime_ns"], row.get("inode") or 0)
                self.hashes[row["uri"], stamp] = row["video_id"]
        self.learned: dict[tuple[str, FileStamp], str] = {}

    def changed(self, uri: str, video_id: str | None) -> bool:
        """Whether the bytes at a recorded uri are known to be others than `video_id`."""
        if video_id is None:
            return False
        try:
            path = uri_to_path(uri)
            key = uri, stamp_file(path)
            if key not in self.hashes:
                self.hashes[key] = self.learned[key] = hash_file(path)
            return self.hashes[key] != video_id
        except InternvidError:
            return False  # gone or unreadable now: the recorded row stays what it was

    def save(self) -> None:
        """Keep what was learned."""
        if not self.learned:
            return
        rows = {row["uri"]: row for row in _rows_or_none(self.path)}
        for (uri, stamp), video_id in self.learned.items():
            rows[uri] = {"uri": uri, "video_id": video_id, **vars(stamp)}
        table = pa.Table.from_pylist(list(rows.values()), schema=SEEN_SCHEMA)
        commit_table(self.path, table.take(pc.sort_indices(table, [("uri", "ascending")])))


def _rows_or_none(path: Path) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = read_part(path).to_pylist() if path.exists() else []
    except DatasetFormatError:
        return []  # what it says can be found out again
    return rows
