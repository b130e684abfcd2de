"""Which sources are new: recorded, in order, before any of them is read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypedDict

import pyarrow as pa
import pyarrow.compute as pc

from internvid.core.errors import ConfigInvalidError, DatasetFormatError, InternvidError
from internvid.dataset.layout import Layout, Record
from internvid.dataset.parts import commit_table, read_part, rows_to_table
from internvid.dataset.sources.metadata import join_kinds
from internvid.dataset.sources.uris import uri_to_path
from internvid.dataset.tables import SOURCE_SCHEMA, SourceRow, VideoRow
from internvid.pipeline.source_tables import remember_set_aside
from internvid.pipeline.sources import Sources, size_of
from internvid.video.probe import FileStamp, hash_file, stamp_file

# Of videos as they are found on the web: pictures and timelines take a third of their bytes.
SEALED_SHARE = 1 / 3
MOST_SOURCES = 4096
"""Sources of a part whose size is in bytes, however short they are."""
SEEN_SCHEMA = pa.schema(
    [
        ("uri", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("inode", pa.int64()),
        ("video_id", pa.string()),
    ]
)


class StagedVideo(VideoRow, total=False):
    """The row of `videos` on its way into a part.

    Attributes:
        stamp: the file's stamp when it was hashed; where it was read whole.
        token: names the staged files of data.
    """

    stamp: Sequence[int]
    token: str


class _SeenRow(TypedDict):
    """A file whose bytes were hashed, and its stamp at that time."""

    uri: str
    size: int
    mtime_ns: int
    inode: int | None
    video_id: str


def plan_sources(
    layout: Layout, record: Record, sources: Sources, *, retry: bool = False
) -> tuple[str, ...]:
    """Record sources that are new, or whose bytes or metadata changed, as new parts.

    Parts are filled in uri order and never change afterwards, whatever happens later.

    Returns:
        Sentences about what was taken from tables, and what was not.
    """
    recorded = _recorded_sources(layout, record, set(sources.table.column("uri").to_pylist()))
    seen = _Seen(layout)
    known = _recorded_videos(layout, record, recorded)
    # Millions of sources: what is to come is kept by its row, and what is known as little as goes.
    fresh: list[int] = []
    scanned: set[int] = set()
    renewed = moved = 0
    for at, row in enumerate(_rows_of(sources.table)):
        before = recorded.get(row["uri"])
        if before is None:
            fresh.append(at)
            continue
        last = known.get(row["uri"], _NOTHING)
        again = seen.changed(row["uri"], last.video_id)
        if last.status == "failed":
            again = again or retry or (last.may_come_back and _is_readable(row["uri"]))
        # What was removed may have been forgotten since.
        again = again or (retry and last.status == "removed")
        is_changed = row["metadata"] is not None and hash(row["metadata"]) != before.metadata
        # The clips have it, and they are never rewritten.
        moved += not again and row["source_id"] not in (None, before.source_id)
        renewed += is_changed and not again
        if again or is_changed:
            fresh.append(at)
            scanned.update([at] if again else [])
    seen.save()
    for chosen in _portions(record, sources.table, fresh):
        rows = sources.table.take(chosen).to_pylist()
        rows = _completed(layout, rows, recorded, [at in scanned for at in chosen])
        name = f"part-{len(record.parts):05d}"
        commit_table(layout.sources(name), rows_to_table(rows, SOURCE_SCHEMA))
        record.parts.append({"name": name, "sources": len(rows)})
    kinds = join_kinds(record.metadata, sources.kinds) if fresh else record.metadata
    if fresh or kinds != {**kinds, **sources.fixed}:
        record.metadata = dict(sorted({**kinds, **sources.fixed}.items()))
        layout.write_record(record)
    remember_set_aside(layout, sources.tables)
    return (*sources.notes, *_notes(renewed, moved))


def _portions(record: Record, table: pa.Table, places: Sequence[int]) -> Iterator[Sequence[int]]:
    """Rows of a table, as many for each part as it takes."""
    if record.megabytes_per_part is None:
        for start in range(0, len(places), record.sources_per_part):
            yield places[start : start + record.sources_per_part]
        return
    room = record.megabytes_per_part * 1_000_000
    portion: list[int] = []
    taken = 0
    for place in places:
        expected = expected_bytes(table["uri"][place].as_py())
        if portion and (taken + expected > room or len(portion) == MOST_SOURCES):
            yield portion
            portion, taken = [], 0
        portion.append(place)
        taken += expected
    if portion:
        yield portion


def expected_bytes(uri: str) -> int:
    """Bytes that a source is expected to take once it is scanned."""
    return int(SEALED_SHARE * size_of(uri))


def check_part_size(megabytes: int | None) -> None:
    """Refuse what is no size of parts.

    Raises:
        ConfigInvalidError: it is none.
    """
    if megabytes is not None and megabytes < 1:
        raise ConfigInvalidError(f"parts of {megabytes} MB cannot be", hint="128 to 512 do well")


def set_part_size(record: Record, megabytes: int | None) -> None:
    """Fix how large the parts of a new dataset are; in memory.

    Raises:
        ConfigInvalidError: it is no size; or the dataset has parts of another.
    """
    check_part_size(megabytes)
    if megabytes is None:
        return
    if record.parts and record.megabytes_per_part != megabytes:
        before = record.megabytes_per_part
        raise ConfigInvalidError(
            "the dataset has parts of "
            + (f"{before} MB" if before else f"{record.sources_per_part} sources")
            + f" already, so they cannot be of {megabytes} MB",
            hint="leave the size out; it is fixed when a dataset is made",
        )
    record.megabytes_per_part = megabytes


def _rows_of(table: pa.Table) -> Iterator[SourceRow]:
    for batch in table.to_batches(8192):
        yield from batch.to_pylist()


def _completed(
    layout: Layout,
    rows: list[SourceRow],
    recorded: Mapping[str, _RecordedSource],
    is_scanned: Sequence[bool],
) -> list[SourceRow]:
    """The rows of a part; what an input does not say of a recorded source stays as it was."""
    parts = {recorded[row["uri"]].part for row in rows if row["uri"] in recorded}
    before: dict[tuple[str, str], SourceRow] = {
        (part, row["uri"]): row
        for part in parts
        for row in read_part(layout.sources(part), columns=_DESCRIBED).to_pylist()
    }
    completed: list[SourceRow] = []
    for row, scanned in zip(rows, is_scanned, strict=True):
        if row["uri"] not in recorded:
            completed.append(row)
            continue
        part = recorded[row["uri"]].part
        old = before[part, row["uri"]]
        described: SourceRow = {
            "uri": row["uri"],
            "source_id": old["source_id"] if row["source_id"] is None else row["source_id"],
            "metadata": old["metadata"] if row["metadata"] is None else row["metadata"],
        }
        if not scanned:
            described["source_id"], described["known_in"] = old["source_id"], part
        completed.append(described)
    return completed


def _notes(renewed: int, moved: int) -> Iterator[str]:
    if renewed:
        yield f"sources with other metadata than before: {renewed}; it was taken without a scan"
    if moved:
        yield (
            f"sources with another source_id than before: {moved}; they keep the earlier one, "
            "which their clips have (a new dataset would have the new one)"
        )


class _RecordedSource(NamedTuple):
    """The latest record of a source: where it lies, and what was recorded of it."""

    part: str
    source_id: str | None
    metadata: int  # hash of the text, which holds for this process


_DESCRIBED = ("uri", "source_id", "metadata")


def _recorded_sources(
    layout: Layout, record: Record, wanted: Collection[str]
) -> dict[str, _RecordedSource]:
    """The latest record of each wanted uri that has one."""
    recorded: dict[str, _RecordedSource] = {}
    for part in (entry["name"] for entry in record.parts):
        table = read_part(layout.sources(part), columns=_DESCRIBED)
        for row in table.to_pylist():
            if row["uri"] in wanted:
                recorded[row["uri"]] = _RecordedSource(
                    part, row["source_id"], hash(row["metadata"])
                )
    return recorded


@dataclass(frozen=True, slots=True)
class _Recorded:
    """What the latest row of a source says of it."""

    video_id: str | None
    status: str | None
    reason: str | None

    @property
    def may_come_back(self) -> bool:
        """Whether it failed for what lies outside the file, which may have been put right."""
        return self.reason in ("missing", "permission", "unreachable")


_NOTHING = _Recorded(None, None, None)


def _is_readable(uri: str) -> bool:
    try:
        path = uri_to_path(uri)
        stamp_file(path)
        with path.open("rb"):
            return True
    except (InternvidError, OSError):
        return False


def _recorded_videos(
    layout: Layout, record: Record, wanted: Collection[str]
) -> dict[str, _Recorded]:
    """What the dataset says of each wanted uri."""
    videos: dict[str, _Recorded] = {}
    if record.scan is None or not wanted:
        return videos
    for part in record.parts:
        path = layout.scanned(record.scan, "videos", part["name"])
        if path.exists():
            rows = read_part(path, columns=["uri", "video_id", "status", "reason"]).to_pylist()
            videos.update(
                (row.pop("uri"), _Recorded(**row)) for row in rows if row["uri"] in wanted
            )
    return videos


def remember_files(layout: Layout, part: str, rows: Sequence[StagedVideo]) -> None:
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
            rows[uri] = {
                "uri": uri,
                "size": stamp.size,
                "mtime_ns": stamp.mtime_ns,
                "inode": stamp.inode,
                "video_id": video_id,
            }
        table = pa.Table.from_pylist(list(rows.values()), schema=SEEN_SCHEMA)
        commit_table(self.path, table.take(pc.sort_indices(table, [("uri", "ascending")])))


def _rows_or_none(path: Path) -> list[_SeenRow]:
    try:
        rows: list[_SeenRow] = read_part(path).to_pylist() if path.exists() else []
    except DatasetFormatError:
        return []  # what it says can be found out again
    return rows
