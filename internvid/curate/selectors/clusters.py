"""Clusters of a column of vectors, by k-means on a sample."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from internvid.core.errors import ConfigInvalidError
from internvid.curate.draws import drawn_query
from internvid.curate.selectors.scratch_tables import new_table, over, run
from internvid.dataset.answers.column_views import quoted_name

if TYPE_CHECKING:
    import duckdb

# Points a cluster that its centre is made of, as faiss takes them.
_POINTS = 256
_ROUNDS = 20
_VECTOR = re.compile(r"(FLOAT|DOUBLE|U?(TINY|SMALL|BIG)?INT(EGER)?|DECIMAL\(.*\))\[\d*\]")
CLUSTER = "internvid_cluster"


def with_clusters(
    table: duckdb.DuckDBPyRelation, column: str, clusters: int, seed: int
) -> tuple[duckdb.DuckDBPyRelation, str]:
    """The table with one more column, the number of the nearest centre, and its name.

    Centres are made of a sample of 256 rows a cluster by Lloyd's algorithm on unit vectors, with
    k-means++ starts; rows without a vector have null.

    Args:
        table: with `row_key` and the column, or a dataset's clips with a view `column_<column>`.
        column: of lists of numbers.
        clusters: how many.
        seed: of the sample and of the starts.

    Raises:
        ConfigInvalidError: there is no such column of vectors, or fewer vectors than clusters.
    """
    if clusters < 1:
        raise ConfigInvalidError(
            f"clusters must be at least 1, got {clusters}", hint="leave it out to balance values"
        )
    vectors = _vectors(table, column)
    known = "select * from input where vector is not null"
    sampled = over(
        vectors,
        f"select vector from ({drawn_query(known, seed, 'row_key', 'drawn')}) order by drawn "
        f"limit {min(clusters * _POINTS, 2**62)}",
    ).to_arrow_table()
    if sampled.num_rows < clusters:
        raise ConfigInvalidError(
            f"{clusters} clusters of {column!r} cannot be: it has {sampled.num_rows} vectors",
            hint="ask for fewer clusters",
        )
    centres = k_means(_matrix(sampled["vector"], column), clusters, seed)
    name = new_table("clusters")
    run(
        vectors,
        f"create temp table {name} as select row_key, {_nearest(centres)} as {CLUSTER} "
        "from input where vector is not null",
    )
    joined = over(table, f"select input.*, {CLUSTER} from input left join {name} using (row_key)")
    return joined, CLUSTER


def k_means(points: npt.NDArray[np.float32], clusters: int, seed: int) -> npt.NDArray[np.float32]:
    """Centres of unit vectors by cosine; the same for the same points on one type of machine.

    Args:
        points: [N, D], N at least `clusters`.
        clusters: K.
        seed: of the starts.

    Returns:
        [K, D], of length 1.
    """
    generator = np.random.default_rng(seed % 2**64)
    centres = points[[int(generator.integers(len(points)))]]
    while len(centres) < clusters:
        apart = np.clip(1 - (points @ centres.T).max(1), 0, None).astype(np.float64)
        total = apart.sum()
        share = apart / total if total > 0 else np.full(len(points), 1 / len(points))
        centres = np.vstack([centres, points[[generator.choice(len(points), p=share)]]])
    for _ in range(_ROUNDS):
        nearest = (points @ centres.T).argmax(1)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, points)
        filled = np.linalg.norm(sums, axis=1) > 0
        # A cluster that lost all its points stays where it was.
        moved = np.where(filled[:, None], _unit(sums), centres)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres


def _nearest(centres: npt.NDArray[np.float32]) -> str:
    """The number of the nearest centre of `vector`, from 1, as SQL: the first of equals."""
    lists = ", ".join(f"[{', '.join(map(repr, map(float, centre)))}]" for centre in centres)
    near = (
        f"list_transform([{lists}]::float[][], lambda centre: "
        "list_inner_product(vector::float[], centre))"
    )
    return f"list_position({near}, list_max({near}))"


def _vectors(table: duckdb.DuckDBPyRelation, column: str) -> duckdb.DuckDBPyRelation:
    import duckdb

    if column in table.columns:
        found = table.project(f"row_key, {quoted_name(column)} as vector")
    else:
        try:
            found = over(
                table,
                f"select row_key, value as vector from input join "
                f"{quoted_name('column_' + column)} using (clip_id) where status = 'ok'",
            )
        except duckdb.Error as error:
            raise ConfigInvalidError(
                f"there is no column of vectors {column!r}",
                hint="make one with: internvid embed DATASET",
            ) from error
    kind = str(found.types[1])
    if not _VECTOR.fullmatch(kind):
        raise ConfigInvalidError(
            f"{column!r} holds no vectors: its type is {kind}",
            hint="leave clusters out to balance the values of a column",
        )
    # A vector with a gap is none.
    holds = "list_count(vector) = len(vector) and isfinite(list_sum(vector)::double)"
    return found.project(f"row_key, if({holds}, vector, null) as vector")


def _matrix(column: pa.ChunkedArray, name: str) -> npt.NDArray[np.float32]:
    """[N, D] unit vectors."""
    lists = column.combine_chunks()
    lengths = sorted({len(each) for each in lists})
    if len(lengths) != 1 or 0 in lengths:
        raise ConfigInvalidError(
            f"{name!r} holds vectors of other lengths than one: "
            f"{', '.join(map(str, lengths[:9]))} numbers",
            hint="choose among those of one length first, for example with --where",
        )
    flat = lists.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    return _unit(flat.reshape(len(lists), -1))


def _unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)
