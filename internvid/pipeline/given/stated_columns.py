"""What a table of clips states of each row, as SQL: its file, its span, its text and the rest.

The layouts of published tables are known to `internvid.curate.tables`; here is what a build needs
beside them: which file a row is about, and on which clock its times are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from internvid.collect.fetching.result_table import VIDEO_KEYS
from internvid.core.errors import ConfigInvalidError
from internvid.curate.tables.expressions import (
    NULL_TEXT,
    is_absent_sql,
    is_number,
    is_text,
    number_sql,
    quoted_text,
    text_sql,
)
from internvid.curate.tables.known_layouts import Columns, named_layout, plain_name
from internvid.curate.tables.rows import Rows
from internvid.dataset.answers.column_views import quoted_name
from internvid.pipeline.given.source_keys import FETCHED

if TYPE_CHECKING:
    import duckdb

PREFIX = "given_"
"""How columns of the table are called beside those of clips."""
FILE_COLUMNS = (
    "path", "uri", "file_name", "file_path", "media_path", "video_path", "video", "file",
)  # fmt: skip
MOST_KEYS = 200
"""So many keys of a column of JSON objects become columns; the rest stays JSON."""
# Of the source; an export has the metadata of its source there.
_NOT_OF_CLIPS = VIDEO_KEYS | {"metadata"}
_BOTH_TIMES = ("start_seconds", "end_seconds")
_OWN = frozenset({"own", "files"})
_YOUTUBE = frozenset({
    "internvid", "koala-36m", "panda-70m", "hd-vila-100m", "howto100m", "youcook2",
    "activitynet-captions",
})  # fmt: skip
_YOUTUBE_ID = "^[A-Za-z0-9_-]{11}$"
# Beside a path: what became of the file, and where it begins.
_OF_THE_FILE = ("offset_seconds", "status", "reason")
# Lists of one entry, written as Python literals: the entry itself is what is wanted.
_IN_LISTS = frozenset({"matching_score", "desirable_filtering", "shot_boundary_detection"})
_ENTRY = r"""^\s*\[\s*['"]?(.*?)['"]?\s*\]\s*$"""
_KEPT_FAULTS = ("no_time", "malformed_time", "broken_text")


@dataclass(frozen=True)
class StatedColumns:
    """A table's rows as SQL.

    Attributes:
        query: SELECT of `place`, `line`, `name` (of the file as written, null where the table has
            no such column), `clip_name`, `video_name` and `file_stem` (stems that a file may have),
            `source_id`, `start_seconds`, `end_seconds` (both null: the whole file), `fault`,
            `caption`, `unfetched` (why there is no file, null where there is), `address` and
            `source_metadata` (JSON: what belongs to the source), then the further columns.
        kinds: further column -> its type (`int64`, `double`, `bool`, `string`).
        has_file_column: whether `name` is ever there.
    """

    query: str
    kinds: Mapping[str, str]
    has_file_column: bool


def stated_columns(rows: Rows, view: str, file_column: str | None = None) -> StatedColumns:
    """How to read a table of clips for a build.

    Args:
        rows: the opened table.
        view: the name of a view over `rows.relation`.
        file_column: that names files of an export, of which each is a clip; None for the first of
            the usual names.

    Raises:
        ConfigInvalidError: a column of times or offsets is of no use.
    """
    described = dict(zip(rows.relation.columns, map(str, rows.relation.types), strict=True))
    own = {name: described[name] for name in rows.columns}
    columns = Columns(own)
    layout = named_layout(rows.layout)
    is_export = file_column is not None and columns.first((file_column,)) is not None
    if not is_export:
        file_column = _file_column(columns, rows.layout)
    name = _text(columns, file_column)
    start, end = _times(columns, rows.layout)
    # A file of an export is a clip, whatever its row says of where that was.
    whole = "true" if is_export else _is_clip(columns, rows.layout, name)
    start, end = (f"case when not {whole} then {each} end" for each in (start, end))
    used = {file_column, columns.first(layout.caption), *_time_columns(columns, rows.layout)}
    if columns.first(("path",)) is not None:
        used |= {columns.first((each,)) for each in _OF_THE_FILE}
    others = {name: kind for name, kind in own.items() if name not in used}
    further = _further(rows.connection, view, others, rows.layout)
    times = {
        f"{PREFIX}{name}": _stated_time(name, further.pop(f"{PREFIX}{name}", None))
        for name in _BOTH_TIMES
    }
    stated = {
        "place": "row_place",
        "line": "row_line",
        "name": name,
        "clip_name": _clip_name(columns, rows.layout),
        "video_name": r"regexp_replace(source_id, '^youtube:', '')",
        "file_stem": _stem(name),
        "source_id": _source_id(columns, rows.layout),
        "start_seconds": start,
        "end_seconds": end,
        "fault": f"case when not {whole} then {_fault(columns, rows.layout)} end",
        "caption": "nullif(trim(row_caption), '')",
        "unfetched": _unfetched(columns),
        "address": _address(columns, file_column),
        "source_metadata": _metadata(columns),
    }
    chosen = {**stated, **times, **{name: sql for name, (sql, _) in further.items()}}
    selected = ", ".join(f"{sql} as {quoted_name(name)}" for name, sql in chosen.items())
    kinds = dict.fromkeys(times, "double") | {name: kind for name, (_, kind) in further.items()}
    return StatedColumns(f"select {selected} from {view}", kinds, file_column is not None)


def _file_column(columns: Columns, layout: str) -> str | None:
    """The column that names files: a published table may have been given one."""
    choices = FILE_COLUMNS if layout in _OWN else FILE_COLUMNS[:2]
    if layout == "openvid-1m":
        choices = (*choices, "video")
    return columns.first(choices)


def _text(columns: Columns, name: str | None) -> str:
    if name is None:
        return NULL_TEXT
    return f"nullif(trim({text_sql(quoted_name(name), columns.kinds[name])}), '')"


def _clip_name(columns: Columns, layout: str) -> str:
    """The stem of a file that is the one clip, where files are published under such names."""
    if layout == "internvid":
        names = ("YoutubeID", "Start_timestamp", "End_timestamp")
        return " || '_' || ".join(_text(columns, columns.first((each,))) for each in names)
    if layout == "koala-36m":
        return _text(columns, columns.first(("videoID",)))
    return _stem(_text(columns, columns.first(named_layout(layout).key)))


def _stem(name: str) -> str:
    return rf"regexp_replace({name}, '^.*/|[.][A-Za-z0-9]{{1,4}}$', '', 'g')"


def _is_clip(columns: Columns, layout: str, name: str) -> str:
    """Whether a file is called by the `clip_id` of its row: as an export calls the clip itself."""
    clip_id = columns.first(("clip_id",))
    if layout not in _OWN or clip_id is None:
        return "false"
    return f"coalesce(starts_with({_stem(name)}, {_text(columns, clip_id)}), false)"


def _source_id(columns: Columns, layout: str) -> str:
    """What belongs together: as in a table of sources, else the published video."""
    stated = _text(columns, columns.first(("source_id",)))
    youtube = columns.first(("YoutubeID", "youtube_id"))
    if youtube is not None or layout in _YOUTUBE:
        text = "source_id" if youtube is None else _text(columns, youtube)
        known = f"regexp_full_match({text}, {quoted_text(_YOUTUBE_ID)})"
        return f"coalesce({stated}, case when {known} then 'youtube:' || {text} else {text} end)"
    if layout in _OWN:
        return stated
    return "nullif(trim(source_id), '')"


def _times(columns: Columns, layout: str) -> tuple[str, str]:
    """Both times within the local file: those on the clock of the source, less where it begins."""
    if not _states_times(layout):
        return "null::double", "null::double"
    offset = columns.first(("offset_seconds",))
    if offset is None:
        return "start_seconds::double", "end_seconds::double"
    kind = columns.kinds[offset]
    if not (is_number(kind) or is_text(kind)):
        raise ConfigInvalidError(
            f"the column {offset!r} is {kind}, not a number of seconds",
            hint="it says where the local file begins on the clock of start_seconds",
        )
    shift = f"coalesce({number_sql(quoted_name(offset), kind)}, 0)"
    return f"start_seconds - {shift}", f"end_seconds - {shift}"


def _states_times(layout: str) -> bool:
    """Whether rows of a layout are parts of videos, and not whole ones."""
    known = named_layout(layout)
    return bool(known.start or known.span or known.expands)


def _time_columns(columns: Columns, layout: str) -> set[str | None]:
    """Columns of the source, and of both times: these come along as numbers."""
    known = named_layout(layout)
    return {columns.first(each) for each in (known.start, known.end, known.span, ("source_id",))}


def _fault(columns: Columns, layout: str) -> str:
    """Why a row states no span that can be looked for; null where it does."""
    kept = ", ".join(map(quoted_text, _KEPT_FAULTS))
    fault = f"case when row_fault in ({kept}) then row_fault end"
    if not _states_times(layout):
        return f"nullif(nullif({fault}, 'no_time'), 'malformed_time')"
    if layout not in _OWN:
        return fault
    # A row without any times is about the whole file. One of a table of files may lack an id, and
    # that would be its first fault: so its times are looked at here.
    known = named_layout(layout)
    names = [name for each in (known.start, known.end) if (name := columns.first(each))]
    absent = [is_absent_sql(quoted_name(name), columns.kinds[name]) for name in names] or ["true"]
    return (
        "case when row_fault = 'broken_text' then row_fault "
        "when start_seconds is not null and end_seconds is not null then null "
        f"when {' and '.join(absent)} then null "
        f"when {' or '.join(absent)} then 'no_time' else 'malformed_time' end"
    )


def _unfetched(columns: Columns) -> str:
    """What a table of fetched files says of a row that has none."""
    status, path = columns.first(("status",)), columns.first(("path",))
    if status is None or path is None:
        return NULL_TEXT
    state, reason = _text(columns, status), _text(columns, columns.first(("reason",)))
    fetched = ", ".join(map(quoted_text, FETCHED))
    return (
        f"case when lower(coalesce({state}, '')) not in ({fetched}) then "
        f"concat_ws(', ', coalesce({state}, 'no status'), {reason}) end"
    )


def _address(columns: Columns, file_column: str | None) -> str:
    """Where a file came from, beside a path."""
    uri = columns.first(("uri",))
    return NULL_TEXT if uri == file_column else _text(columns, uri)


def _metadata(columns: Columns) -> str:
    name = columns.first(("metadata",))
    if name is None:
        return NULL_TEXT
    column, kind = quoted_name(name), columns.kinds[name]
    return f"{column}::varchar" if _is_plain(kind) else f"to_json({column})::varchar"


def _further(
    connection: duckdb.DuckDBPyConnection, view: str, others: Mapping[str, str], layout: str
) -> dict[str, tuple[str, str]]:
    """The other columns of a table: name beside clips -> (SQL, type)."""
    further: dict[str, tuple[str, str]] = {}
    has_lists = named_layout(layout).expands == "literals"
    for name, kind in others.items():
        column = quoted_name(name)
        if kind.upper() in ("BLOB", "BYTEA", "BINARY", "VARBINARY"):
            continue  # the videos themselves
        if has_lists and plain_name(name) in _IN_LISTS:
            entry = f"regexp_extract({column}, {quoted_text(_ENTRY)}, 1)"
            shown = _free_name(name, further)
            further[shown] = _typed(entry, "VARCHAR")
            if plain_name(name) == "matching_score":
                further[shown] = number_sql(entry, "VARCHAR"), "double"
            continue
        if name.lower() == "metadata" and (is_text(kind) or not _is_plain(kind)):
            found = _keys_of(connection, view, column, kind)
            further |= {_free_name(key, further): value for key, value in found.items()}
            continue
        further[_free_name(name, further)] = _typed(column, kind)
    return further


def _typed(column: str, kind: str) -> tuple[str, str]:
    """(SQL, type) of a column as clips have it."""
    kind = kind.upper()
    if kind == "BOOLEAN":
        return column, "bool"
    if kind in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"):
        return f"{column}::bigint", "int64"
    if is_number(kind):
        return number_sql(column, kind), "double"
    if is_text(kind):
        return f"nullif({text_sql(column, kind)}, '')", "string"
    return (f"{column}::varchar" if _is_plain(kind) else f"to_json({column})::varchar"), "string"


def _is_plain(kind: str) -> bool:
    return not (kind.endswith("]") or kind.upper().startswith(("STRUCT", "MAP", "UNION", "JSON")))


def _keys_of(
    connection: duckdb.DuckDBPyConnection, view: str, column: str, kind: str
) -> dict[str, tuple[str, str]]:
    """Keys of a column of JSON objects that hold plain values: key -> (SQL, type)."""
    value = f"try_cast({column} as json)" if is_text(kind) else f"to_json({column})"
    (shape,) = connection.execute(f"select json_group_structure({value}) from {view}").fetchone()  # type: ignore[misc]
    shapes: Any = json.loads(shape) if shape else {}
    if not isinstance(shapes, dict) or not shapes:
        return {"metadata": _typed(column, kind)}
    of_clips = {key: shapes[key] for key in shapes if key not in _NOT_OF_CLIPS}
    plain = {key: str(each) for key, each in of_clips.items() if isinstance(each, str)}
    chosen = {key: each for key, each in list(plain.items())[:MOST_KEYS] if each != "NULL"}
    keys: dict[str, tuple[str, str]] = {}
    for key, each in chosen.items():
        path = "$." + json.dumps(key, ensure_ascii=False)
        text = f"json_extract_string({value}, {quoted_text(path)})"
        if each == "BOOLEAN":
            keys[key] = f"try_cast({text} as boolean)", "bool"
        elif each == "BIGINT":
            keys[key] = f"try_cast({text} as bigint)", "int64"
        elif is_number(each):
            keys[key] = number_sql(text, "VARCHAR"), "double"
        else:
            keys[key] = f"nullif({text}, '')", "string"
    # What has no column of its own stays where it can be read.
    if len(plain) < len(of_clips) or len(plain) > MOST_KEYS:
        keys["metadata"] = f"{value}::varchar", "string"
    return keys


def _stated_time(name: str, of_export: tuple[str, str] | None) -> str:
    """A time as the table states it; of an exported clip, where it was in its source."""
    stated = number_sql(name, "DOUBLE")
    if of_export is None or of_export[1] not in ("double", "int64"):
        return stated
    return f"coalesce({stated}, {of_export[0]})"


def _free_name(name: str, taken: Mapping[str, Any]) -> str:
    plain = PREFIX + (re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_") or "column")
    shown, number = plain, 2
    while shown in taken:
        shown, number = f"{plain}_{number}", number + 1
    return shown
