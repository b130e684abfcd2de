"""Rows of clips in an order that nothing but the clips decides, streamed by DuckDB.

Sorting is done by DuckDB, which puts what memory does not hold into a folder of its own. Rows come
video by video and in time order, or group by group where groups of videos are given.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from internvid.conversations.documents.drawn import one_line
from internvid.dataset.answers.column_inputs import IS_STALE
from internvid.dataset.answers.column_views import quoted_name
from internvid.dataset.current import ONE_OF_EACH_VIDEO
from internvid.dataset.duckdb_connection import interruptible, quoted
from internvid.dataset.parts import checked_ids
from internvid.dataset.releases.origin import travelling_uri_sql
from internvid.dataset.store import Dataset
from internvid.publishing.texts.chat_turns import without_tokens

if TYPE_CHECKING:
    import duckdb

_ROWS_AT_ONCE = 4096
# What is over lies on the disk, where there is a folder for it.
_MEMORY = "1GB"
_ID = re.compile("[0-9a-f]{32}")
_FIXED = ("clip_id", "video_id", "source_id", "start_seconds", "end_seconds")


@dataclass(frozen=True)
class ClipRow:
    """A clip as documents need it.

    Attributes:
        clip_id, video_id, source_id: as in the dataset.
        uri: of the source, as it travels.
        start_seconds, end_seconds: in the source; None where the dataset has none.
        group: which group of videos it is in; its video where there are no groups.
        caption, transcript: in one line, without media tokens; empty where there is none.
        caption_column, transcript_column: that have these.
        values: further columns, by name.
        vector: of the clip; None where it has none.
        seconds_of_video: length of the source; None where it is not known.
        shots_of_video: how many shots it has; None where they were not counted.
    """

    clip_id: str
    video_id: str
    source_id: str
    uri: str | None
    start_seconds: float | None
    end_seconds: float | None
    group: str
    caption: str = ""
    transcript: str = ""
    caption_column: str = ""
    transcript_column: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    vector: Sequence[float] | None = field(default=None, repr=False)
    seconds_of_video: float | None = None
    shots_of_video: int | None = None

    @property
    def has_times(self) -> bool:
        """Whether both ends are known, in order, and not before the video."""
        start, end = self.start_seconds, self.end_seconds
        if start is None or end is None or not 0 <= start < end:
            return False
        # A container states its length in ticks: a last frame may be shown a little longer.
        known = self.seconds_of_video
        return known is None or start < known + 1.0


@dataclass(frozen=True)
class RowQuery:
    """Which clips are read, and which of their columns.

    Attributes:
        dataset: that has them.
        subset: only its clips.
        captions: columns with texts: of a clip the first one that has one.
        transcript: the column with what is spoken; empty for none.
        further: other columns; those that clips lack are passed over.
        vectors: a column of vectors, which is no column of `clips`; empty for none.
        keep_paths: give whole paths of local sources.
        scratch: a folder for what memory does not hold.
        with_shots: also count the shots of each video, those of rejected clips too.
    """

    dataset: Dataset
    subset: str | None
    captions: Sequence[str]
    transcript: str = ""
    further: Collection[str] = ()
    vectors: str = ""
    keep_paths: bool = False
    scratch: Path | None = None
    with_shots: bool = False

    @contextmanager
    def connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A DuckDB with the dataset's views, for statements of this room alone."""
        opened = self.dataset.unlocked()
        try:
            if self.scratch is not None:
                opened.execute(f"set memory_limit = '{_MEMORY}'")
                self.scratch.mkdir(parents=True, exist_ok=True)
                opened.execute(f"set temp_directory = '{_escaped(self.scratch)}'")
            with self.dataset.reading(), interruptible(opened):
                yield opened
        finally:
            opened.close()

    def rows(self, groups: Path | None = None) -> Iterator[ClipRow]:
        """The clips, video by video, in time order.

        Args:
            groups: a Parquet file of `video_id`, `group_number` and `place`: only these videos,
                group by group.
        """
        yield from self._streamed(groups, None)

    def of_videos(self, video_ids: Collection[str]) -> Iterator[ClipRow]:
        """The clips of some videos, as `rows` gives them.

        Args:
            video_ids: others than 32 hex digits name no video.
        """
        named = sorted(video_id for video_id in video_ids if _ID.fullmatch(video_id))
        if named:
            listed = ", ".join(f"'{video_id}'" for video_id in named)
            yield from self._streamed(None, f"found.video_id in ({listed})")

    def _streamed(self, groups: Path | None, condition: str | None) -> Iterator[ClipRow]:
        with self.connection() as opened:
            known = opened.sql("select * from clips limit 0").columns
            further = [name for name in self.further if name in known]
            relation = opened.sql(self._statement(further, groups, condition))
            for batch in relation.to_arrow_reader(_ROWS_AT_ONCE):
                for row in checked_ids(batch, self.dataset.root).to_pylist():
                    yield self._row(row, further)

    def counts(self) -> tuple[int, int, int]:
        """Clips, those of them with a caption, and those with a transcript."""
        texts = " or ".join(_has_text(name) for name in self.captions) or "false"
        spoken = _has_text(self.transcript) if self.transcript else "false"
        with self.connection() as opened:
            found = opened.sql(
                f"select count(*), count(*) filter (where {texts}), "
                f"count(*) filter (where {spoken}) from ({self._clips()}) found"
            ).fetchall()
        ((clips, captioned, with_speech),) = found
        return int(clips), int(captioned), int(with_speech)

    def has_vectors(self) -> bool:
        """Whether the dataset has that column, and it is one of vectors."""
        cut = self.dataset.record.cut or ""
        if self.vectors not in self.dataset.record.columns.get(cut, {}):
            return False
        with self.connection() as opened:
            view = quoted_name(f"column_{self.vectors}")
            schema = opened.sql(f"select value from {view} limit 0").to_arrow_table().schema
        return bool(pa.types.is_list(schema.field("value").type))

    def videos_statement(self) -> str:
        """A SELECT of the ids of videos that have a clip with a caption."""
        texts = " or ".join(_has_text(name) for name in self.captions) or "false"
        return f"select distinct video_id from ({self._clips()}) found where {texts}"

    def _clips(self) -> str:
        statement = "select * from clips"
        if self.subset is not None:
            path = quoted([self.dataset.subset_path(self.subset)])
            statement += f" semi join read_parquet({path}) using (clip_id)"
        return statement

    def _statement(self, further: Sequence[str], groups: Path | None, condition: str | None) -> str:
        names = [*_FIXED, *self.captions, *([self.transcript] if self.transcript else [])]
        shown = ", ".join(f"found.{quoted_name(name)}" for name in dict.fromkeys(names))
        for number, name in enumerate(further):
            shown += f", found.{quoted_name(name)} as further_{number}"
        uri = "of_video.uri" if self.keep_paths else travelling_uri_sql("of_video.uri")
        group, place = "found.video_id", ""
        joins = f"left join ({ONE_OF_EACH_VIDEO}) of_video using (video_id)"
        shots, vector = "null::bigint", "null::float[]"
        if self.vectors:
            known = f"select clip_id, value from {quoted_name(f'column_{self.vectors}')} "
            known += f"where status = 'ok' and not {IS_STALE}"
            joins += f" left join ({known}) vectors using (clip_id)"
            vector = "vectors.value"
        if self.with_shots:
            counted = "select video_id, count(distinct shot) as shots from all_clips group by all"
            joins += f" left join ({counted}) counted using (video_id)"
            shots = "counted.shots"
        if groups is not None:
            joins += f" join read_parquet({quoted([groups])}) grouped using (video_id)"
            group, place = "grouped.group_number::varchar", "group_number, place, "
        return (
            f"select {shown}, {uri} as uri_as_it_travels, {group} as group_name, "
            f"of_video.duration_seconds as seconds_of_video, {shots} as shots_of_video, "
            f"{vector} as vector "
            f"from ({self._clips()}) found {joins} where {condition or 'true'} "
            f"order by {place}found.video_id, found.start_pts, found.end_pts, found.clip_id"
        )

    def _row(self, row: Mapping[str, Any], further: Sequence[str]) -> ClipRow:
        texts = {name: one_line(row[name]) for name in self.captions}
        column = next((name for name, text in texts.items() if text), "")
        spoken = one_line(row[self.transcript]) if self.transcript else ""
        return ClipRow(
            clip_id=row["clip_id"],
            video_id=row["video_id"],
            source_id=str(row["source_id"] or row["video_id"]),
            uri=row["uri_as_it_travels"],
            start_seconds=row["start_seconds"],
            end_seconds=row["end_seconds"],
            group=row["group_name"],
            caption=without_tokens(texts.get(column, "")),
            transcript=without_tokens(spoken),
            caption_column=column,
            transcript_column=self.transcript,
            values={name: row[f"further_{number}"] for number, name in enumerate(further)},
            vector=row["vector"],
            seconds_of_video=row["seconds_of_video"],
            shots_of_video=row["shots_of_video"],
        )


def _has_text(column: str) -> str:
    return f"coalesce(trim({quoted_name(column)}), '') <> ''"


def _escaped(path: Path) -> str:
    return str(path).replace("'", "''")
