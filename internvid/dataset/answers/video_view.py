"""The view `videos` in SQL: the latest row of each source."""

from __future__ import annotations

from collections.abc import Mapping

from internvid.dataset.answers.column_views import quoted_name
from internvid.dataset.sources.metadata import expressions
from internvid.dataset.tables import LATER_VIDEO_COLUMNS, VIDEO_SCHEMA

_PART = "internvid_part"


def videos_statement(files: str, metadata: Mapping[str, str]) -> str:
    """SQL of the view `videos`: the latest row of each source, a column for each key of metadata.

    Args:
        files: the tables, as an SQL list.
        metadata: keys and their types, as the record of a dataset has them.
    """
    further = "".join(
        f", {expression} as {quoted_name(name)}"
        for name, expression in expressions(metadata, VIDEO_SCHEMA.names)
    )
    return (
        f"select * exclude ({_PART}){further} from (select * from ("
        f"select * from read_parquet({files}, filename = '{_PART}', union_by_name = true) "
        f"union all by name select {LATER_VIDEO_COLUMNS} where false) "
        f"qualify row_number() over (partition by uri order by {_PART} desc) = 1)"
    )
