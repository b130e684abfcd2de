"""The columns of captions and scores in SQL: a view of each, and what they add to the clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from internvid.dataset.answers.column_inputs import IS_STALE, TEXT_DIGEST, stale_columns, text_chain
from internvid.dataset.answers.columns import column_schema_of, extras_of
from internvid.dataset.duckdb_connection import column_view
from internvid.dataset.layout import Layout, Record


def column_statements(
    layout: Layout, record: Record, parts: Sequence[str]
) -> tuple[str, str, dict[str, str]]:
    """What the columns add to `all_clips`: names, joins; and a view of each, `column_<name>`.

    Vectors are left to their own views: a row of `clips` is for people to look at.
    """
    cut = record.cut or ""
    columns, joins = "", ""
    views: dict[str, str] = {}
    stale = stale_columns(record, cut)
    named = sorted(record.columns.get(cut, {}).items())
    for at, (name, key) in enumerate(named):
        schema = column_schema_of(layout, record, cut, key)
        is_vector = schema is not None and _is_list(schema.field("value").type)
        names = [] if is_vector else [("value", name)]
        names += [(extra, f"{name}_{extra}") for extra in extras_of(schema)]
        if not names:
            continue
        columns += "".join(
            f", c{at}.{quoted_name(one)} as {quoted_name(shown)}" for one, shown in names
        )
        chosen = ", ".join(quoted_name(one) for one, _ in names)
        joins += (
            f" left join (select clip_id, {chosen} from {quoted_name(f'column_{name}')}"
            f" where status = 'ok' and not {IS_STALE}) c{at} using (clip_id)"
        )
    # The view of a column that reads a text stands on the view of that text.
    for name, key in sorted(named, key=lambda item: len(text_chain(record, item[1]))):
        files = [file for part in parts for file in layout.column_files(cut, key, part)]
        rows = column_view(files)
        chain = () if name in stale else text_chain(record, key)
        views[f"column_{name}"] = _with_staleness(rows, chain, is_stale=name in stale)
    return columns, joins, views


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(kind))


def _with_staleness(rows: str, chain: Sequence[str], *, is_stale: bool) -> str:
    """Rows of a column, each with whether its answer holds no more.

    Args:
        rows: a query.
        chain: keys of the text column that it reads, of the one which that reads, and so on.
        is_stale: whether all are.
    """
    if is_stale or not chain:
        return f"select *, {str(is_stale).lower()} as {IS_STALE} from ({rows})"
    text = quoted_name(f"column_{chain[0].partition('@')[0]}")
    # Rows of before digests have none.
    whole = f"({rows}) union all by name (select null::varchar as {TEXT_DIGEST} where false)"
    return (
        f"select own.*, coalesce(own.{TEXT_DIGEST} <> coalesce(md5(given.value), '') "
        f"or (own.{TEXT_DIGEST} is not null and given.{IS_STALE}), false) as {IS_STALE} "
        f"from ({whole}) own left join {text} given using (clip_id)"
    )


def quoted_name(column: str) -> str:
    """The name of a column in SQL."""
    return '"' + column.replace('"', '""') + '"'
