"""The statistics of any table of clips: which of its columns is what, by their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from internvid.curate.statistics.column_summaries import DatasetDescription, describe_relation
from internvid.curate.statistics.counting import clip_statistics
from internvid.curate.statistics.roles import find_roles, with_columns
from internvid.curate.statistics.verbs import DEFAULT_CAPTIONS
from internvid.curate.tables.rows import Rows
from internvid.curate.tables.standard import ROW_COLUMNS


def describe_table(
    rows: Rows,
    *,
    assigned: Sequence[str] = (),
    captions: int | None = DEFAULT_CAPTIONS,
    seed: int = 0,
    tell: Callable[[str, int], None] | None = None,
) -> DatasetDescription:
    """What `describe` says of a dataset, for a table of clips.

    Args:
        rows: the table, open.
        assigned: `ROLE=COLUMN` for columns that go by other names.
        captions, seed, tell: see `clip_statistics`.

    Raises:
        MisuseError: no such role or column.
        duckdb.Error: the rows cannot be read.
    """
    connection, relation = rows.connection, rows.relation
    columns = dict(zip(relation.columns, map(str, relation.types), strict=True))
    shown = {name: kind for name, kind in columns.items() if name not in ROW_COLUMNS}
    # The standard columns of captions are copies of one of the table's own, where there are any;
    # they alone have the texts of lists.
    own = find_roles({name: shown[name] for name in rows.columns}).captions
    if not own and relation.filter("row_caption is not null").limit(1).fetchall():
        own = ("row_caption",)
    found = find_roles(shown, own or ("-",))
    roles = with_columns(found if own else replace(found, captions=()), assigned, shown)
    numbers = clip_statistics(connection, relation, roles, captions=captions, seed=seed, tell=tell)
    left_out = {name for name in (roles.source, roles.key, *roles.captions) if name is not None}
    if "caption" not in rows.columns:
        left_out.add("caption")
    # Videos and hours are counted above.
    summaries = describe_relation(connection, relation, None, None, {*ROW_COLUMNS, *left_out})
    return {
        **summaries,
        "videos": numbers["sources"] or 0,
        "hours": numbers["hours"],
        "statistics": numbers,
        "columns": [],
        "recipe": [],
        "faults": {**rows.faults.counts, **_faulty_rows(rows)},
    }


def _faulty_rows(rows: Rows) -> dict[str, int]:
    counted = rows.relation.filter("row_fault is not null").aggregate(
        "row_fault, count(*)", "row_fault"
    )
    return dict(sorted(counted.fetchall()))
