"""Standard columns: SQL that adds to a table's own columns what every table of clips has.

All of it are expressions over the scan, in projections on top of each other: a query that does not
use a column does not compute it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from internvid.core.errors import MisuseError
from internvid.curate.tables.expressions import (
    NULL_SECONDS,
    NULL_TEXT,
    is_absent_sql,
    is_no_number_sql,
    is_number,
    is_text,
    number_sql,
    quoted_text,
    seconds_sql,
    text_sql,
)
from internvid.curate.tables.keys import name_key_sql, row_key_query
from internvid.curate.tables.known_layouts import Columns, Layout
from internvid.dataset.answers.column_views import quoted_name
from internvid.dataset.duckdb_connection import quoted

ROW_COLUMNS = ("row_key", "row_fault", "row_line", "row_place", "row_caption")
# A place is the number of a file and, in the lower bits, of a row in it.
PLACE_BITS = 40
# What a converted table knows beside its own columns; no table may have such names.
HIDDEN = "internvid_"
LINE, FAULT, START, END, CAPTION = (
    HIDDEN + name for name in ("line", "fault", "start", "end", "caption")
)
OFFSET, LENGTH, FILE = (HIDDEN + name for name in ("offset", "length", "file"))
_TAKEN = (*ROW_COLUMNS, "file_row_number", "file_index")
ROW_FAULTS = (
    "no_id",
    "no_time",
    "malformed_time",
    "negative_time",
    "reversed_time",
    "out_of_video",
    "broken_text",
    "bad_type",
)
"""What `row_fault` says of rows."""
_TIMES = frozenset({"start_seconds", "end_seconds", "duration_seconds"})
# How long a video is at most longer than its frames say: a rounded second, or a frame.
_TIME_FAULTS = frozenset({"no_time", "malformed_time", "negative_time", "reversed_time"})
_VIDEO_SLACK_SECONDS = 1.0


@dataclass(frozen=True)
class Scan:
    """Parquet files that hold a table's rows.

    Attributes:
        files: in the order of the input.
        kinds: DuckDB's type of each own column.
        hidden: columns beside them, of a converted table.
        layout: what the own columns mean.
        is_uniform: whether all files have equal columns.
        inside: DuckDB's type of each part of a column that the layout reads.
    """

    files: tuple[Path, ...]
    kinds: Mapping[str, str]
    hidden: frozenset[str]
    layout: Layout
    is_uniform: bool = True
    inside: Mapping[str, str] = field(default_factory=dict)


def refuse_taken_names(columns: Sequence[str], source: Path | str) -> None:
    """Refuse a table whose columns are called what rows are given here.

    Raises:
        MisuseError: one is, or two are one name to DuckDB, which knows no capitals.
    """
    lowered = [name.lower() for name in columns]
    for name in columns:
        if name.lower() in _TAKEN or name.lower().startswith(HIDDEN):
            raise MisuseError(
                f"{source} has a column {name!r}, a name that is given to rows here",
                hint="rename that column of the table",
            )
        if lowered.count(name.lower()) > 1:
            raise MisuseError(
                f"{source} has two columns {name!r} (capitals do not tell columns apart)",
                hint="rename one of them",
            )


def scan_sql(files: Sequence[Path], *, is_uniform: bool = True) -> str:
    """The rows of Parquet files, as a table function."""
    union = "" if is_uniform else ", union_by_name = true"
    return f"read_parquet({quoted(files)}{union}, hive_partitioning = false)"


def standard_sql(scan: Scan) -> str:
    """SELECT of a table's own columns and the standard ones."""
    own = [_own(name, kind) for name, kind in scan.kinds.items()]
    parts = _parts(scan)
    added = {
        "source_id": "internvid_source_id",
        "start_seconds": "internvid_start_seconds",
        "end_seconds": "internvid_end_seconds",
        "duration_seconds": parts["duration"],
        "caption": parts["caption"],
    }
    taken = {name.lower() for name in scan.kinds}
    standard = [f"{sql} as {name}" for name, sql in added.items() if name not in taken]
    key = parts["name_key"] or "internvid_key"
    rows = (
        f"select *, {name_key_sql('internvid_source_id')} as internvid_named from (select *, "
        f"file_index, file_row_number, {parts['source']} as internvid_source_id, {parts['start']} "
        f"as internvid_start_seconds, {parts['end']} as internvid_end_seconds from "
        f"{scan_sql(scan.files, is_uniform=scan.is_uniform)})"
    )
    if not parts["name_key"]:
        start, end = "internvid_start_seconds", "internvid_end_seconds"
        rows = row_key_query(rows, "internvid_named", "internvid_key", start=start, end=end)
    return (
        f"select {', '.join([*own, *standard])}, {key} as row_key, {parts['fault']} as row_fault, "
        f"{_line(scan)} as row_line, (file_index::bigint << {PLACE_BITS}) | file_row_number::bigint"
        f" as row_place, {parts['caption']} as row_caption from ({rows})"
    )


def _own(name: str, kind: str) -> str:
    """A column of the table; one with a standard name as its standard type."""
    column, standard = quoted_name(name), name.lower()
    if standard == "source_id" and kind.upper() != "VARCHAR":
        return f"{text_sql(column, kind)} as {column}"
    if standard in _TIMES and not is_number(kind):
        return f"{seconds_sql(column, kind)} as {column}"
    return column


def _line(scan: Scan) -> str:
    return LINE if LINE in scan.hidden else "file_row_number::bigint + 1"


def _parts(scan: Scan) -> dict[str, str]:
    columns, layout = Columns(scan.kinds, scan.inside), scan.layout
    key = columns.first(layout.key)
    start, end = _times(scan, columns)
    duration = _duration(columns, layout)
    if start != NULL_SECONDS and end == NULL_SECONDS and duration:
        end = f"({start}) + ({duration})"
    caption = columns.first(layout.caption)
    return {
        "source": _source(columns, layout),
        "start": start,
        "end": end,
        "duration": duration or "internvid_end_seconds - internvid_start_seconds",
        "caption": CAPTION if CAPTION in scan.hidden else _text(columns, caption),
        "name_key": name_key_sql(_text(columns, key)) if key else "",
        "fault": _fault(scan, columns, duration),
    }


def _text(columns: Columns, name: str | None) -> str:
    return NULL_TEXT if name is None else text_sql(columns.sql(name), columns.kinds[name])


def _source(columns: Columns, layout: Layout) -> str:
    text = _text(columns, columns.first(layout.source))
    if layout.source_pattern is None:
        return text
    return f"regexp_extract({text}, {quoted_text(layout.source_pattern)}, 1)"


def _times(scan: Scan, columns: Columns) -> tuple[str, str]:
    if START in scan.hidden:
        return seconds_sql(START, "VARCHAR"), seconds_sql(END, "VARCHAR")
    layout = scan.layout
    span = columns.first(layout.span)
    if span is not None:
        return _span(columns.sql(span), columns.kinds[span])
    return _time(columns, layout.start, layout), _time(columns, layout.end, layout)


def _time(columns: Columns, choices: Sequence[str], layout: Layout) -> str:
    name = columns.first(choices)
    if name is None:
        return NULL_SECONDS
    seconds = seconds_sql(columns.sql(name), columns.kinds[name])
    if layout.ticks is None:
        return seconds
    if isinstance(layout.ticks, float):
        return f"({seconds}) / {layout.ticks!r}"
    rate = columns.first((layout.ticks,))
    if rate is None:
        return NULL_SECONDS
    fps = number_sql(columns.sql(rate), columns.kinds[rate])
    return f"({seconds}) / nullif(greatest({fps}, 0), 0)"


def _span(column: str, kind: str) -> tuple[str, str]:
    """Both times of a column that holds two: a list, or the text of one."""
    if kind.endswith("[]"):
        element = kind[:-2]
        return seconds_sql(f"{column}[1]", element), seconds_sql(f"{column}[2]", element)
    pattern = r"^\s*\[\s*[''\"]?([-0-9:.]+)[''\"]?\s*,\s*[''\"]?([-0-9:.]+)[''\"]?\s*\]\s*$"
    first, second = (f"regexp_extract({column}, '{pattern}', {group})" for group in (1, 2))
    return seconds_sql(first, "VARCHAR"), seconds_sql(second, "VARCHAR")


def _duration(columns: Columns, layout: Layout) -> str:
    name = columns.first(layout.duration)
    if name is None:
        return ""
    column, kind = columns.sql(name), columns.kinds[name]
    if layout.name != "webvid" or not is_text(kind):
        return seconds_sql(column, kind)
    # ISO 8601, always with all three parts: PT00H00M17S.
    hours, minutes, seconds = (
        f"try_cast(regexp_extract({column}, '^PT([0-9]+)H([0-9]+)M([0-9.]+)S$', {group}) as double)"
        for group in (1, 2, 3)
    )
    return f"{hours} * 3600 + {minutes} * 60 + {seconds}"


def _fault(scan: Scan, columns: Columns, duration: str) -> str:
    """Why a row is not sound, in one word, or null; what comes first holds."""
    layout = scan.layout
    cases: list[tuple[str, str]] = []
    for name in dict.fromkeys((columns.first(layout.source), columns.first(layout.key))):
        if name is not None:
            cases.append((is_absent_sql(columns.sql(name), columns.kinds[name]), "no_id"))
    has_times = START in scan.hidden or bool(columns.first((*layout.start, *layout.span)))
    if has_times:
        cases += _time_faults(scan, columns, has_duration=bool(duration))
    elif duration:
        stated = columns.first(layout.duration) or ""
        column = columns.sql(stated)
        cases += [
            (is_absent_sql(column, columns.kinds[stated]), "no_time"),
            (f"({duration}) is null", "malformed_time"),
            (f"({duration}) < 0", "negative_time"),
            (f"({duration}) = 0", "reversed_time"),
        ]
    for number in layout.numbers:
        known = columns.first((number,))
        if known is not None and known not in _time_columns(columns, layout):
            cases.append((is_no_number_sql(columns.sql(known), columns.kinds[known]), "bad_type"))
    cases = [(test, fault) for test, fault in cases if test != "false"]
    arms = " ".join(f"when {test} then '{fault}'" for test, fault in cases)
    if has_times:
        # Nearly all rows are sound: that is one test, which parses each time as seldom as can be.
        others = [test for test, fault in cases if fault not in _TIME_FAULTS]
        sound = ["internvid_start_seconds >= 0", "internvid_end_seconds > internvid_start_seconds"]
        sound += [f"(({test}) is not true)" for test in others]
        arms = f"when {' and '.join(sound)} then null {arms}"
    # Reading a line comes before understanding it: what failed there is the reason.
    kept = FAULT if FAULT in scan.hidden else NULL_TEXT
    return f"case when {kept} is not null then {kept} {arms} end"


def _time_columns(columns: Columns, layout: Layout) -> set[str]:
    groups = (layout.start, layout.end, layout.span, layout.duration)
    return {name for name in map(columns.first, groups) if name is not None}


def _time_faults(scan: Scan, columns: Columns, *, has_duration: bool) -> list[tuple[str, str]]:
    layout = scan.layout
    start, end = "internvid_start_seconds", "internvid_end_seconds"
    names = [columns.first(each) for each in (layout.start, layout.end, layout.span)]
    if names[1] is None and names[0] is not None and has_duration:
        names[1] = columns.first(layout.duration)
    stated = {name: columns.kinds[name] for name in names if name is not None}
    if START in scan.hidden:
        stated = {START: "VARCHAR", END: "VARCHAR"}
    absent = [is_absent_sql(columns.sql(name), kind) for name, kind in stated.items()]
    # The texts are looked at only where they are no times: this is the common path of every query.
    unknown = f"({start} is null or {end} is null)"
    cases = [(f"{unknown} and ({' or '.join(absent)})", "no_time")] if absent else []
    cases += [
        (unknown, "malformed_time"),
        (f"{start} < 0 or {end} < 0", "negative_time"),
        (f"{end} <= {start}", "reversed_time"),
    ]
    length = columns.first(layout.video_seconds)
    if length is not None:
        seconds = seconds_sql(columns.sql(length), columns.kinds[length])
        cases.append((f"{end} > ({seconds}) + {_VIDEO_SLACK_SECONDS}", "out_of_video"))
    return cases
