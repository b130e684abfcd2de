"""What is refused: values of a column, or single rows, each with the reason and what it matched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from internvid.core.errors import ConfigInvalidError
from internvid.curate.exclusions.similar_captions import CaptionIndex
from internvid.curate.exclusions.source_names import source_names
from internvid.dataset.answers.column_views import quoted_name

if TYPE_CHECKING:
    import duckdb

    from internvid.dataset.store import Dataset

SOURCE_COLUMNS = (
    "source_id", "video_source_id", "uri", "video_uri", "url", "YoutubeID", "youtube_id",
)  # fmt: skip
"""Columns in which a source is named, where a table has them.

`video_source_id` is what a dataset calls the source now, `source_id` when its clips were cut.
"""
_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class ValueVerdict:
    """Refuses all rows with certain values.

    Attributes:
        reason: why.
        column: whose values they are.
        values: value -> what it matched; None stands for null.
    """

    reason: str
    column: str
    values: Mapping[Any, str | None]

    def condition(self) -> str:
        """SQL that is true for the rows."""
        texts = ", ".join(
            "'" + value.replace("'", "''") + "'" for value in self.values if value is not None
        )
        parts = [f"{quoted_name(self.column)}::varchar in ({texts})"] if texts else []
        parts += [f"{quoted_name(self.column)} is null"] if None in self.values else []
        return " or ".join(parts) or "false"

    def rows(self, table: duckdb.DuckDBPyRelation) -> Iterator[tuple[int, str | None]]:
        """(row_key, what it matched) of each row."""
        chosen = table.filter(self.condition())
        for key, value in keyed(chosen, self.column):
            yield key, self.values[value]


@dataclass(frozen=True)
class RowVerdict:
    """Refuses single rows.

    Attributes:
        reason: why.
        found: row_key -> what it matched.
    """

    reason: str
    found: Mapping[int, str | None]

    def condition(self) -> str:
        """SQL that is true for the rows."""
        keys = ", ".join(map(str, self.found))
        return f"row_key in (select unnest([{keys}]::ubigint[]))" if keys else "false"

    def rows(self, table: duckdb.DuckDBPyRelation) -> Iterator[tuple[int, str | None]]:
        """(row_key, what it matched) of each row."""
        yield from self.found.items()


Refusal = ValueVerdict | RowVerdict


def refuse_sources(
    table: duckdb.DuckDBPyRelation, listed: Iterable[str], reason: str
) -> list[Refusal]:
    """Rows whose source is listed, however either is written; one refusal a column.

    Raises:
        ConfigInvalidError: the table names no sources.
    """
    matched = _matcher(listed)
    there = [name for name in SOURCE_COLUMNS if name in table.columns]
    if not there:
        column_of(table, "", SOURCE_COLUMNS, "ids")
    return [_of_values(table, column, matched, reason) for column in there]


def refuse_copies(dataset: Dataset, listed: Iterable[str], reason: str) -> Refusal:
    """Clips of videos that have a second source, of equal bytes, with a listed name."""
    matched = _matcher(listed)
    found: dict[str, str | None] = {}
    for video_id, *names in dataset.sql(
        "select video_id, source_id, uri from videos where status = 'duplicate' order by all"
    ).fetchall():
        for by in filter(None, map(matched, names)):
            found.setdefault(video_id, by)
    return ValueVerdict(reason, "video_id", found)


def _matcher(listed: Iterable[str]) -> Callable[[str | None], str | None]:
    """What a name of a source is matched by, however either is written."""
    known: dict[str, str] = {}
    for entry in listed:
        for name in sorted(source_names(entry)):
            known.setdefault(name, entry)

    def matched(value: str | None) -> str | None:
        names = source_names(value) if value else ()
        return next((known[name] for name in sorted(names) if name in known), None)

    return matched


def refuse_values(
    table: duckdb.DuckDBPyRelation, column: str, listed: Iterable[str], reason: str
) -> Refusal:
    """Rows with a listed value, capitals aside."""
    known = {entry.casefold(): entry for entry in listed}
    return _of_values(
        table, column, lambda value: known.get((value or "").strip().casefold()), reason
    )


def refuse_licences(
    table: duckdb.DuckDBPyRelation, column: str, allowed: Sequence[str], *, unknown: bool
) -> Refusal:
    """Rows whose licence is none of the allowed ones, capitals aside.

    Args:
        table: rows.
        column: that states the licence; null and blanks state none.
        allowed: licences.
        unknown: whether rows that state none are allowed.
    """
    known = {licence.strip().casefold() for licence in allowed}
    refused: dict[str | None, str | None] = {}
    for value in _distinct(table, column):
        stated = (value or "").strip()
        if not (stated.casefold() in known if stated else unknown):
            refused[value] = stated or None
    return ValueVerdict("licence", column, refused)


def refuse_captions(
    table: duckdb.DuckDBPyRelation, column: str, index: CaptionIndex, reason: str
) -> Refusal:
    """Rows whose caption says what one of a list says."""
    found: dict[int, str | None] = {}
    for key, value in keyed(table, column):
        matched = index.nearest(value) if value else None
        if matched is not None:
            found[key] = matched
    return RowVerdict(reason, found)


def refuse_clips(
    table: duckdb.DuckDBPyRelation, clips: Mapping[str, str | None], reason: str
) -> Refusal:
    """Rows of certain clips: clip_id -> what they matched."""
    column = column_of(table, "clip_id", (), "videos")
    return ValueVerdict(reason, column, {**clips})


def keyed(table: duckdb.DuckDBPyRelation, column: str) -> Iterator[tuple[int, str | None]]:
    """(row_key, value) of all rows, some read at a time."""
    rows = table.project(f"row_key, {quoted_name(column)}::varchar")
    for batch in rows.to_arrow_reader(_ROWS_AT_ONCE):
        yield from zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)


def column_of(
    table: duckdb.DuckDBPyRelation, named: str, usual: Sequence[str], needed_by: str
) -> str:
    """The column that is named, or the first usual one.

    Raises:
        ConfigInvalidError: there is none.
    """
    there = {name.lower(): name for name in table.columns}
    wanted = (named,) if named else usual
    found = next((there[name.lower()] for name in wanted if name.lower() in there), None)
    if found is None:
        raise ConfigInvalidError(
            f"{needed_by!r} needs a column {' or '.join(wanted)}, and there is none",
            hint=f"columns are: {', '.join(table.columns)}",
        )
    return found


def _of_values(
    table: duckdb.DuckDBPyRelation,
    column: str,
    matched: Callable[[str | None], str | None],
    reason: str,
) -> ValueVerdict:
    # A source has many clips: each value is judged once, and only those that match are kept.
    refused: dict[str | None, str | None] = {}
    for value in _distinct(table, column):
        by = matched(value)
        if by is not None:
            refused[value] = by
    return ValueVerdict(reason, column, refused)


def _distinct(table: duckdb.DuckDBPyRelation, column: str) -> Iterator[str | None]:
    values = table.project(f"{quoted_name(column)}::varchar as value").distinct()
    for batch in values.to_arrow_reader(_ROWS_AT_ONCE):
        yield from batch.column(0).to_pylist()
