"""Sealing: the stages of a part become its tables.

Which of equal sources is the first depends on the order of parts. It is decided from rows alone,
those of earlier parts and those that are staged, so that whoever has time can copy the pictures of
any part, and the bytes are those that one process would have written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from internvid.core.errors import InternvidError
from internvid.dataset.layout import Layout
from internvid.dataset.parts import commit_table, part_writer, read_groups, read_part, rows_to_table
from internvid.dataset.sources.known_videos import KnownVideos
from internvid.dataset.tables import (
    PICK_SCHEMA,
    VIDEO_SCHEMA,
    SourceRow,
    VideoRow,
    timeline_schema,
)
from internvid.pipeline.shares.stages import PartStage, data_of
from internvid.pipeline.source_parts import StagedVideo, remember_files
from internvid.scan.scan import ScanRecipe


@dataclass(frozen=True)
class SealTask:
    """One part whose sources are all staged.

    Attributes:
        layout, scan, part: which.
        recipe: for the timeline's columns.
        same: (place of a source, uri that has had its bytes before), of those that are no first.
    """

    layout: Layout
    scan: str
    part: str
    recipe: ScanRecipe
    same: tuple[tuple[int, str], ...]


def decide_same(
    rows: Sequence[StagedVideo | None], seen: KnownVideos
) -> tuple[tuple[tuple[int, str], ...], dict[str, str]]:
    """Which sources of a part have bytes that were there before.

    Args:
        rows: the staged row of each source; None for those that were scanned before.
        seen: every video of all earlier parts.

    Returns:
        (place, uri that had the bytes) of those, in their order; video_id -> uri of the others.
    """
    same: list[tuple[int, str]] = []
    first: dict[str, str] = {}
    for index, row in enumerate(rows):
        if row is None or row["status"] not in ("ok", "duplicate"):
            continue
        video_id = row["video_id"] or ""
        uri = first.get(video_id) or seen.get(video_id)
        if uri is not None:
            same.append((index, uri))
        elif row["status"] == "ok" and video_id:
            first[video_id] = row["uri"]
    return tuple(same), first


def has_earlier(rows: Sequence[StagedVideo | None], same: Sequence[tuple[int, str]]) -> bool:
    """Whether a file has bytes again which it had before: its row is then taken from that time."""
    places = ((rows[index], uri) for index, uri in same)
    return any(row is not None and row["uri"] == uri for row, uri in places)


def seal_part(task: SealTask, report: Any) -> int:
    """Make the tables of a part from its stages; the videos table, written last, seals it.

    Returns how many sources it has. Where another process has sealed it meanwhile, nothing is done.
    """
    stage = PartStage.of(task.layout, task.scan, task.part)
    try:
        if not stage.sealed.exists():
            _write_tables(task, stage, report)
    except InternvidError:
        # Stages that go while they are read are those of a part that others have sealed.
        if not stage.sealed.exists():
            raise
    stage.clear()
    return int(stage.sources.num_rows)


def _write_tables(task: SealTask, stage: PartStage, report: Any) -> None:
    staged, known = stage.rows(), stage.known_rows()
    if staged is None or known is None:
        if stage.sealed.exists():
            return
        raise InternvidError(
            f"{task.part} cannot be sealed: a stage is gone that was there",
            hint="run the same command again: what is missing is scanned anew",
        )
    same = dict(task.same)
    rows: list[VideoRow] = []
    done: list[tuple[int, StagedVideo]] = []
    sources: list[SourceRow] = stage.sources.to_pylist()
    for index, (source, row) in enumerate(zip(sources, staged, strict=True)):
        if row is None:
            rows.append({**known[source["uri"]], "metadata": source["metadata"]})
            continue
        merged = _merged(row, source, same.get(index))
        if merged["status"] == "ok":
            done.append((index, row))
        rows.append(_own_again(stage, merged, source, same.get(index)))
    for table, suffix, schema in (
        ("timelines", ".timeline", timeline_schema(task.recipe.column_specs())),
        ("picks", ".picks", PICK_SCHEMA),
    ):
        path = task.layout.scanned(task.scan, table, task.part)
        with part_writer(path, schema) as writer:
            for index, row in done:
                for groups, each in enumerate(
                    read_groups(data_of(stage.stage(index), row, suffix))
                ):
                    writer.write_table(each, row_group_size=max(1, each.num_rows))
                    report((float(groups), None))
    commit_table(stage.sealed, rows_to_table(rows, VIDEO_SCHEMA))
    remember_files(task.layout, task.part, [row for row in staged if row is not None])


def _merged(row: StagedVideo, source: SourceRow, same: str | None) -> VideoRow:
    """The row of a stage with what its source says, or that of a duplicate."""
    source_id = source["source_id"] or row.get("video_id")
    if same is not None:
        return {
            "uri": row["uri"],
            "video_id": row["video_id"],
            "source_id": source_id,
            "metadata": source["metadata"],
            "status": "duplicate",
            "reason": "duplicate",
            "error": f"has the same bytes as {same}",
        }
    of_stage = ("stamp", "token")
    own: Mapping[str, Any] = {name: row[name] for name in row if name not in of_stage}  # type: ignore[literal-required]
    return {**own, "source_id": source_id, "metadata": source["metadata"]}  # type: ignore[typeddict-item]


def _own_again(stage: PartStage, row: VideoRow, source: SourceRow, same: str | None) -> VideoRow:
    """The row of a file that has bytes again which it had before: what was found then holds.

    Timelines, picks and clips of these bytes lie in the part of that time.
    """
    if same is None or same != row["uri"]:
        return row
    videos = stage.layout.scanned(stage.scan, "videos", "part-*")
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
