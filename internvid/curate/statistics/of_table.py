"""The statistics of any table of clips: which of its columns is what, by their names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from internvid.curate.statistics.clips import clip_statistics
from internvid.curate.statistics.column_summaries import DatasetDescription, describe_relation
from internvid.curate.statistics.roles import find_roles, with_columns
from internvid.curate.statistics.verbs import DEFAULT_CAPTIONS

if TYPE_CHECKING:
    import duckdb


def describe_table(
    connection: duckdb.DuckDBPyConnection,
    relation: duckdb.DuckDBPyRelation,
    *,
    assigned: Sequence[str] = (),
    hidden: Collection[str] = (),
    captions: int | None = DEFAULT_CAPTIONS,
    seed: int = 0,
    tell: Callable[[str, int], None] | None = None,
) -> DatasetDescription:
    """What `describe` says of a dataset, for a relation of clips.

    Args:
        connection: in which `relation` was made.
        relation: the clips, one row each.
        assigned: `ROLE=COLUMN` for columns that go by other names.
        hidden: columns that are neither summarised nor read.
        captions, seed, tell: see `clip_statistics`.

    Raises:
        MisuseError: no such role or column.
        duckdb.Error: the rows cannot be read.
    """
    columns = dict(zip(relation.columns, map(str, relation.types), strict=True))
    shown = {name: kind for name, kind in columns.items() if name not in hidden}
    roles = with_columns(find_roles(shown), assigned, shown)
    numbers = clip_statistics(connection, relation, roles, captions=captions, seed=seed, tell=tell)
    texts = {*roles.captions, roles.source, roles.key} - {None}
    summaries = describe_relation(
        connection,
        relation,
        roles.source,
        roles.seconds,
        {*hidden, *(name for name in texts if name)},
    )
    return {
        **summaries,
        "videos": numbers["sources"] or 0,
        "hours": numbers["hours"],
        "statistics": numbers,
        "columns": [],
        "recipe": [],
    }
