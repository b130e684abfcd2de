"""What two subsets, datasets or tables share and differ in, by reason and by column."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from internvid.core.errors import MisuseError
from internvid.curate.select_out import write_relation
from internvid.curate.tables.keys import name_key_sql, row_key_query
from internvid.curate.tables.opening import open_rows
from internvid.curate.tables.scratch import scratch_folder
from internvid.dataset.answers.column_views import quoted_name
from internvid.dataset.duckdb_connection import interruptible, open_locked, quoted
from internvid.dataset.store import Dataset

if TYPE_CHECKING:
    import duckdb

# What a row is called by, and what is counted in other ways.
_KEYS = frozenset({"row_key", "row_fault", "row_line", "row_place", "row_caption"})
_OURS = ("diff_name", "diff_place", "diff_taken", "diff_reason")
ABSENT = "absent"
"""Reason of a row that the other side has not at all."""


class SideCounts(TypedDict):
    """How many clips one side takes, and how many hours that is."""

    clips: int
    hours: float


class ColumnDifference(TypedDict):
    """In how many shared clips a column differs; of numbers also by how much."""

    column: str
    differs: int
    mean_difference: float | None
    largest_difference: float | None


class Difference(TypedDict):
    """What two sides share and differ in.

    `only_a_reasons`: of the clips that only A takes, why B does not; `only_b_reasons` likewise.
    """

    a: SideCounts
    b: SideCounts
    shared: int
    only_a: int
    only_b: int
    only_a_reasons: dict[str, int]
    only_b_reasons: dict[str, int]
    columns_only_a: list[str]
    columns_only_b: list[str]
    columns: list[ColumnDifference]


@dataclass(frozen=True)
class Side:
    """One of the two things compared.

    Attributes:
        dataset: or None for a table.
        subset: of the dataset; None for all kept clips.
        table: a file, folder or glob, where it is no dataset.
    """

    dataset: Dataset | None = None
    subset: str | None = None
    table: str = ""


def compare_sides(first: Side, second: Side) -> Difference:
    """Compare two sides: clips by `clip_id` where both have it, else by source and times.

    Times are compared in milliseconds, as published tables write them. Rows of a table with a fault
    are not taken. Both sides are copied once to a temporary folder; nothing is read whole.

    Raises:
        MisuseError: no such subset or table.
        StorageError: no room for the copies.
    """
    with scratch_folder(None) as folder:
        files = [folder / "a.parquet", folder / "b.parquet"]
        for side, file in zip((first, second), files, strict=True):
            with _rows(side) as rows:
                write_relation(rows, file)
        connection = open_locked(files, [], spill=folder / "spill")
        with interruptible(connection):
            return _compare(connection, files)


@contextmanager
def _rows(side: Side) -> Iterator[duckdb.DuckDBPyRelation]:
    if side.dataset is None:
        with open_rows(side.table) as rows:
            taken = "row_fault is null"
            yield _marked(rows.relation, "null::ubigint", taken, "row_fault", rows.columns)
        return
    dataset = side.dataset
    with dataset.reading():
        clips = dataset.sql("select * from all_clips")
        taken, reason = "kept", "if(kept, null, reason)"
        if side.subset is not None:
            path = quoted([dataset.subset_path(side.subset)])
            taken = f"clip_id in (select clip_id from read_parquet({path}))"
            reason = f"coalesce({_not_in(dataset, side.subset)}, if(kept, 'not_chosen', reason))"
        yield _marked(clips, name_key_sql("clip_id"), taken, reason, tuple(clips.columns))


def _not_in(dataset: Dataset, subset: str) -> str:
    """Why a clip is not in a subset, where that was recorded."""
    path = dataset.layout.rejected_by(subset)
    if not path.exists():
        return "null"
    found = f"select any_value(r.reason) from read_parquet({quoted([path])}) r"
    return f"({found} where r.clip_id = input.clip_id)"


def _marked(
    rows: duckdb.DuckDBPyRelation, name: str, taken: str, reason: str, own: tuple[str, ...]
) -> duckdb.DuckDBPyRelation:
    """Own columns, and what the comparison goes by."""
    for column in own:
        if column.lower() in _OURS:
            raise MisuseError(f"a column is called {column!r}, which the comparison uses itself")
    standard = [
        column
        for column in ("source_id", "start_seconds", "end_seconds", "duration_seconds")
        if column not in map(str.lower, own)
    ]
    listed = ", ".join(quoted_name(column) for column in (*own, *standard))
    keyed = (
        f"select {listed}, {name} as diff_name, {taken} as diff_taken, {reason} as diff_reason, "
        f"{name_key_sql('source_id')} as diff_source, round(start_seconds, 3) as diff_start, "
        "round(end_seconds, 3) as diff_end from input"
    )
    keyed = row_key_query(keyed, "diff_source", "diff_place", start="diff_start", end="diff_end")
    helpers = "diff_source, diff_start, diff_end"
    marked = rows.query("input", f"select * exclude ({helpers}) from ({keyed})")
    assert marked is not None
    return marked


def _compare(connection: duckdb.DuckDBPyConnection, files: list[Path]) -> Difference:
    for name, file in zip("ab", files, strict=True):
        path = str(file).replace("'", "''")
        connection.execute(f"create view all_{name} as select * from read_parquet('{path}')")
    ((named,),) = connection.execute(
        "select (select bool_and(diff_name is not null) from all_a) and "
        "(select bool_and(diff_name is not null) from all_b)"
    ).fetchall()
    key = "diff_name" if named else "diff_place"
    for name in "ab":
        # A table may name one clip several times.
        connection.execute(
            f"create view {name} as select distinct on ({key}) *, {key} as diff_key "
            f"from all_{name} order by {key}, diff_taken desc"
        )
    columns = {name: _types(connection, name) for name in "ab"}
    # SQL takes names that differ in case alone for the same, and so do tables' layouts.
    hidden = _KEYS | {*_OURS, "diff_key"}
    own = {
        side: {each.lower(): each for each in types if each.lower() not in hidden}
        for side, types in columns.items()
    }
    shared, only_a, only_b = _counts(connection)
    return {
        "a": _side_counts(connection, "a"),
        "b": _side_counts(connection, "b"),
        "shared": shared,
        "only_a": sum(only_a.values()),
        "only_b": sum(only_b.values()),
        "only_a_reasons": only_a,
        "only_b_reasons": only_b,
        "columns_only_a": sorted(own["a"][each] for each in own["a"].keys() - own["b"].keys()),
        "columns_only_b": sorted(own["b"][each] for each in own["b"].keys() - own["a"].keys()),
        "columns": [
            _column(connection, name, columns["a"][name], columns["b"][own["b"][plain]])
            for plain, name in own["a"].items()
            if plain in own["b"]
        ],
    }


def _types(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, str]:
    relation = connection.sql(f"select * from {name} limit 0")
    return dict(zip(relation.columns, map(str, relation.types), strict=True))


def _side_counts(connection: duckdb.DuckDBPyConnection, name: str) -> SideCounts:
    ((clips, seconds),) = connection.execute(
        f"select count(*), coalesce(sum(duration_seconds), 0) from {name} where diff_taken"
    ).fetchall()
    return {"clips": int(clips), "hours": round(float(seconds) / 3600, 6)}


def _counts(
    connection: duckdb.DuckDBPyConnection,
) -> tuple[int, dict[str, int], dict[str, int]]:
    def reasons(mine: str, other: str) -> dict[str, int]:
        found = connection.execute(
            f"select if(o.diff_key is null, '{ABSENT}', coalesce(nullif(o.diff_reason, ''), "
            f"'not_chosen')) as reason, count(*) from {mine} m left join {other} o "
            "using (diff_key) where m.diff_taken and o.diff_taken is not true "
            "group by 1 order by 2 desc, 1"
        ).fetchall()
        return {reason: int(number) for reason, number in found}

    ((shared,),) = connection.execute(
        "select count(*) from a join b using (diff_key) where a.diff_taken and b.diff_taken"
    ).fetchall()
    return int(shared), reasons("a", "b"), reasons("b", "a")


_NUMBERS = ("DOUBLE", "FLOAT", "INTEGER", "BIGINT", "SMALLINT", "TINYINT", "HUGEINT")


def _column(
    connection: duckdb.DuckDBPyConnection, name: str, type_a: str, type_b: str
) -> ColumnDifference:
    quoted = quoted_name(name)
    numbers = all(kind in _NUMBERS or kind.startswith("DECIMAL(") for kind in (type_a, type_b))
    apart = f"abs(a.{quoted}::double - b.{quoted}::double)" if numbers else "null::double"
    mine, other = (_comparable(side, quoted, (type_a, type_b), numbers=numbers) for side in "ab")
    ((differs, mean, largest),) = connection.execute(
        f"select count(*) filter (where {mine} is distinct from {other}), "
        f"avg({apart}) filter (where isfinite({apart})), "
        f"max({apart}) filter (where isfinite({apart})) "
        "from a join b using (diff_key) where a.diff_taken and b.diff_taken"
    ).fetchall()
    return {
        "column": name,
        "differs": int(differs),
        "mean_difference": mean,
        "largest_difference": largest,
    }


def _comparable(side: str, quoted: str, types: tuple[str, str], *, numbers: bool) -> str:
    """A value as it compares with that of another type: what a text file made of it is equal."""
    value = f"{side}.{quoted}"
    if types[0] == types[1] and types[0] != "VARCHAR":
        return value
    if numbers:
        return f"{value}::{'float' if 'FLOAT' in types else 'double'}"
    if types[0] == types[1]:
        return f"nullif({value}, '')"
    # Lists are JSON in text files.
    kind = types[0] if side == "a" else types[1]
    text = value if kind == "VARCHAR" else f"trim(to_json({value})::varchar, '\"')"
    return f"nullif(replace({text}, ', ', ','), '')"
