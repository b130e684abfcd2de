"""The best share of a table's rows, noted in the one pass that finds out which rows fit.

Which score the best share reaches depends on how many rows fit, which is known at the end of the
pass. But scores alone are read quickly: where the best of all rows end, fitting or not, with some
more for safety, is no better than where the best of those that fit do. Rows from there on are
noted, and the exact end is found among them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from internvid.curate.selectors.best.ranking import Best, number, rank
from internvid.curate.selectors.drawing import LENGTH, is_named_by_times
from internvid.curate.selectors.score_columns import is_single
from internvid.curate.selectors.scratch_tables import new_table, over, run, run_one
from internvid.curate.selectors.verdict import Verdict, decided
from internvid.curate.tables.keys import name_key_sql
from internvid.curate.tables.standard import ROW_FAULTS

if TYPE_CHECKING:
    import duckdb

MOST_NOTED = 100_000_000
"""So many rows are noted: each takes some 34 bytes; what the memory does not hold is spilled."""
# So much more than the share is noted at first: rejected rows may have other scores.
_MARGIN = 0.02
_SAMPLED_ROWS = 100_000
# Whole microseconds of clips up to an hour take four bytes.
_HOUR_SECONDS = 3600.0
# Keys take times as whole microseconds, which a DOUBLE of seconds holds up to here.
_MOST_SECONDS = 4e9
_MICROSECONDS = "floor({0} * 1e6 + 0.5)::bigint"
# It stands for a source while this process runs; of a million million pairs two have one number
# about never, which is looked for.
_NUMBER = "hash(source_id)"
# Ends lie a length behind starts, but for what rounding makes: one byte says that, or null where
# there is more to it.
_NOTED_TIMES = (
    f"start_seconds, if(rejection is null and end_seconds < {_MOST_SECONDS}, try_cast("
    f"{_MICROSECONDS.format('end_seconds')} - {_MICROSECONDS.format('start_seconds')} - {LENGTH} "
    "as tinyint), null) as rounded"
)


@dataclass(frozen=True)
class Pool:
    """The best rows of a table, noted.

    Attributes:
        best: where they end, with the sums of the verdict that says which rows fit.
        rows: `row_place`, `source_id` (a number for it) and `duration_seconds` of each; `row_key`,
            or its times where a key is made of them.
        source_keys: where keys are made: a table of the `source_key` of each `source_id`.
    """

    best: Best
    rows: duckdb.DuckDBPyRelation
    source_keys: str | None


@dataclass(frozen=True)
class _Plan:
    """What is noted of which rows.

    Attributes:
        table: the rows.
        fitting: which of them fit.
        reasons: why others do not: what is noted of them is its number here, from 1.
        score: expression over the rows.
        share: of those that fit.
        longest: seconds of the longest that fits.
        is_named: whether keys are made of source and times.
    """

    table: duckdb.DuckDBPyRelation
    fitting: Verdict
    reasons: tuple[str, ...]
    score: str
    share: float
    longest: float
    is_named: bool

    def note(self, least: float) -> str:
        """Make a table of all rejected rows, and of those that have such a score; its name."""
        noted = new_table("pool")
        arms = " ".join(
            f"when '{reason}' then {number}" for number, reason in enumerate(self.reasons, 1)
        )
        kind = "uinteger" if self.longest <= _HOUR_SECONDS else "bigint"
        score = f"{self.score}::float" if is_single(self.table, self.score) else self.score
        run(
            self.fitting.last,
            f"create temp table {noted} as select row_place, {_NUMBER} as source_id, "
            f"{_NOTED_TIMES if self.is_named else 'row_key'}, "
            f"if(rejection is null, {LENGTH}, 0)::{kind} as length, {score} as score, "
            f"if(rejection is null, null, case rejection {arms} else 0 end)::utinyint as rejection "
            f"from input where rejection is not null or {self.score} >= {number(least)}",
        )
        return noted

    def rejected(self, noted: str) -> dict[str | None, int] | None:
        """Noted rows by their reason; None where one has another reason than was known."""
        found = over(
            self.table,
            f"select rejection, count(*) from {noted} where rejection is not null group by 1",
        ).fetchall()
        if any(not reason for reason, _ in found):
            return None
        return {self.reasons[reason - 1]: int(rows) for reason, rows in found}

    def rows_to_note(self, rough: Best, total: int) -> float:
        """Those with a score, and the rejected ones, whose share the first rows tell."""
        sampled = self.fitting.last.limit(_SAMPLED_ROWS)
        rejected, rows = run_one(sampled, "select count(rejection), count(*) from input")
        return float(rough.number + total * rejected / max(1, rows))

    def pool(self, noted: str, sums: dict[str | None, int], wanted: int) -> Pool | None:
        """The best of the noted rows; None where two sources have one number."""
        source_keys = None
        if self.is_named:
            source_keys = _source_keys(self.table)
            if source_keys is None:
                run(self.table, f"drop table {noted}")
                return None
        kept = over(self.table, f"select * from {noted} where rejection is null")
        if self.is_named:
            (odd,) = run_one(kept, "select count(*) from input where rounded is null")
            if odd:
                run(self.table, f"drop table {noted}")
                return None
        best = rank(decided(kept, kept), "score", lambda rows: wanted)
        if math.isinf(best.least) and best.number:
            # All that were noted: there are others, below them.
            (least,) = run_one(kept, "select min(score) from input")
            best = replace(best, least=least)
        started = _MICROSECONDS.format("start_seconds")
        named = (
            "null::ubigint as row_key, start_seconds, "
            f"({started} + length::bigint + rounded) / 1e6 as end_seconds"
        )
        rows = over(
            kept,
            f"select row_place, {named if self.is_named else 'row_key'}, source_id, "
            f"null::varchar as clip_id, length / 1e6 as duration_seconds from input "
            f"where score >= {number(best.least)}",
        )
        return Pool(replace(best, sums=sums), rows, source_keys)


def share_of(rows: int, share: float) -> int:
    """How many of some rows the best share are; at least one."""
    return max(1, math.floor(share * rows))


def best_pool(
    table: duckdb.DuckDBPyRelation,
    fitting: Verdict,
    reasons: tuple[str, ...],
    score: str,
    share: float,
    longest: float,
) -> Pool | None:
    """The best share of the rows that fit; None where they are too many to be noted.

    Args:
        table: see `internvid.curate.tables`; of others, without `row_place`, nothing is noted.
        fitting: which of its rows fit.
        reasons: why some do not, besides faults of rows.
        score: DOUBLE expression over its rows, null where there is none: such rows do not fit.
        share: of the rows that fit.
        longest: seconds of the longest that fits.
    """
    if "row_place" not in table.columns:
        return None
    plan = _Plan(
        table,
        fitting,
        (*ROW_FAULTS, *reasons),
        score,
        share,
        longest,
        is_named_by_times(table),
    )
    (total,) = run_one(table, "select count(*) from input")
    without = f"if({score} is null, '', null)"
    scored = decided(over(table, f"select {score} as score, {without} as rejection from input"))
    wide = share * (1 + _MARGIN)
    rough = rank(scored, "score", lambda rows: math.ceil(wide * rows), is_rough=True)
    for _ in range(2):
        if plan.rows_to_note(rough, total) > MOST_NOTED:
            return None
        noted = plan.note(rough.least)
        rejected = plan.rejected(noted)
        if rejected is None:
            return None
        fit = total - sum(rejected.values())
        wanted = min(fit, share_of(fit, share))
        (kept,) = run_one(table, f"select count(*) from {noted} where rejection is null")
        if kept >= wanted:
            return plan.pool(noted, {None: fit, **rejected}, wanted)
        run(table, f"drop table {noted}")
        # Of so many rows, all but the rejected fit.
        enough = wanted + total - fit
        rough = rank(scored, "score", lambda rows, enough=enough: enough, is_rough=True)  # type: ignore[misc]
    raise AssertionError("the rows with the best scores hold those of them that fit")


def _source_keys(table: duckdb.DuckDBPyRelation) -> str | None:
    """Make a table of the key of each source by the number that stands for it; its name."""
    keys = new_table("keys")
    run(
        table,
        f"create temp table {keys} as select {_NUMBER} as source_id, "
        f"min({name_key_sql('source_id')}) as source_key, count(*) as names "
        "from (select distinct source_id from input) group by 1",
    )
    (most,) = run_one(table, f"select max(names) from {keys}")
    return keys if most == 1 else None
