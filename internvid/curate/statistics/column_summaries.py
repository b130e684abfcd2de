"""Describes a dataset or subset in numbers: the funnel, and the distribution of each column."""

from __future__ import annotations

from typing import TypedDict

from internvid.dataset.answers.columns import ColumnProgress
from internvid.dataset.layout import Setting
from internvid.dataset.store import Dataset

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
    """Statistics of the clips, how far each column is, and the settings of the cut's recipe."""

    columns: list[ColumnProgress]
    recipe: list[Setting]


def describe(dataset: Dataset, subset: str | None = None) -> ClipStatistics:
    """Counts, hours, the funnel by reason, and a summary of each column.

    Returns:
        `videos`, `clips`, `hours`; `funnel` (reason, clips, hours; "kept" first); `numbers`
        (column, mean and quantiles); `words` (column, value, clips) for words and flags.
    """
    with dataset.reading():
        return _describe(dataset, subset)


def _describe(dataset: Dataset, subset: str | None) -> ClipStatistics:
    relation = dataset.clips_relation(subset)
    connection = dataset.connection
    connection.execute("drop view if exists described")
    relation.create_view("described", replace=True)
    head = connection.execute(
        "select count(*), count(distinct video_id), coalesce(sum(duration_seconds), 0) / 3600 "
        "from described"
    ).fetchall()[0]
    numbers: list[NumberSummary] = []
    words: list[WordCount] = []
    for name, kind in zip(relation.columns, map(str, relation.types), strict=True):
        quoted = '"' + name.replace('"', '""') + '"'
        if kind in _NUMERIC and name not in _IDENTITY:
            numbers.append(_numbers(dataset, name, quoted))
        elif kind in ("BOOLEAN", "VARCHAR") and name not in _NAMES:
            words.extend(_words(dataset, name, quoted))
    return {
        "videos": head[1],
        "clips": head[0],
        "hours": head[2],
        "funnel": funnel(dataset) if subset is None else [],
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


def _numbers(dataset: Dataset, name: str, quoted: str) -> NumberSummary:
    row = dataset.connection.execute(
        f"select count({quoted}), avg({quoted}), min({quoted}), quantile_cont({quoted}, 0.25), "
        f"quantile_cont({quoted}, 0.5), quantile_cont({quoted}, 0.75), max({quoted}) "
        "from described"
    ).fetchall()[0]
    count, mean, minimum, quarter, median, three_quarters, maximum = row
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


def _words(dataset: Dataset, name: str, quoted: str) -> list[WordCount]:
    # By place: a column of captions may be called like anything that is named here.
    rows = dataset.connection.execute(
        f"select {quoted}::varchar, count(*) from described "
        f"where {quoted} is not null group by 1 order by 2 desc, 1 limit 12"
    ).fetchall()
    # Free text (captions, ids) has nearly one value a clip: no distribution to show.
    if len(rows) == 12 and rows[0][1] <= 2:
        return []
    return [{"column": name, "value": value, "clips": clips} for value, clips in rows]
