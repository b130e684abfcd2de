"""Describes a dataset or subset in numbers: the funnel, and the distribution of each column."""

from __future__ import annotations

from typing import Any

from internvid.dataset.store import Dataset

_NUMERIC = ("DOUBLE", "FLOAT", "INTEGER", "BIGINT")
_NAMES = frozenset({"clip_id", "video_id", "source_id", "kept", "reason"})
_IDENTITY = frozenset({"start_pts", "end_pts", "start_frame", "end_frame", "shot"})


def describe(dataset: Dataset, subset: str | None = None) -> dict[str, Any]:
    """Counts, hours, the funnel by reason, and a summary of each column.

    Returns:
        `videos`, `clips`, `hours`; `funnel` (reason, clips, hours; "kept" first); `numbers`
        (column, mean and quantiles); `words` (column, value, clips) for words and flags.
    """
    with dataset.reading():
        return _describe(dataset, subset)


def _describe(dataset: Dataset, subset: str | None) -> dict[str, Any]:
    relation = dataset.clips_relation(subset)
    connection = dataset.connection
    connection.execute("drop view if exists described")
    relation.create_view("described", replace=True)
    head = connection.execute(
        "select count(*), count(distinct video_id), coalesce(sum(duration_seconds), 0) / 3600 "
        "from described"
    ).fetchall()[0]
    numbers, words = [], []
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


def funnel(dataset: Dataset) -> list[dict[str, Any]]:
    """Clips and hours kept and rejected, by reason."""
    rows = dataset.sql(
        "select outcome as reason, count(*)::bigint as clips, "
        "sum(duration_seconds) / 3600 as hours "
        "from (select if(kept, 'kept', reason) as outcome, duration_seconds from all_clips) "
        "group by outcome order by outcome <> 'kept', clips desc, outcome"
    )
    reasons: list[dict[str, Any]] = rows.to_arrow_table().to_pylist()
    return reasons


def _numbers(dataset: Dataset, name: str, quoted: str) -> dict[str, Any]:
    row = dataset.connection.execute(
        f"select count({quoted}), avg({quoted}), min({quoted}), quantile_cont({quoted}, 0.25), "
        f"quantile_cont({quoted}, 0.5), quantile_cont({quoted}, 0.75), max({quoted}) "
        "from described"
    ).fetchall()[0]
    keys = ("count", "mean", "minimum", "quarter", "median", "three_quarters", "maximum")
    return {"column": name, **dict(zip(keys, row, strict=True))}


def _words(dataset: Dataset, name: str, quoted: str) -> list[dict[str, Any]]:
    # By place: a column of captions may be called like anything that is named here.
    rows = dataset.connection.execute(
        f"select {quoted}::varchar, count(*) from described "
        f"where {quoted} is not null group by 1 order by 2 desc, 1 limit 12"
    ).fetchall()
    # Free text (captions, ids) has nearly one value a clip: no distribution to show.
    if len(rows) == 12 and rows[0][1] <= 2:
        return []
    return [{"column": name, "value": value, "clips": clips} for value, clips in rows]
