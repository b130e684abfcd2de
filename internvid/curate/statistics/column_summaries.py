"""The funnel of a dataset, and a summary of each column of its clips or of any table."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, TypedDict

from internvid.curate.statistics.clip_numbers import ClipNumbers
from internvid.curate.statistics.spreads import EXACT_ROWS, finite
from internvid.dataset.answers.column_views import quoted_name
from internvid.dataset.answers.columns import ColumnProgress
from internvid.dataset.duckdb_connection import quoted
from internvid.dataset.layout import Setting
from internvid.dataset.store import Dataset

if TYPE_CHECKING:
    import duckdb

_ID = re.compile("[0-9a-f]{32}")
_FIRST_ROWS = 100_000
_NUMERIC = ("DOUBLE", "FLOAT", "INTEGER", "BIGINT")
_NAMES = frozenset({"clip_id", "video_id", "source_id", "kept", "reason"})
_IDENTITY = frozenset({"start_pts", "end_pts", "start_frame", "end_frame", "shot"})


class FunnelRow(TypedDict):
    """How many clips were kept, or rejected for one reason, and how many hours that is."""

    reason: str
    clips: int
    hours: float


class NumberSummary(TypedDict):
    """How the values of a column of numbers are spread."""

    column: str
    count: int
    mean: float | None
    minimum: float | None
    quarter: float | None
    median: float | None
    three_quarters: float | None
    maximum: float | None


class WordCount(TypedDict):
    """How many clips have a value of a column of words or flags."""

    column: str
    value: str
    clips: int


class ClipStatistics(TypedDict):
    """A dataset or subset in numbers: see `describe`."""

    videos: int
    clips: int
    hours: float
    funnel: list[FunnelRow]
    numbers: list[NumberSummary]
    words: list[WordCount]


class DatasetDescription(ClipStatistics):
    """Summaries, statistics beside the paper's, how far each column is, the cut's settings.

    Attributes:
        faults: of a table, how many lines are no rows, or rows no sound clips, by reason.
    """

    statistics: ClipNumbers
    columns: list[ColumnProgress]
    recipe: list[Setting]
    faults: dict[str, int]


def describe(dataset: Dataset, subset: str | None = None) -> ClipStatistics:
    """Counts, hours, the funnel by reason, and a summary of each column.

    Returns:
        `videos`, `clips`, `hours`; `funnel` (reason, clips, hours; "kept" first); `numbers`
        (column, mean and quantiles); `words` (column, value, clips) for words and flags.
    """
    with dataset.reading():
        described = describe_relation(
            dataset.connection, clips_in_any_order(dataset, subset), "video_id", "duration_seconds"
        )
        return {**described, "funnel": funnel(dataset) if subset is None else []}


def clips_in_any_order(dataset: Dataset, subset: str | None) -> duckdb.DuckDBPyRelation:
    """The kept clips of a dataset or subset; sorting them would be for nothing here."""
    only = ""
    if subset is not None:
        only = f" semi join read_parquet({quoted([dataset.subset_path(subset)])}) using (clip_id)"
    return dataset.sql(f"select * from clips{only}")


def describe_relation(
    connection: duckdb.DuckDBPyConnection,
    relation: duckdb.DuckDBPyRelation,
    source: str | None,
    seconds: str | None,
    left_out: Collection[str] = (),
) -> ClipStatistics:
    """Counts, hours and a summary of each column of a table of clips, without a funnel.

    Args:
        connection: in which `relation` was made.
        relation: the clips.
        source, seconds: columns that hold a clip's video and its length, where there are any.
        left_out: columns that are not summarised.
    """
    relation.create_view("described", replace=True)
    try:
        length = "null" if seconds is None else finite(quoted_name(seconds))
        videos = "0" if source is None else f"count(distinct {quoted_name(source)})"
        head = connection.execute(
            f"select count(*), {videos}, coalesce(sum({length}), 0) / 3600 from described"
        ).fetchall()[0]
        numbers: list[NumberSummary] = []
        words: list[WordCount] = []
        for name, kind in zip(relation.columns, map(str, relation.types), strict=True):
            if name in left_out:
                continue
            column = quoted_name(name)
            if kind in _NUMERIC and name not in _IDENTITY:
                numbers.append(_numbers(connection, name, column, is_large=head[0] > EXACT_ROWS))
            elif kind in ("BOOLEAN", "VARCHAR") and name not in _NAMES:
                words.extend(_words(connection, name, column))
    finally:
        connection.execute("drop view if exists described")
    return {
        "videos": head[1],
        "clips": head[0],
        "hours": head[2],
        "funnel": [],
        "numbers": [row for row in numbers if row["count"]],
        "words": words,
    }


def funnel(dataset: Dataset) -> list[FunnelRow]:
    """Clips and hours kept and rejected, by reason."""
    rows = dataset.sql(
        "select outcome as reason, count(*)::bigint as clips, "
        "sum(duration_seconds) / 3600 as hours "
        "from (select if(kept, 'kept', reason) as outcome, duration_seconds from all_clips) "
        "group by outcome order by outcome <> 'kept', clips desc, outcome"
    )
    reasons: list[FunnelRow] = rows.to_arrow_table().to_pylist()
    return reasons


def _numbers(
    connection: duckdb.DuckDBPyConnection, name: str, quoted: str, *, is_large: bool
) -> NumberSummary:
    # One NaN would make every figure NaN.
    value = finite(quoted)
    quantiles = "approx_quantile" if is_large else "quantile_cont"
    row = connection.execute(
        f"select count(value), avg(value), min(value), {quantiles}(value, [0.25, 0.5, 0.75]), "
        f"max(value) from (select {value} as value from described)"
    ).fetchall()[0]
    count, mean, minimum, middle, maximum = row
    quarter, median, three_quarters = middle or (None, None, None)
    return {
        "column": name,
        "count": count,
        "mean": mean,
        "minimum": minimum,
        "quarter": quarter,
        "median": median,
        "three_quarters": three_quarters,
        "maximum": maximum,
    }


def _words(connection: duckdb.DuckDBPyConnection, name: str, quoted: str) -> list[WordCount]:
    ((given, different),) = connection.execute(
        f"select count({quoted}), count(distinct {quoted}) "
        f"from (select {quoted} from described where {quoted} is not null limit {_FIRST_ROWS})"
    ).fetchall()
    # Grouping a column of ids or captions would keep every one of them in memory.
    if given == _FIRST_ROWS and 2 * different > given:
        return []
    # By place: a column of captions may be called like anything that is named here.
    rows = connection.execute(
        f"select {quoted}::varchar, count(*) from described "
        f"where {quoted} is not null group by 1 order by 2 desc, 1 limit 12"
    ).fetchall()
    # Free text (captions, ids) has nearly one value a clip: no distribution to show.
    if len(rows) == 12 and rows[0][1] <= 2:
        return []
    # Ids of clips and videos, as columns of duplicates hold them, name nothing that repeats.
    if all(_ID.fullmatch(value) for value, _ in rows):
        return []
    return [{"column": name, "value": value, "clips": clips} for value, clips in rows]
