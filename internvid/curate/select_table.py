"""Chooses rows of a table that is no dataset, and writes them in the table's own columns."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from internvid.core.contracts import Selector
from internvid.core.errors import MisuseError, NothingSelectedError
from internvid.curate.select import (
    REJECTION,
    SubsetSummary,
    explained,
    output_files,
    why_rejected,
)
from internvid.curate.selectors.scratch_tables import new_table, over, run
from internvid.curate.selectors.verdict import Sums, Verdict, decide, decided, rejected_where, then
from internvid.curate.tables.opening import open_rows
from internvid.curate.tables.rows import Rows
from internvid.curate.tables.writing import write_rows
from internvid.dataset.answers.column_views import quoted_name
from internvid.dataset.parts import committed

if TYPE_CHECKING:
    import duckdb

DUPLICATE = "duplicate"
_FIRST = "internvid_first"  # a name that no table has


def select_table(
    source: str | os.PathLike[str],
    selector: Selector,
    out: Path | None,
    *,
    with_rejected: bool = False,
    layout: str | None = None,
) -> SubsetSummary:
    """Choose rows of a table. Nothing is read whole; the output keeps the table's columns.

    Rows that cannot be used (no id, malformed times, ...) are rejected first, each for its fault.
    Where the chosen rows name one clip several times, one of them stays (the first in the table)
    and the selection is made again without the others, which are rejected as `duplicate`. Lines
    that are no rows at all are counted by their reasons, and kept beside `out` with their numbers,
    in `.faulty.jsonl`.

    Args:
        source: Parquet, csv or jsonl: a file, a folder or a glob.
        selector: chooses.
        out: the file to write, by its ending.
        with_rejected: also write the rejected rows with `rejection`, to `OUT` with `.rejected`
            before its ending.
        layout: of the table; recognised by its columns when None.

    Raises:
        OutputExistsError: a file to write is there.
        MisuseError: the table has no layout that is known, or nothing fits.
        ConfigInvalidError: a condition that cannot be read, or fails on the values.
    """
    files = output_files(out, with_rejected=with_rejected)
    if not files:
        raise MisuseError("there is nowhere to write the rows", hint="add --out FILE")
    with open_rows(os.fspath(source), layout=layout, scratch=files[0].absolute().parent) as table:
        rows = _without_rejection(table, is_written=with_rejected)
        columns = rows.relation.columns
        verdict, taken = explained(columns, lambda: _without_duplicates(rows, selector))
        return explained(columns, lambda: _written(rows, verdict, taken, files))


def _without_rejection(rows: Rows, *, is_written: bool) -> Rows:
    """A table of rows that were rejected before: their `rejection` is no verdict of this selection.

    Selectors find it as `earlier_rejection`; the output keeps it under its name.

    Raises:
        MisuseError: rejected rows are to be written with reasons in a column of the same name.
    """
    taken = next((name for name in rows.columns if name.lower() == REJECTION), None)
    if taken is None:
        return rows
    if is_written:
        raise MisuseError(
            f"the table has a column {taken!r}, which --with-rejected adds to rejected rows",
            hint="rename that column of the table, or leave --with-rejected out",
        )
    renamed = f"earlier_{REJECTION}"
    while renamed in map(str.lower, rows.relation.columns):
        renamed = f"earlier_{renamed}"
    relation = rows.relation.project(f"* rename ({quoted_name(taken)} as {renamed})")
    return replace(rows, relation=relation)


def _without_duplicates(rows: Rows, selector: Selector) -> tuple[Verdict, str]:
    """The verdict, and a table of the chosen rows' places and lengths."""
    verdict = _decided(rows, selector, None)
    taken = _note(verdict)
    if not _repeats(rows, taken):
        return verdict, taken
    # Wherever they are: of a table that holds all its rows twice, half are in no way chosen yet.
    first = new_table("first")
    run(
        rows.relation,
        f"create temp table {first} as select row_key, min(row_place) as {_FIRST} "
        "from input where row_fault is null group by 1 having count(*) > 1",
    )
    verdict = _decided(rows, selector, first)
    return verdict, _note(verdict)


def _note(verdict: Verdict) -> str:
    taken = new_table("taken")
    run(
        verdict.chosen if verdict.noted is None else verdict.noted,
        f"create temp table {taken} as select row_place, row_key, duration_seconds from input",
    )
    return taken


def _repeats(rows: Rows, taken: str) -> bool:
    found = rows.connection.execute(
        f"select 1 from {taken} group by row_key having count(*) > 1 limit 1"
    )
    return bool(found.fetchall())


def _decided(rows: Rows, selector: Selector, first: str | None) -> Verdict:
    if first is None:
        return decide(selector, rows.relation)
    sound = rejected_where(rows.relation, {})
    return then(
        then(sound, lambda table: _first_of_each(table, first)),
        lambda table: decide(selector, table),
    )


def _first_of_each(table: duckdb.DuckDBPyRelation, first: str) -> Verdict:
    return decided(
        over(
            table,
            f"select input.*, if(row_place <> {_FIRST}, '{DUPLICATE}', null) as rejection "
            f"from input left join {first} using (row_key)",
        )
    )


def _written(rows: Rows, verdict: Verdict, taken: str, files: list[Path]) -> SubsetSummary:
    counts = _with_lines(verdict.counted(), rows.faults.counts)
    chosen = counts.get(None, 0)
    reasons = {reason: number for reason, number in counts.items() if reason is not None and number}
    total = chosen + sum(reasons.values())
    if not chosen:
        raise NothingSelectedError(
            f"nothing fits: 0 of {total} rows{why_rejected(reasons)}",
            hint="the reasons say which condition to widen",
        )
    places = rows.connection.sql(f"select * from {taken}")
    (length,) = places.aggregate(
        "coalesce(sum(round(duration_seconds * 1e6)::hugeint), 0)"
    ).fetchall()[0]
    write_rows(rows, places, files[0])
    if len(files) > 1:
        write_rows(rows, verdict.rejected(), files[1], label="rejection")
    if rows.faults.kept:
        _keep_faulty_lines(rows, files[0])
    hours = round(float(length) / 3.6e9, 6)
    return SubsetSummary(None, chosen, total, hours, dict(sorted(reasons.items())), files[0])


def _keep_faulty_lines(rows: Rows, out: Path) -> None:
    """Lines that are no rows, the first 10,000 of them, as jsonl beside the output."""
    path = out.with_name(f"{out.stem}.faulty.jsonl")
    with committed(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for line in rows.faults.kept:
            row = {"file": str(line.file), "line": line.line, "reason": line.reason}
            file.write(json.dumps({**row, "text": line.text}, ensure_ascii=False) + "\n")


def _with_lines(counts: Sums, lines: Mapping[str, int]) -> dict[str | None, int]:
    """Lines that are no rows count among the rejected."""
    whole = dict(counts)
    for reason, number in lines.items():
        whole[reason] = whole.get(reason, 0) + number
    return whole
