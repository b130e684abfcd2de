"""The scan pass: each source once, staged, then sealed into parts."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from internvid.core.errors import (
    ConfigInvalidError,
    InternvidError,
    VideoError,
    VideoUnreadableError,
)
from internvid.dataset.layout import Layout
from internvid.dataset.parts import (
    commit_json,
    commit_table,
    discard,
    part_writer,
    read_groups,
    read_part,
    rows_to_table,
    storage_errors,
)
from internvid.dataset.removal.tombstones import read_tombstones
from internvid.dataset.sources.known_videos import KnownVideos, holds_video
from internvid.dataset.sources.uris import uri_to_path
from internvid.dataset.tables import (
    PICK_SCHEMA,
    VIDEO_SCHEMA,
    PickRow,
    SourceRow,
    VideoRow,
    timeline_schema,
    timeline_to_table,
)
from internvid.pipeline.source_parts import StagedVideo, remember_files
from internvid.run.executor import Failure
from internvid.scan.picks import StoredPick
from internvid.scan.scan import ScanRecipe, ScanResult, scan_video
from internvid.video.probe import hash_file, stamp_file

PICKS_PER_GROUP = 256
_REMOVED = "its bytes are those of a video that was removed from this dataset"
# 2.4 hours at 30 fps: most videos have one row group in the timelines.
FRAMES_PER_GROUP = 1 << 18


@dataclass(frozen=True)
class ScanTask:
    """One source to scan: picklable, with all a worker needs.

    Attributes:
        known: file of the ids of videos that are sealed; these are not decoded again.
        removed: file of tombstones; a source with the bytes of a removed video is not decoded.
    """

    uri: str
    stage: Path
    recipe: ScanRecipe
    known: Path | None = None
    removed: Path | None = None


def scan_source(task: ScanTask, report: Any) -> StagedVideo:
    """Scan one source into its stage; returns its row of the videos table.

    The stage is three files; the row, written last, says that the others are whole. Only what is
    the source's own fault becomes a failed row; a full disk or a wrong setting stops the run.
    """

    def report_time(seconds: float, claimed: float | None) -> None:
        report((seconds, claimed))

    discard_stage(task.stage)
    row: StagedVideo = {"uri": task.uri, "video_id": None}
    try:
        path = _local_path(task.uri)
        stamp = stamp_file(path)
        video_id = hash_file(path, lambda: report_time(0.0, None))
        row["stamp"] = dataclasses.astuple(stamp)
        tombstones = read_tombstones(task.removed) if task.removed else None
        if tombstones is not None and tombstones.holds_video(video_id):
            # Nothing is kept of it but that it was there, not even what its bytes were.
            row.update({"status": "removed", "reason": "removed", "error": _REMOVED})
        elif task.known is not None and holds_video(task.known, video_id):
            row.update({"video_id": video_id, "status": "duplicate"})
        else:
            result = _scan(task, path, video_id, report_time)
            if stamp_file(path) != stamp:
                del row["stamp"]
                raise VideoUnreadableError("it changed while it was read", reason="changing")
            row.update(_facts_row(result))
    except VideoError as error:
        row.update(failed_row(Failure(error.reason, error.message)))
        row["video_id"] = None if error.reason == "changing" else _hash_or_none(task.uri)
        discard_stage(task.stage)
    commit_json(task.stage.with_suffix(".json"), row)
    return row


def _scan(task: ScanTask, path: Path, video_id: str, report_time: Any) -> ScanResult:
    with part_writer(task.stage.with_suffix(".picks"), PICK_SCHEMA) as writer:
        sink = _PickSink(writer, video_id, task.stage)
        try:
            result = scan_video(path, task.recipe, sink.keep, report_time, video_id)
        except OSError as error:
            # Writing has its own error, so this one came from reading.
            raise VideoUnreadableError(f"reading failed: {type(error).__name__}") from error
        sink.flush()
    schema = timeline_schema(result.timeline.specs)
    with part_writer(task.stage.with_suffix(".timeline"), schema) as writer:
        for start in range(0, len(result.timeline), FRAMES_PER_GROUP):
            rows = slice(start, start + FRAMES_PER_GROUP)
            writer.write_table(timeline_to_table(result.timeline, rows), FRAMES_PER_GROUP)
    return result


def _local_path(uri: str) -> Path:
    try:
        return uri_to_path(uri)
    except ConfigInvalidError as error:
        raise VideoUnreadableError(error.message, reason="unsupported", hint=error.hint) from error


def stage_failure(task: ScanTask, failure: Failure) -> StagedVideo:
    """The row of a source whose worker died or hung, staged by the parent."""
    discard_stage(task.stage)
    row: StagedVideo = {"uri": task.uri, **failed_row(failure)}
    row["video_id"] = _hash_or_none(task.uri)
    commit_json(task.stage.with_suffix(".json"), row)
    return row


def _hash_or_none(uri: str) -> str | None:
    try:
        return hash_file(uri_to_path(uri))
    except InternvidError:
        return None


def failed_row(failure: Failure) -> StagedVideo:
    """The columns that say why a source is not ok."""
    return {"status": "failed", "reason": failure.reason, "error": failure.message}


def discard_stage(stage: Path) -> None:
    """Forget a stage, its row first."""
    for suffix in (".json", ".timeline", ".picks"):
        discard(stage.with_suffix(suffix))


class _PickSink:
    """Writes picks in groups as they come, so that memory does not grow with the video."""

    def __init__(self, writer: pq.ParquetWriter, video_id: str, stage: Path) -> None:
        self.writer = writer
        self.video_id = video_id
        self.stage = stage
        self.rows: list[PickRow] = []

    def keep(self, pick: StoredPick) -> None:
        self.rows.append(
            {
                "video_id": self.video_id,
                "frame": pick.facts.frame,
                "ticks": pick.ticks,
                "pts_seconds": pick.facts.pts_seconds,
                "width": pick.width,
                "height": pick.height,
                "sharpness": pick.facts.sharpness,
                "picture_hash": pick.facts.picture_hash,
                "colours": list(pick.facts.colours),
                "jpeg": pick.jpeg,
            }
        )
        if len(self.rows) == PICKS_PER_GROUP:
            self.flush()

    def flush(self) -> None:
        if self.rows:
            with storage_errors(self.stage):
                self.writer.write_table(rows_to_table(self.rows, PICK_SCHEMA))
            self.rows = []


def _facts_row(result: ScanResult) -> StagedVideo:
    facts, report = result.facts, result.report
    width, height = facts.display_size
    return {
        "video_id": result.video_id,
        "status": "ok",
        "container": facts.container,
        "codec": facts.codec,
        "pixel_format": facts.pixel_format,
        "width": width,
        "height": height,
        "rotation_degrees": facts.rotation_degrees,
        "sample_aspect": float(facts.sample_aspect),
        "fps": facts.fps,
        "frames": report.frames,
        "duration_seconds": result.timeline.duration_seconds,
        "start_pts": result.start_pts,
        "time_base_numerator": result.timeline.time_base.numerator,
        "time_base_denominator": result.timeline.time_base.denominator,
        "has_audio": facts.has_audio,
        "file_bytes": facts.file_bytes,
        "picks": len(result.picks),
        "damaged_packets": report.damaged_packets,
        "damaged_frames": report.damaged_frames,
        "repaired_times": report.repaired_times,
        "truncated": report.truncated,
        "is_mirrored": facts.is_mirrored,
        "dynamic_range": facts.dynamic_range,
        "scan_mode": result.mode,
    }


@dataclass(frozen=True)
class PartStage:
    """One part being scanned: its recorded sources and where their stages lie."""

    layout: Layout
    scan: str
    part: str
    sources: pa.Table

    def stage(self, index: int) -> Path:
        """Path stem of one source's stage."""
        return self.layout.staged(self.scan, self.part) / f"{index:05d}"

    def pending(self) -> list[int]:
        """Sources that are to be read and have no whole stage yet."""
        return [
            index
            for index, part in enumerate(self._known_in)
            if part is None and not self.stage(index).with_suffix(".json").exists()
        ]

    @property
    def _known_in(self) -> list[str | None]:
        parts: list[str | None] = self.sources.column("known_in").to_pylist()
        return parts

    def seal(self, recipe: ScanRecipe, seen: KnownVideos) -> None:
        """Make the part's tables of its stages; the videos table, written last, seals it.

        Args:
            recipe: for the timeline's columns.
            seen: every video already in the dataset; those of this part are added.
        """
        rows: list[VideoRow] = []
        staged: list[StagedVideo] = []
        done: list[int] = []
        known = self._known_rows()
        for index, source in enumerate(self.sources.to_pylist()):
            if source["known_in"] is not None:
                rows.append({**known[source["uri"]], "metadata": source["metadata"]})
                continue
            row: StagedVideo = json.loads(self.stage(index).with_suffix(".json").read_text("utf-8"))
            staged.append(row.copy())
            row.pop("stamp", None)
            merged = _merged(row, source, seen)
            if merged["status"] == "ok":
                done.append(index)
            rows.append(self._own_again(merged, source, seen))
            last = rows[-1]
            if last["status"] == "ok" and last["video_id"] is not None:
                seen.add(last["video_id"], last["uri"])
        for table, suffix, schema in (
            ("timelines", ".timeline", timeline_schema(recipe.column_specs())),
            ("picks", ".picks", PICK_SCHEMA),
        ):
            with part_writer(self.layout.scanned(self.scan, table, self.part), schema) as writer:
                for index in done:
                    _copy_groups(self.stage(index).with_suffix(suffix), writer)
        for found in rows:
            # Also what was found earlier of sources that only have other metadata.
            if found["status"] == "ok" and found["video_id"] is not None:
                seen.add(found["video_id"], found["uri"])
        videos = rows_to_table(rows, VIDEO_SCHEMA)
        commit_table(self.layout.scanned(self.scan, "videos", self.part), videos)
        remember_files(self.layout, self.part, staged)

    def _known_rows(self) -> dict[str, VideoRow]:
        """The rows so far of sources that only have other metadata; earlier parts are sealed."""
        rows: dict[str, VideoRow] = {}
        for part in sorted({part for part in self._known_in if part is not None}):
            for row in read_part(self.layout.scanned(self.scan, "videos", part)).to_pylist():
                rows[row["uri"]] = row
        return rows

    def _own_again(self, row: VideoRow, source: SourceRow, seen: KnownVideos) -> VideoRow:
        """The row of a file that has bytes again which it had before: what was found then holds.

        Timelines, picks and clips of these bytes lie in the part of that time.
        """
        if row["status"] != "duplicate" or seen.get(row["video_id"]) != row["uri"]:
            return row
        videos = self.layout.scanned(self.scan, "videos", "part-*")
        for path in sorted(videos.parent.glob(videos.name)):
            earlier: list[VideoRow] = read_part(path).to_pylist()
            for before in earlier:
                if before["video_id"] == row["video_id"] and before["status"] == "ok":
                    return {
                        **before,
                        "uri": source["uri"],
                        "source_id": row["source_id"],
                        "metadata": source["metadata"],
                    }
        return row

    def clear(self) -> None:
        """Remove the stages of a sealed part, and the folders they leave empty."""
        folder = self.layout.staged(self.scan, self.part)
        discard(folder)
        for parent in (folder.parent, folder.parent.parent):
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()


def _copy_groups(path: Path, writer: pq.ParquetWriter) -> None:
    for table in read_groups(path):
        writer.write_table(table, row_group_size=max(1, table.num_rows))


def _merged(row: VideoRow, source: SourceRow, seen: KnownVideos) -> VideoRow:
    """The row of a stage with what its source says, or that of a duplicate."""
    source_id = source["source_id"] or row.get("video_id")
    same = seen.get(row.get("video_id"))
    if same is not None and row["status"] in ("ok", "duplicate"):
        return {
            "uri": row["uri"],
            "video_id": row["video_id"],
            "source_id": source_id,
            "metadata": source["metadata"],
            "status": "duplicate",
            "reason": "duplicate",
            "error": f"has the same bytes as {same}",
        }
    return {**row, "source_id": source_id, "metadata": source["metadata"]}
