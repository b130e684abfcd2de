"""Weighted draws without replacement over tables of any size, the same on any machine.

Each row gets the key -ln(u) * n, u a uniform draw of (seed, row) and n the weight's inverse; the
rows with the smallest keys are a draw with probabilities 1 / n, one after the other and without
replacement (Efraimidis and Spirakis 2006). So a draw is one threshold on the key. The threshold
follows from the counts to within a few thousand rows, among which the exact edge is found. Held are
one row a source and, up to 20 million of them, the places of the drawn rows; DuckDB spills both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from internvid.curate.draws import drawn_query
from internvid.curate.selectors.expected import Amount, World
from internvid.curate.selectors.scratch_tables import new_table, over, run, run_one
from internvid.curate.selectors.verdict import (
    FAULT,
    Verdict,
    decided,
    rejected_where,
    then,
    without_faults,
)
from internvid.curate.tables.keys import name_key_sql, row_key_query

if TYPE_CHECKING:
    import duckdb

# How many standard deviations around the expected threshold are looked at.
_SIGMAS = 10.0
_UNIFORM = 1.1102230246251565e-16  # 2 ** -53
_REASON = "not_drawn"
# So many drawn rows are noted: their places take some 40 bytes each.
_MOST_NOTED = 20_000_000
LENGTH = "coalesce(round(if(isfinite(duration_seconds), duration_seconds, 0) * 1e6), 0)::bigint"
"""Whole microseconds: sums of them are exact in any order."""


def draw_clips(
    table: duckdb.DuckDBPyRelation,
    amount: Amount,
    *,
    seed: int,
    by_source: bool,
    source_keys: str | None = None,
) -> Verdict:
    """Draw rows of a table; those that are not drawn are rejected as `not_drawn`.

    Args:
        table: with `row_key`, `source_id` and `duration_seconds`.
        amount: how much of it.
        seed: another one draws other rows.
        by_source: draw with probabilities 1 / rows of the source, else uniformly.
        source_keys: a table with the `source_key` of each `source_id`, for rows that are named by
            source and times and have no `row_key` yet.
    """
    return _draw(
        table, amount, seed=seed, by_source=by_source, is_sound=False, source_keys=source_keys
    )


def _draw(
    table: duckdb.DuckDBPyRelation,
    amount: Amount,
    *,
    seed: int,
    by_source: bool,
    is_sound: bool,
    source_keys: str | None = None,
) -> Verdict:
    measured = amount.hours is not None
    sources = _count_sources(table, measured=measured, source_keys=source_keys)
    world = World.of(table, sources, by_source=by_source)
    may_be_faulty = FAULT in table.columns and not is_sound
    if world.holds(amount) and source_keys is None:
        return rejected_where(table, {}, None if may_be_faulty else {None: world.rows})
    is_named = source_keys is not None or is_named_by_times(table)
    keyed = _keyed(table, sources, seed, by_source=by_source, measured=measured, is_named=is_named)
    edge, noted = _find_edge(keyed, world, amount)
    if may_be_faulty and (noted is None or _any_fault(noted)):
        # Faulty rows were counted among those of their sources: begin anew without them.
        return then(
            rejected_where(table, {}),
            lambda rows: _draw(rows, amount, seed=seed, by_source=by_source, is_sound=True),
        )
    keyed = without_faults(keyed)
    at_edge = f"internvid_draw_key = {edge.key} and row_key <= {edge.row_key}"
    chosen = f"internvid_draw_key < {edge.key} or ({at_edge})"
    without = "exclude (internvid_draw_key, internvid_length)"
    return replace(
        decided(
            over(
                keyed,
                f"select * {without}, if({chosen}, null, '{_REASON}') as rejection from input",
            ),
            over(keyed, f"select * {without} from input where {chosen}"),
            {None: edge.rows, _REASON: world.rows - edge.rows},
        ),
        noted=None if noted is None else noted.filter(chosen),
    )


def draw_noted(
    rows: duckdb.DuckDBPyRelation,
    noted: duckdb.DuckDBPyRelation,
    amount: Amount,
    *,
    seed: int,
    source_keys: str | None,
) -> Verdict:
    """Draw by source from rows that cost much to tell, and that were noted on the way.

    Args:
        rows: some rows of a table with `row_place`, see `internvid.curate.tables`.
        noted: `row_place`, `source_id`, `duration_seconds` of each of them, and `row_key`, or what
            it is made of.
        amount: how much of them.
        seed: another one draws other rows.
        source_keys: see `draw_clips`.
    """
    drawn = draw_clips(noted, amount, seed=seed, by_source=True, source_keys=source_keys)
    taken = new_table("drawn")
    run(
        drawn.chosen if drawn.noted is None else drawn.noted,
        f"create temp table {taken} as select row_place, row_key, duration_seconds from input",
    )
    return replace(
        decided(
            over(
                rows,
                f"select input.*, if(drawn.row_place is null, '{_REASON}', null) as rejection "
                f"from input left join {taken} drawn using (row_place)",
            ),
            over(rows, f"select * from input semi join {taken} using (row_place)"),
            drawn.counted(),
        ),
        noted=over(rows, f"select * from {taken}"),
    )


def is_named_by_times(table: duckdb.DuckDBPyRelation) -> bool:
    """Whether `row_key` is made of source and times, and not of a name of the row's own.

    Then it need not be made anew of each row's id; the first rows tell.
    """
    if "clip_id" in table.columns:
        return False
    rows = (
        f"select *, {name_key_sql('source_id')} as internvid_draw_named "
        "from (select * from input limit 64)"
    )
    rows = row_key_query(rows, "internvid_draw_named", "internvid_draw_row")
    (is_equal,) = run_one(
        table, f"select coalesce(bool_and(internvid_draw_row = row_key), false) from ({rows})"
    )
    return bool(is_equal)


def _count_sources(
    table: duckdb.DuckDBPyRelation, *, measured: bool, source_keys: str | None = None
) -> str:
    """Make a table of how many rows, and how much, each source has; its name."""
    sources = new_table("sources")
    known = ""
    if source_keys is not None:
        key, known = "keys.source_key", f" join {source_keys} keys using (source_id)"
    else:
        key = name_key_sql("source_id") if is_named_by_times(table) else "null::ubigint"
    lengths = f"sum({LENGTH})::hugeint as length, sum(({LENGTH} / 1e6) ^ 2) as squares"
    run(
        table,
        f"create temp table {sources} as select counted.*, {key} as source_key from "
        "(select source_id, count(*) as rows_of_source, "
        f"{lengths if measured else '0 as length, 0 as squares'} from input group by source_id) "
        f"counted{known}",
    )
    return sources


def _keyed(
    table: duckdb.DuckDBPyRelation,
    sources: str,
    seed: int,
    *,
    by_source: bool,
    measured: bool,
    is_named: bool,
) -> duckdb.DuckDBPyRelation:
    """The table with its key of the draw; `internvid_length` in microseconds where measured.

    Where rows are named by source and times, their `row_key` is made anew.
    """
    length = LENGTH if measured else "0"
    weight = "of_source.rows_of_source" if by_source else "1"
    # The hash of a source's id is taken once a source, and not once a row.
    rows = (
        f"select input.*, {weight} as internvid_draw_weight, of_source.source_key as "
        f"internvid_source_key from input join {sources} of_source "
        "on input.source_id is not distinct from of_source.source_id"
    )
    if not is_named:
        if not by_source:
            rows = "select *, 1 as internvid_draw_weight, 0 as internvid_source_key from input"
        rows = f"select *, row_key as internvid_draw_row from ({rows})"
    else:
        rows = row_key_query(rows, "internvid_source_key", "internvid_draw_row")
    rows = drawn_query(rows, seed, "internvid_draw_row", "internvid_drawn")
    # A volatile expression keeps conditions on the key from being pushed below what it is made of,
    # which would then be computed for them and again for the result.
    uniform = f"((internvid_drawn >> 11)::double + 0.5) * {_UNIFORM!r}::double"
    key = f"if(random() < 2, -ln({uniform}) * internvid_draw_weight, null)"
    helpers = "internvid_draw_row, internvid_draw_weight, internvid_drawn, internvid_source_key"
    return over(
        table,
        f"select * exclude ({helpers}) replace (internvid_draw_row as row_key), "
        f"{key} as internvid_draw_key, {length} as internvid_length from ({rows})",
    )


@dataclass(frozen=True)
class _Edge:
    """The last row that is drawn, as SQL literals, and what is drawn up to it."""

    key: str
    row_key: str
    rows: int
    length: int


def _find_edge(
    keyed: duckdb.DuckDBPyRelation, world: World, amount: Amount
) -> tuple[_Edge, duckdb.DuckDBPyRelation | None]:
    """The edge; and the rows up to it and some beyond, if they were noted on the way."""
    for sigmas in (_SIGMAS, 30 * _SIGMAS, math.inf):
        low, high = (0.0, math.inf) if math.isinf(sigmas) else world.bracket(amount, sigmas)
        noted = _note(keyed, world, high)
        edge = _edge_within(keyed if noted is None else noted, amount, low, high)
        if edge is not None:
            return edge, noted
    raise AssertionError("all rows hold the edge")


def _note(
    keyed: duckdb.DuckDBPyRelation, world: World, high: float
) -> duckdb.DuckDBPyRelation | None:
    """The rows up to a key in a table of their own: then they need not be looked for again."""
    if "row_place" not in keyed.columns or world.rows_up_to(high) > _MOST_NOTED:
        return None
    noted = new_table("noted")
    fault = FAULT if FAULT in keyed.columns else "null::varchar"
    columns = (
        "row_place, row_key, duration_seconds, internvid_length, internvid_draw_key, "
        f"{fault} as {FAULT}"
    )
    run(
        keyed,
        f"create temp table {noted} as select * from (select {columns} from input) "
        f"where internvid_draw_key <= '{high!r}'::double or {FAULT} is not null",
    )
    return over(keyed, f"select * from {noted}")


def _any_fault(noted: duckdb.DuckDBPyRelation) -> bool:
    return bool(noted.filter(f"{FAULT} is not null").limit(1).fetchall())


def _edge_within(
    keyed: duckdb.DuckDBPyRelation, amount: Amount, low: float, high: float
) -> _Edge | None:
    """The last drawn row if it lies between two keys; else None.

    Rows of one key, which name one clip, are drawn together where one of them fits: so they can be
    seen to be one, and the draw made again without the others.
    """
    inside = f"internvid_draw_key >= '{low!r}'::double"
    collected = over(
        keyed,
        f"select if({inside}, internvid_draw_key, null) as internvid_draw_key, "
        f"if({inside}, row_key, null) as row_key, "
        f"count(*) as rows, sum(internvid_length)::hugeint as length from input "
        f"where internvid_draw_key <= '{high!r}'::double group by 1, 2",
    ).fetchall()
    below_rows = below_length = 0
    rows: list[tuple[Any, ...]] = []
    for row in collected:
        if row[0] is None:
            below_rows, below_length = int(row[2]), int(row[3])
        else:
            rows.append(row)
    rows.sort()
    most, longest = amount.count, amount.microseconds
    last: tuple[Any, ...] | None = None
    whole = True
    for row in rows:
        same, length = int(row[2]), int(row[3])
        too_many = most is not None and below_rows + 1 > most
        if too_many or (longest is not None and below_length + length // same > longest):
            break
        below_rows, below_length, last = below_rows + same, below_length + length, row
    else:
        whole = math.isinf(high)
    if not whole or (last is None and low > 0):
        return None
    if last is None:
        return _Edge("-1.0::double", "0::ubigint", 0, 0)
    return _Edge(f"'{last[0]!r}'::double", f"{last[1]}::ubigint", below_rows, below_length)
