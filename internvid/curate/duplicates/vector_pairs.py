"""Pairs of clips whose vectors point the same way."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from internvid.core.errors import ConfigInvalidError, MisuseError
from internvid.curate.duplicates.clip_pairs import ClipPair
from internvid.dataset.store import Dataset

_BLOCK = 2048


def vector_pairs(
    vectors: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
    similarity: float,
    first_rows: int | None = None,
) -> list[ClipPair]:
    """Pairs with a cosine of at least `similarity`, compared one and all in blocks.

    Args:
        vectors: float32 [n, D], none of length zero.
        rows: int64 [n], the clips whose vectors they are.
        similarity: least cosine.
        first_rows: only pairs of one of the first so many clips with a later one; all when None.
    """
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found: list[ClipPair] = []
    for start in range(0, len(unit), _BLOCK):
        block = unit[start : start + _BLOCK]
        for other in range(start, len(unit), _BLOCK):
            near = block @ unit[other : other + _BLOCK].T >= similarity
            for one, two in zip(*np.nonzero(near), strict=True):
                first, second = sorted((int(rows[start + one]), int(rows[other + two])))
                if start + one >= other + two:
                    continue
                if first_rows is None or first < first_rows <= second:
                    found.append(ClipPair(first, second, "vector"))
    return found


def read_vectors(
    dataset: Dataset, column: str, rows: dict[str, int]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Vectors of a column, [n, D], and the rows of the clips they belong to.

    Args:
        dataset: that has the column.
        column: its name.
        rows: clip_id -> row.

    Raises:
        MisuseError: there is no such column, or it holds no vectors.
        ConfigInvalidError: its vectors have several lengths.
    """
    table = vector_table(dataset, column)
    ids = table["clip_id"].to_pylist()
    values = table["value"].combine_chunks()
    lengths = np.unique(values.value_lengths().to_numpy(zero_copy_only=False))
    if len(lengths) > 1:
        raise ConfigInvalidError(f"the vectors of {column!r} have lengths {lengths.tolist()}")
    matrix = values.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    matrix = matrix.reshape(len(ids), -1) if len(ids) else np.empty((0, 0), np.float32)
    chosen = np.array(
        [
            clip_id in rows and bool(vector.any())
            for clip_id, vector in zip(ids, matrix, strict=True)
        ],
        np.bool_,
    )
    places = [rows[clip_id] for clip_id, keep in zip(ids, chosen, strict=True) if keep]
    return matrix[chosen], np.array(places, np.int64)


def vector_table(dataset: Dataset, column: str) -> pa.Table:
    """`clip_id` and `value` of a column of vectors that holds, in id order.

    Raises:
        MisuseError: there is no such column, or it holds no vectors.
    """
    known = dataset.record.columns.get(dataset.record.cut or "", {})
    recipe = dataset.record.column_recipes.get(known.get(column, ""), {})
    if column not in known or recipe.get("value_type", "vector") != "vector":
        there = ", ".join(
            name
            for name, key in sorted(known.items())
            if dataset.record.column_recipes.get(key, {}).get("value_type") == "vector"
        )
        raise MisuseError(
            f"{dataset.root} has no column of vectors {column!r}; it has: {there or 'none'}",
            hint="make one with: internvid embed",
        )
    with dataset.reading():
        name = f"column_{column}".replace('"', '""')
        return dataset.sql(
            f"select clip_id, value from \"{name}\" where status = 'ok' and not is_stale "
            "order by clip_id"
        ).to_arrow_table()
