"""Vectors of a dataset in one file that is mapped, not loaded, with the ids they belong to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from internvid.core.errors import ConfigInvalidError, DatasetFormatError
from internvid.dataset.parts import commit_json, commit_table, committed

Matrix = npt.NDArray[np.float32]
_VECTORS, _IDS, _FACTS = "vectors.npy", "ids.parquet", "vectors.json"


@dataclass(frozen=True)
class Hit:
    """One answer to a query.

    Attributes:
        clip_id: which clip.
        score: cosine of its vector and the query, -1 to 1.
    """

    clip_id: str
    score: float


class VectorFacts(TypedDict, total=False):
    """What is known of stored vectors: how many, how wide, a digest of their values, a label."""

    rows: int
    dimension: int
    digest: str
    label: str


@dataclass(frozen=True)
class VectorStore:
    """A folder with `vectors.npy` (float32 [N, D], unit length) and `ids.parquet` beside it.

    Attributes:
        folder: where they lie.
    """

    folder: Path

    @cached_property
    def matrix(self) -> Matrix:
        """All vectors, float32 [N, D], mapped from disk.

        Raises:
            DatasetFormatError: there are none, or the file is damaged.
        """
        try:
            matrix: Matrix = np.load(self.folder / _VECTORS, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DatasetFormatError(
                f"the vectors in {self.folder} cannot be read: {error}",
                hint="remove that folder; the next search makes it again",
            ) from error
        return matrix

    @cached_property
    def ids(self) -> pa.ChunkedArray:
        """The clip of each row, in the order of the rows."""
        return pq.read_table(self.folder / _IDS, columns=["clip_id"]).column("clip_id")

    @cached_property
    def facts(self) -> VectorFacts | None:
        """What is known of the vectors; None where nothing is whole."""
        try:
            facts: Any = json.loads((self.folder / _FACTS).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return cast("VectorFacts", facts) if isinstance(facts, dict) else None

    def exists(self) -> bool:
        """Whether vectors were written here whole."""
        return self.facts is not None

    def write(
        self, batches: Iterable[tuple[Sequence[str], Matrix]], dimension: int, label: str = ""
    ) -> int:
        """Write vectors batch by batch, brought to unit length; returns how many.

        A vector of zeros stays one: it is found by nothing.

        Args:
            batches: ids with their vectors, float [n, D].
            dimension: D.
            label: says later what they were made from.

        Raises:
            ConfigInvalidError: a batch has another width, or values that are not finite.
        """
        ids: list[str] = []
        digest = hashlib.blake2b(digest_size=16)
        # The facts are written last: while they are missing nothing here counts.
        (self.folder / _FACTS).unlink(missing_ok=True)
        with committed(self.folder / _VECTORS) as path, path.open("wb") as file:
            _write_header(file, 0, dimension)
            for names, vectors in batches:
                rows = unit_rows(np.asarray(vectors, np.float32), dimension, len(names))
                data = rows.tobytes()
                digest.update(data)
                # Not `tofile`: it hides why a write failed, and a full disk must be told.
                file.write(data)
                ids.extend(names)
            # As long as the first one: numpy leaves room for a growing first axis.
            file.seek(0)
            _write_header(file, len(ids), dimension)
        commit_table(self.folder / _IDS, pa.table({"clip_id": pa.array(ids, pa.string())}))
        facts = {"rows": len(ids), "dimension": dimension, "digest": digest.hexdigest()}
        commit_json(self.folder / _FACTS, {**facts, "label": label})
        for cached in ("matrix", "ids", "facts"):
            self.__dict__.pop(cached, None)
        return len(ids)


def search_exact(
    store: VectorStore,
    queries: Matrix,
    count: int,
    allowed: npt.NDArray[np.bool_] | None = None,
) -> list[list[Hit]]:
    """The nearest vectors by cosine, compared with every one.

    Args:
        store: the vectors.
        queries: float32 [Q, D], of any length but zero.
        count: how many each; fewer where the store holds fewer.
        allowed: bool [N], which rows may be found; all when None.

    Returns:
        For each query its hits, best first; equal scores in the order of the store.
    """
    unit = unit_rows(np.atleast_2d(np.asarray(queries, np.float32)), store.matrix.shape[1])
    hits = []
    for query in unit:
        # A product with one vector reads the matrix once and is bound by memory: nothing is
        # gained by a smarter loop.
        scores = store.matrix @ query
        rows = np.arange(len(scores)) if allowed is None else np.flatnonzero(allowed)
        best = best_rows(scores if allowed is None else scores[rows], count)
        hits.append(hits_of(store, rows[best], scores))
    return hits


def best_rows(scores: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int64]:
    """Indices of the highest scores, best first, equal ones in order."""
    count = min(count, len(scores))
    if count < 1:
        return np.empty(0, np.int64)
    # Everything that reaches the last place takes part, so that ties fall to the lower row.
    bar = np.partition(scores, len(scores) - count)[len(scores) - count]
    rows = np.flatnonzero(scores >= bar)
    return rows[np.argsort(-scores[rows], kind="stable")][:count]


def hits_of(
    store: VectorStore, rows: npt.NDArray[np.int64], scores: npt.NDArray[np.float32]
) -> list[Hit]:
    """Rows of a store as hits; `scores` is indexed by row."""
    return [Hit(store.ids[int(row)].as_py(), float(scores[row])) for row in rows]


def unit_rows(vectors: Matrix, dimension: int, count: int | None = None) -> Matrix:
    """Rows brought to unit length; rows of zeros stay as they are.

    Args:
        vectors: float32 [n, D].
        dimension: D that is wanted.
        count: n that is wanted; any when None.

    Raises:
        ConfigInvalidError: another shape, NaN or infinity.
    """
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        raise ConfigInvalidError(
            f"vectors must be [n, {dimension}], got {list(vectors.shape)}",
            hint="vectors of different models cannot be compared; embed with one model",
        )
    if count is not None and len(vectors) != count:
        raise ConfigInvalidError(f"{count} ids came with {len(vectors)} vectors")
    if not np.isfinite(vectors).all():
        raise ConfigInvalidError("a vector holds NaN or infinity")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.where(lengths > 0, lengths, 1))


def _write_header(file: object, rows: int, dimension: int) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": (rows, dimension)}
    np.lib.format.write_array_header_1_0(file, header)  # type: ignore[arg-type]
