"""Groups of sources that share clips: what must stay on one side of a split."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from internvid.core.errors import MisuseError
from internvid.core.system.shell import command
from internvid.curate.duplicates.groups import joined
from internvid.dataset.store import Dataset


def source_groups(
    dataset: Dataset, column: str = "duplicate", least_share: float = 0.0
) -> pa.Table:
    """Every source with its group: `source_id`, `group`.

    Sources are in one group that have the same bytes, or clips in one group of duplicates, and
    also those between which others make a chain. A group is called after its lowest `source_id`.

    Args:
        dataset: with a column of duplicates.
        column: its name.
        least_share: a group of clips joins its sources where one of them is at least that share of
            its source's kept seconds. Above 0, an intro that many sources share does not make them
            one.

    Raises:
        MisuseError: there is no such column.
    """
    if f"{column}_group" not in dataset.sql("select * from clips limit 0").columns:
        raise MisuseError(
            f"{dataset.root} has no column of duplicates {column!r}",
            hint=f"make it with: {command('dedup', dataset.root)}",
        )
    with dataset.reading():
        sources = [
            source_id
            for (source_id,) in dataset.sql(
                "select distinct source_id from videos where status in ('ok', 'duplicate') "
                "and source_id is not null order by 1"
            ).fetchall()
        ]
        number = {source_id: at for at, source_id in enumerate(sources)}
        pairs = list(_pairs(dataset, column, least_share))
    roots = joined(len(sources), ((number[one], number[two]) for one, two in pairs))
    return pa.table(
        {
            "source_id": pa.array(sources, pa.string()),
            "group": pa.array([sources[int(root)] for root in roots], pa.string()),
        }
    )


def _pairs(dataset: Dataset, column: str, least_share: float) -> Iterator[tuple[str, str]]:
    """Sources that are in one group, each with the lowest one of it."""
    group = '"' + f"{column}_group".replace('"', '""') + '"'
    same_bytes = (
        "select source_id, min(source_id) over (partition by video_id) from videos "
        "where status in ('ok', 'duplicate') and source_id is not null"
    )
    # A table may have renamed a source since its clips were cut: its row of `videos` counts.
    same_pictures = (
        "with named as (select distinct video_id, source_id from videos where status in "
        "('ok', 'duplicate') and source_id is not null), shown as (select named.source_id, "
        "clips.duration_seconds / sum(clips.duration_seconds) over (partition by named.source_id) "
        f"as share, clips.{group} as found from clips join named using (video_id)) "
        "select source_id, lowest from (select source_id, min(source_id) over (partition by found) "
        "as lowest, max(share) over (partition by found) as share from shown "
        f"where found is not null) where share >= {float(least_share)}"
    )
    for query in (same_bytes, same_pictures):
        yield from dataset.sql(f"select distinct * from ({query}) order by all").fetchall()
