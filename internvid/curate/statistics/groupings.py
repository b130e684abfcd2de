"""Clips and hours by value of a column: by source, owner, category, language, year."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    import duckdb

MOST_VALUES = 20
SOURCES = '"internvid_described_sources"'
LENGTHS = '"internvid_described_lengths"'
_BOTH = '"internvid_described_lengths_and_sources"'
_GROUPS = '"internvid_described_groups"'


class ValueShare(TypedDict):
    """How many clips and hours have one value; `share` is of all rows that have a value."""

    value: str
    clips: int
    hours: float
    share: float


class ValueShares(TypedDict):
    """How the clips spread over the values of a column.

    Attributes:
        column: its name. role: what it is read as.
        by: what the shares are of, `hours`, or `clips` where no clip has a length.
        clips: that have a value. without: that have none.
        different: how many values there are.
        values: the 20 largest. rest: all others together, None if there are none.
        top_1, top_10: shares of the largest value and of the ten largest.
        effective: how many equally large values would be as uneven: 1 / sum of squared shares.
    """

    column: str
    role: str
    by: str
    clips: int
    without: int
    different: int
    values: list[ValueShare]
    rest: ValueShare | None
    top_1: float | None
    top_10: float | None
    effective: float | None


@dataclass(frozen=True)
class Rows:
    """Rows to group: where they are, and how many clips and microseconds they stand for.

    Attributes:
        view: quoted name.
        clips: SQL that counts the clips of a group. microseconds: SQL of one row's, or null.
        by_hours: whether shares are of hours rather than of clips.
    """

    view: str
    clips: str
    microseconds: str
    by_hours: bool = True


@contextlib.contextmanager
def grouped_lengths(
    connection: duckdb.DuckDBPyConnection,
    rows: Rows,
    given: str,
    source: str | None,
    video_seconds: str | None,
) -> Iterator[None]:
    """Makes the tables `LENGTHS` and, where there are sources, `SOURCES` for a block.

    `LENGTHS` has bin, clips, microseconds, least, largest, given: a row for each thousandth of a
    second, coarser ones for lengths that hardly any clip has. `SOURCES` has value, clips,
    microseconds, video_seconds. Both come from one pass over the rows: times are texts in most
    tables, and reading them is what costs.

    Args:
        connection: where `rows` are.
        rows: of clips.
        given: SQL of the length as it is given.
        source, video_seconds: SQL of a clip's source, and of its source's length.
    """
    micro = "micro // 1000"
    for digits in (5, 6, 7):
        coarse = f"micro // {10 ** (digits - 1)} * {10 ** (digits - 4)}"
        micro = f"case when micro < {10 ** (digits + 3)} then {micro} else {coarse} end"
    sets, value = "(bin)", "null::varchar as value"
    if source is not None:
        sets, value = "(bin), (value)", "value"
    connection.execute(
        f"create or replace temp table {_BOTH} as select grouping(bin) as is_source, bin, {value}, "
        "count(*)::bigint as clips, sum(micro)::hugeint as microseconds, min(micro) as least, "
        "max(micro) as largest, count(given)::bigint as given, max(video) as video_seconds from "
        f"(select *, {micro} as bin from (select {source or 'null'}::varchar as value, "
        f"{rows.microseconds} as micro, {given} as given, {video_seconds or 'null::double'} as "
        f"video from {rows.view})) group by grouping sets ({sets})"
    )
    connection.execute(
        f"create or replace temp view {LENGTHS} as select bin, clips, microseconds, least, "
        f"largest, given from {_BOTH} where is_source = 0"
    )
    connection.execute(
        f"create or replace temp view {SOURCES} as select value, clips, "
        f"microseconds::bigint as microseconds, video_seconds from {_BOTH} where is_source = 1"
    )
    try:
        yield
    finally:
        for name in (LENGTHS, SOURCES):
            connection.execute(f"drop view if exists {name}")
        connection.execute(f"drop table if exists {_BOTH}")


def value_shares(
    connection: duckdb.DuckDBPyConnection,
    rows: Rows,
    named: tuple[str, str],
    stored: str,
    value: str,
) -> ValueShares:
    """Clips and hours by value of a column.

    Args:
        connection: where `rows` are.
        rows: what to group.
        named: (role, column).
        stored: SQL of what the column holds.
        value: SQL of the value that counts, a text or null, made of `stored`.
    """
    # What is stored is grouped first: that is many times as fast as making the value of each row.
    connection.execute(
        f"create or replace temp table {_GROUPS} as select {value} as value, "
        f"sum(clips)::bigint as clips, sum(microseconds)::bigint as microseconds from ("
        f"select {stored} as stored, {rows.clips}::bigint as clips, "
        f"sum({rows.microseconds})::bigint as microseconds from {rows.view} group by 1) group by 1"
    )
    try:
        return shares_of_groups(connection, _GROUPS, named, by_hours=rows.by_hours)
    finally:
        connection.execute(f"drop table if exists {_GROUPS}")


def shares_of_groups(
    connection: duckdb.DuckDBPyConnection, table: str, named: tuple[str, str], *, by_hours: bool
) -> ValueShares:
    """The shares of a table with one row a value: value, clips, microseconds."""
    role, column = named
    size = "coalesce(microseconds, 0)" if by_hours else "clips"
    given = "value is not null and trim(value) <> ''"
    ((different, clips, without, microseconds, total, squares),) = connection.execute(
        f"select count(*) filter ({given}), "
        f"coalesce(sum(clips) filter ({given}), 0)::bigint, "
        f"coalesce(sum(clips) filter (not coalesce({given}, false)), 0)::bigint, "
        f"coalesce(sum(microseconds) filter ({given}), 0)::bigint, "
        f"coalesce(sum({size}) filter ({given}), 0)::double, "
        f"coalesce(sum({size}::double * {size}) filter ({given}), 0) from {table}"
    ).fetchall()
    rows = connection.execute(
        f"select value, clips, coalesce(microseconds, 0), {size} from {table} where {given} "
        f"order by {size} desc, clips desc, value limit {MOST_VALUES}"
    ).fetchall()

    def share(part: float) -> float:
        return float(part) / total if total else 0.0

    values: list[ValueShare] = [
        {"value": value, "clips": number, "hours": micro / 3.6e9, "share": share(part)}
        for value, number, micro, part in rows
    ]
    rest: ValueShare | None = None
    if different > len(rows):
        rest = {
            "value": f"{different - len(rows)} more",
            "clips": clips - sum(row[1] for row in rows),
            "hours": (microseconds - sum(row[2] for row in rows)) / 3.6e9,
            "share": share(total - sum(row[3] for row in rows)),
        }
    return {
        "column": column, "role": role, "by": "hours" if by_hours else "clips",
        "clips": clips, "without": without, "different": different,
        "values": values, "rest": rest,
        "top_1": share(sum(row[3] for row in rows[:1])) if total else None,
        "top_10": share(sum(row[3] for row in rows[:10])) if total else None,
        "effective": float(f"{total * total / squares:.6g}") if squares else None,
    }  # fmt: skip
