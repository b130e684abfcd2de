"""What a selector says of a table, row by row, and in sums where it knows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from internvid.core.contracts import Selector
from internvid.curate.selectors.scratch_tables import over

if TYPE_CHECKING:
    import duckdb

    from internvid.dataset.store import Dataset

Sums = Mapping[str | None, int]
"""Reason (None: chosen) -> number of rows."""
FAULT = "row_fault"
"""Column of a table that says why a row cannot be used; null for a sound one."""


@dataclass(frozen=True)
class Verdict:
    """Every row of a table with `rejection`: null where it is chosen.

    Attributes:
        last: what the last step was given, with `rejection`, lazily.
        chosen: the chosen rows, without `rejection`, lazily.
        sums: of `last`, counted on the way so that it need not be counted again; None if unknown.
        before: the verdict whose chosen rows the last step was given.
        noted: `row_place`, `row_key` and `duration_seconds` of the chosen rows, where they were
            noted on the way.
    """

    last: duckdb.DuckDBPyRelation
    chosen: duckdb.DuckDBPyRelation
    sums: Sums | None = None
    before: Verdict | None = None
    noted: duckdb.DuckDBPyRelation | None = None

    @property
    def rows(self) -> duckdb.DuckDBPyRelation:
        """Every row with `rejection`."""
        return self.last if self.before is None else self.last.union(self.before.rejected())

    def rejected(self) -> duckdb.DuckDBPyRelation:
        """The rejected rows, with `rejection`."""
        rows = over(self.last, "select * from input where rejection is not null")
        return rows if self.before is None else rows.union(self.before.rejected())

    def counted(self) -> Sums:
        """The sums by reason; a pass over the table for what is not known."""
        sums = self.sums if self.sums is not None else _count_reasons(self.last)
        if self.before is None:
            return sums
        return _added(self.before.counted_without(sum(sums.values())), sums)

    def counted_without(self, chosen: int) -> Sums:
        """The sums without the chosen rows, whose number is known."""
        if self.sums is None and self.before is None:
            # Most tables have no bad row, which their length tells.
            (rows,) = self.last.aggregate("count(*)").fetchall()[0]
            sums = _count_reasons(self.last) if rows > chosen else {}
        else:
            sums = self.counted()
        return {reason: rows for reason, rows in sums.items() if reason is not None}


@runtime_checkable
class Deciding(Protocol):
    """A selector that counts on the way."""

    def decide(self, table: duckdb.DuckDBPyRelation) -> Verdict:
        """Every row with its reason, and the sums."""
        ...


@runtime_checkable
class OfDataset(Protocol):
    """A selector that looks at more of a dataset than the columns of its clips."""

    def of_dataset(self, dataset: Dataset) -> Selector:
        """The selector for clips of this dataset."""
        ...


def bound(selector: Selector, dataset: Dataset) -> Selector:
    """A selector that knows the dataset it chooses from, if it wants to."""
    return selector.of_dataset(dataset) if isinstance(selector, OfDataset) else selector


def decide(selector: Selector, table: duckdb.DuckDBPyRelation) -> Verdict:
    """What a selector says of a table, with its sums where it knows them.

    Rows of a table that has `row_fault` (see `internvid.curate.tables`) are rejected for it first.
    """
    if isinstance(selector, Deciding):
        return selector.decide(table)
    return of_sound(table, lambda rows: decided(selector.select(rows)))


def of_sound(
    table: duckdb.DuckDBPyRelation, step: Callable[[duckdb.DuckDBPyRelation], Verdict]
) -> Verdict:
    """What a step says of the rows without a fault; the others are rejected for theirs."""
    return then(rejected_where(table, {}), step) if FAULT in table.columns else step(table)


def without_faults(table: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """The rows, of which it is known that none has a fault: nobody need look again."""
    if FAULT not in table.columns:
        return table
    return table.project(f"* replace (null::varchar as {FAULT})")


def decided(
    rows: duckdb.DuckDBPyRelation,
    chosen: duckdb.DuckDBPyRelation | None = None,
    sums: Sums | None = None,
) -> Verdict:
    """A verdict of rows that have `rejection`."""
    if chosen is None:
        chosen = over(rows, "select * exclude (rejection) from input where rejection is null")
    return Verdict(rows, chosen, sums)


def rejected_where(
    table: duckdb.DuckDBPyRelation,
    conditions: Mapping[str, str],
    sums: Sums | None = None,
    *,
    later: bool = False,
) -> Verdict:
    """Reject rows by conditions: reason -> SQL that is true of bad rows; the first counts.

    Args:
        table: what to decide.
        conditions: see above.
        sums: what is known of them.
        later: leave the faults of rows to the step that comes next.
    """
    cases = "".join(f" when {is_bad} then '{reason}'" for reason, is_bad in conditions.items())
    reason = f"case{cases} end" if cases else "null::varchar"
    are_bad = list(conditions.values())
    if FAULT in table.columns and not later:
        # Named once: what says whether a row has a fault reads its times.
        reason, are_bad = f"coalesce({FAULT}, {reason})", [f"{FAULT} is not null", *are_bad]
    # A conjunction of its own: DuckDB asks the cheap and selective conditions first.
    fine = " and ".join(f"({is_bad}) is not true" for is_bad in are_bad) or "true"
    decided_rows, chosen = table.project(f"*, {reason} as rejection"), table.filter(fine)
    return Verdict(decided_rows, chosen if later else without_faults(chosen), sums)


def then(first: Verdict, step: Callable[[duckdb.DuckDBPyRelation], Verdict]) -> Verdict:
    """A further step decides what an earlier one chose."""
    return _after(step(first.chosen), first)


def _after(verdict: Verdict, first: Verdict) -> Verdict:
    before = first if verdict.before is None else _after(verdict.before, first)
    return replace(verdict, before=before)


def _added(first: Sums, second: Sums) -> Sums:
    return {
        reason: first.get(reason, 0) + second.get(reason, 0)
        for reason in dict.fromkeys((*first, *second))
    }


def _count_reasons(rows: duckdb.DuckDBPyRelation) -> Sums:
    found = over(rows, "select rejection, count(*) from input group by 1").fetchall()
    return {reason: int(number) for reason, number in found}
