"""The published form of InternVid: ids, times, captions and scores as JSON lines, no pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from internvid.core.contracts import ExportItems
from internvid.dataset.answers.column_views import quoted_name
from internvid.dataset.parts import committed
from internvid.publishing.clip_items import SOURCE_URI
from internvid.publishing.members import refuse_unknown_column

if TYPE_CHECKING:
    import duckdb

_ROWS_AT_ONCE = 1 << 16
# `watch?v=ID` and the other forms of an address, as `curate.exclusions.source_names` knows them.
_ADDRESS = (
    r"^https?://(?:www[.]|m[.])?(?:youtu[.]be/|youtube(?:-nocookie)?[.]com/"
    r"(?:embed/|shorts/|live/|v/|watch[?](?:[^#]*&)?v=))([A-Za-z0-9_-]{11})(?:[^A-Za-z0-9_-]|$)"
)
_YOUTUBE = "youtube:"


@dataclass(frozen=True)
class InternVidExporter:
    """`clips.jsonl`: a line for each clip, with the keys of the published files of InternVid.

    `YoutubeID`, `Start_timestamp`, `End_timestamp` (`HH:MM:SS.mmm`), `Caption`, `Aesthetic_Score`
    and `UMT_Score`; the last three only where clips have such a column. If a source is no YouTube
    video, every line has `uri` too, and `YoutubeID` is null where there is none.

    Attributes:
        caption: the column of `Caption`.
        aesthetic: the column of `Aesthetic_Score`.
        similarity: the column of `UMT_Score`.
    """

    version: ClassVar[int] = 1
    caption: str = "measured"
    aesthetic: str = "aesthetic"
    similarity: str = "similarity"

    def check(self, columns: Mapping[str, str]) -> None:
        """Refuse columns that clips do not have, but for the usual ones.

        Raises:
            ConfigInvalidError: no column is called so.
        """
        for name in ("caption", "aesthetic", "similarity"):
            column = getattr(self, name)
            if column not in ("", getattr(type(self), name)):
                refuse_unknown_column(column, columns, name)

    def export(self, items: ExportItems, folder: Path) -> dict[str, Any]:
        """Write all lines; no source is opened."""
        rows = items.relation()
        seconds = "coalesce(sum(end_seconds - start_seconds), 0)"
        others = f"count(*) filter (where {_youtube_id()} is null)"
        ((length, other),) = rows.aggregate(f"{seconds}, {others}").fetchall()
        clips = 0
        with committed(folder / "clips.jsonl") as temporary, temporary.open("wb") as file:
            for lines in self._lines(rows, set(items.schema.names), has_others=other > 0):
                clips += len(lines)
                file.write(_joined(lines))
        return {
            "files": ["clips.jsonl"],
            "clips": clips,
            "hours": round(length / 3600, 6),
            "missing": [],
        }

    def _lines(
        self, rows: duckdb.DuckDBPyRelation, columns: set[str], *, has_others: bool
    ) -> Iterator[pa.StringArray]:
        keys = {"YoutubeID": _youtube_id()}
        if has_others:
            keys["uri"] = SOURCE_URI
        keys |= {"Start_timestamp": _time("start_seconds"), "End_timestamp": _time("end_seconds")}
        for key, column in (
            ("Caption", self.caption),
            ("Aesthetic_Score", self.aesthetic),
            ("UMT_Score", self.similarity),
        ):
            if column in columns:
                keys[key] = quoted_name(column)
        made = ", ".join(f"{key} := {value}" for key, value in keys.items())
        lines = rows.project(f"to_json(struct_pack({made}))::varchar as line")
        with lines.to_arrow_reader(_ROWS_AT_ONCE) as reader:
            for batch in reader:
                yield batch.column(0)


def _joined(lines: pa.StringArray) -> memoryview:
    """Lines with their ends, as they go to a file."""
    if not len(lines):
        return memoryview(b"")
    ended = pc.binary_join_element_wise(lines, "", "\n")
    ends = pa.array([0, len(ended)], pa.int32())
    whole = pc.binary_join(pa.ListArray.from_arrays(ends, ended), "")
    return memoryview(whole[0].as_buffer())


def _youtube_id() -> str:
    """The YouTube id of a row's source, or null."""
    given = f"starts_with(source_id, '{_YOUTUBE}')"
    stated = f"substr(source_id, {len(_YOUTUBE) + 1})"
    found = f"nullif(regexp_extract({SOURCE_URI}, '{_ADDRESS}', 1), '')"
    return f"case when {given} then {stated} else {found} end"


def _time(seconds: str) -> str:
    """Seconds as `HH:MM:SS.mmm`, to the nearest millisecond."""
    whole = f"round({seconds} * 1000)::bigint"
    parts = (
        f"{whole} // 3600000",
        f"{whole} // 60000 % 60",
        f"{whole} // 1000 % 60",
        f"{whole} % 1000",
    )
    return f"printf('%02d:%02d:%02d.%03d', {', '.join(parts)})"
