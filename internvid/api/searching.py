"""Search a dataset's clips by a text, a video or an image; lay them out on a map."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from internvid.api.datasets import DatasetLike, as_dataset
from internvid.core.errors import MisuseError
from internvid.core.system.shell import command
from internvid.core.types import instant

if TYPE_CHECKING:
    from internvid.dataset.store import Dataset
    from internvid.searching.mapping.map_columns import MapSummary
    from internvid.searching.vectors import Hit


@dataclass(frozen=True)
class SearchResult:
    """What a search returned.

    Attributes:
        query: the sentence, or the path of the file.
        column: of vectors that was searched.
        model: that made it, where it was named.
        hits: a row a clip, the best first: `score` (cosine), `clip_id`, `start_seconds`,
            `end_seconds`, `uri`, and its text columns.
    """

    query: str
    column: str
    model: str
    hits: list[dict[str, Any]]


def search(
    dataset: DatasetLike,
    query: str | os.PathLike[str],
    count: int = 10,
    *,
    column: str | None = None,
    model: str = "",
    subset: str | None = None,
    exact: bool | None = None,
    device: str = "auto",
    progress: Callable[[str, float], None] | None = None,
) -> SearchResult:
    """Clips that fit a sentence, or look like a video or an image, the best first.

    Args:
        dataset: with a column of vectors, see `embed`.
        query: a sentence, or the path of a media file.
        count: how many clips.
        column: of vectors; the only one when None.
        model: that made the column, where it lay in a folder that is now elsewhere.
        subset: only its clips.
        exact: compare with every vector; None does so below 200,000 vectors.
        device: `auto`, `cpu`, `cuda` ...
        progress: called with what is read and which share of it is done.

    Raises:
        MisuseError: an empty query, or no such column.
        VideoError: the query's file cannot be read.
    """
    from internvid.searching.query import open_search

    if not str(query).strip():
        raise MisuseError("an empty query finds nothing", hint="give a text or the path of a file")
    opened = as_dataset(dataset)
    shown: dict[str, Any] = {} if progress is None else {"progress": progress}
    searcher = open_search(opened, column, model=model, device=device, **shown)
    file, options = Path(query), {"subset": subset, "exact": exact}
    if is_file(file):
        hits = searcher.by_file(file, count, **options)
    else:
        hits = searcher.by_text(str(query), count, **options)
    rows = describe_hits(opened, hits)
    return SearchResult(str(query), searcher.column, searcher.model, rows)


def map_clips(
    dataset: DatasetLike,
    *,
    vectors: str = "",
    method: Literal["pca", "umap"] = "pca",
    name: str = "map",
    neighbours: int = 15,
    sample: int = 50_000,
    seed: int = 42,
    progress: Callable[[str, int, int], None] | None = None,
) -> MapSummary:
    """Give each clip that has a vector a place in the plane, as columns `<name>_x` and `<name>_y`.

    `internvid browse` draws them; filters and selections read them like any other number.

    Args:
        dataset: with a column of vectors, see `embed`; an open one shows the columns afterwards.
        vectors: that column; the only one when empty.
        method: `pca`: the plane in which vectors differ most, of one matrix for any number of
            clips; `umap`: near vectors are near, which shows groups (needs umap-learn).
        name: of the map.
        neighbours: of `umap`: how many of each are kept near; more show the whole, fewer details.
        sample: of `umap`: the layout is fitted on at most so many vectors, and applied to others.
        seed: of the draw and the layout.
        progress: called with what is done now, how far it is, and of how much.

    Raises:
        MisuseError: a name that is taken, no such column of vectors, several and none named.
        ConfigInvalidError: a value out of range.
        DependencyMissingError: `umap` and umap-learn is not installed.
        DatasetFormatError: there is no finished dataset.
        DatasetBusyError: another process writes to it.
    """
    from internvid.dataset.removal.purging import writing
    from internvid.dataset.store import layout_to_write, open_dataset
    from internvid.searching.mapping.map_columns import VectorMap, record_map
    from internvid.searching.query import vector_columns

    with layout_to_write(dataset) as layout, writing(layout):
        opened = open_dataset(layout.root)
        known = list(vector_columns(opened))
        if not vectors and len(known) > 1:
            raise MisuseError(
                f"{layout.root} has several columns of vectors: {', '.join(known)}",
                hint=f"choose one: {command('map', layout.root, '--vectors', known[0])}",
            )
        column = vectors or (known[0] if known else "embedding")
        rule = VectorMap(column, method, neighbours, sample, seed)
        return record_map(opened, rule, name, progress)


def is_file(path: Path) -> bool:
    """Whether there is such a file; a long sentence is no name of one."""
    try:
        return path.is_file()
    except OSError:
        return False


def describe_hits(dataset: Dataset, hits: list[Hit]) -> list[dict[str, Any]]:
    """Spans, sources and texts of the clips that a search returned, in its order."""
    from internvid.dataset.answers.columns import is_text_column

    record = dataset.record
    columns = record.columns.get(record.cut or "", {})
    texts = [
        name
        for name, key in sorted(columns.items())
        if is_text_column(dataset.layout, record, record.cut or "", key)
    ]
    chosen = ", ".join(
        f'c."{name}"' for name in ("clip_id", "start_seconds", "end_seconds", *texts)
    )
    # One query for all hits: each would read the clips' files anew.
    matches = dataset.connection.execute(
        f"select {chosen}, min(v.uri) filter (v.status = 'ok') as first, min(v.uri) as any_of "
        "from all_clips c left join videos v on v.video_id = c.video_id "
        "and v.status in ('ok', 'duplicate') "
        f"where c.clip_id in (select unnest(?)) group by {chosen}",
        [[hit.clip_id for hit in hits]],
    ).fetchall()
    by_id = {row[0]: row for row in matches}
    rows = []
    for hit in hits:
        _, start, end, *words, first, any_of = by_id[hit.clip_id]
        rows.append(
            {
                "score": round(hit.score, 4),
                "clip_id": hit.clip_id,
                "start_seconds": instant(start),
                "end_seconds": instant(end),
                "uri": first or any_of,
                **dict(zip(texts, words, strict=True)),
            }
        )
    return rows
