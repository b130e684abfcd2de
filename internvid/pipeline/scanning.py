"""The scan pass: each source once, into a stage."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from internvid.core.errors import (
    ConfigInvalidError,
    InternvidError,
    VideoError,
    VideoUnreadableError,
)
from internvid.dataset.parts import part_writer, rows_to_table, storage_errors
from internvid.dataset.removal.tombstones import read_tombstones
from internvid.dataset.sources.known_videos import holds_video
from internvid.dataset.sources.uris import release, uri_to_path
from internvid.dataset.tables import (
    PICK_SCHEMA,
    PickRow,
    timeline_schema,
    timeline_to_table,
)
from internvid.pipeline.shares.stages import StageFiles, is_late, read_stage
from internvid.pipeline.source_parts import StagedVideo
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
        sealed: what is there once others have sealed the part.
    """

    uri: str
    stage: Path
    recipe: ScanRecipe
    known: Path | None = None
    removed: Path | None = None
    sealed: Path | None = None


def scan_source(task: ScanTask, report: Any) -> StagedVideo:
    """Scan one source into its stage; returns its row of the videos table.

    The row, written last, says that the data are whole. Where another process has staged the
    source meanwhile, its row is returned. Only what is the source's own fault becomes a failed row;
    a full disk or a wrong setting stops the run.
    """
    row: StagedVideo = {"uri": task.uri, "video_id": None, "status": "failed"}
    if is_late(task.sealed):
        return row
    staged = read_stage(task.stage)
    if staged is not None:
        return staged
    files = StageFiles(task.stage)
    try:
        try:
            _find_out(row, task, files, report)
        except VideoError as error:
            row.update(failed_row(Failure(error.reason, error.message)))
            row["video_id"] = None if error.reason == "changing" else _hash_or_none(task.uri)
        if row["status"] != "ok":
            files.discard()
        return files.commit(row, task.sealed)
    except InternvidError:
        # Its folder may have gone while it was written into, when others sealed the part.
        if is_late(task.sealed):
            files.leave()
            return row
        files.discard()
        raise
    finally:
        release(task.uri)


def _find_out(row: StagedVideo, task: ScanTask, files: StageFiles, report: Any) -> None:
    """Fill in the row of a source; its data are written if it is `ok`."""

    def report_time(seconds: float, claimed: float | None) -> None:
        report((seconds, claimed))

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
        result = _scan(task, files, path, video_id, report_time)
        if stamp_file(path) != stamp:
            del row["stamp"]
            raise VideoUnreadableError("it changed while it was read", reason="changing")
        row.update(_facts_row(result))


def _scan(
    task: ScanTask, files: StageFiles, path: Path, video_id: str, report_time: Any
) -> ScanResult:
    with part_writer(files.data(".picks"), PICK_SCHEMA) as writer:
        sink = _PickSink(writer, video_id, task.stage)
        try:
            result = scan_video(path, task.recipe, sink.keep, report_time, video_id)
        except OSError as error:
            # Writing has its own error, so this one came from reading.
            raise VideoUnreadableError(f"reading failed: {type(error).__name__}") from error
        sink.flush()
    schema = timeline_schema(result.timeline.specs)
    with part_writer(files.data(".timeline"), schema) as writer:
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
    """The row of a source whose worker died or hung, staged by whoever led it."""
    row: StagedVideo = {"uri": task.uri, **failed_row(failure)}
    row["video_id"] = _hash_or_none(task.uri)
    files = StageFiles(task.stage)
    try:
        return files.commit(row, task.sealed)
    except InternvidError:
        if not is_late(task.sealed):
            raise
        files.leave()
        return row


def _hash_or_none(uri: str) -> str | None:
    try:
        return hash_file(uri_to_path(uri))
    except InternvidError:
        return None


def failed_row(failure: Failure) -> StagedVideo:
    """The columns that say why a source is not ok."""
    return {"status": "failed", "reason": failure.reason, "error": failure.message}


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
