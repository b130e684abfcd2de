"""An index over many vectors: most of the work of exact search saved, the best hits kept.

An inverted file (faiss `IndexIVF`): vectors are grouped round centres, a query looks only into
the groups whose centres are nearest, over vectors of one byte a dimension; what it finds is
ranked again by the exact vectors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypedDict, cast

import numpy as np
import numpy.typing as npt

from internvid.core.errors import DatasetFormatError, DependencyMissingError
from internvid.dataset.parts import commit_json, committed
from internvid.searching.vectors import Hit, Matrix, VectorStore, best_rows, unit_rows

_INDEX, _FACTS = "index.faiss", "index.json"
_SEED = 42


@dataclass(frozen=True)
class IndexOptions:
    """How an index is made and queried.

    Attributes:
        groups: how many centres; 0: four times the square root of the number of vectors.
        probes: groups looked into for each query.
        candidates: how many of the found are ranked again by their exact vectors.
        training_vectors: at most so many vectors for each centre are used to place it.
    """

    groups: int = 0
    probes: int = 16
    candidates: int = 100
    training_vectors: int = 48

    def groups_for(self, vectors: int) -> int:
        """Centres for so many vectors."""
        wished = self.groups or round(4 * math.sqrt(vectors))
        return max(1, min(wished, vectors // 8 or 1))


@dataclass(frozen=True)
class VectorIndex:
    """An index of a store, in the same folder."""

    store: VectorStore
    options: IndexOptions
    _made: Any

    @classmethod
    def build(
        cls,
        store: VectorStore,
        options: IndexOptions | None = None,
        progress: Callable[[str, float], None] = lambda stage, share: None,
    ) -> VectorIndex:
        """Make the index of a store and save it beside the vectors.

        Args:
            store: the vectors.
            options: how.
            progress: called with the stage ("training", "adding") and its share, 0 to 1.

        Raises:
            DependencyMissingError: faiss is not installed.
        """
        faiss = _faiss()
        chosen = options or IndexOptions()
        rows, dimension = store.matrix.shape
        groups = chosen.groups_for(rows)
        quantizer = faiss.IndexFlatIP(dimension)
        kind = faiss.ScalarQuantizer.QT_8bit
        made = faiss.IndexIVFScalarQuantizer(
            quantizer, dimension, groups, kind, faiss.METRIC_INNER_PRODUCT
        )
        made.cp.seed = _SEED
        made.cp.niter = 8
        made.cp.max_points_per_centroid = chosen.training_vectors
        made.cp.min_points_per_centroid = 1  # few vectors are no reason to warn
        progress("training", 0.0)
        made.train(_sample(store.matrix, groups * chosen.training_vectors))
        step = 65536
        for start in range(0, rows, step):
            made.add(np.ascontiguousarray(store.matrix[start : start + step]))
            progress("adding", min(1.0, (start + step) / rows))
        (store.folder / _FACTS).unlink(missing_ok=True)
        with committed(store.folder / _INDEX) as path:
            faiss.write_index(made, str(path))
        facts = {"digest": (store.facts or {}).get("digest"), "options": asdict(chosen)}
        commit_json(store.folder / _FACTS, facts)
        return cls(store, chosen, made)

    @classmethod
    def open(cls, store: VectorStore, options: IndexOptions | None = None) -> VectorIndex | None:
        """The saved index of a store, or None where there is none of these very vectors.

        Raises:
            DependencyMissingError: faiss is not installed.
            DatasetFormatError: the saved index is damaged.
        """
        facts = _read_facts(store.folder / _FACTS)
        if facts is None or facts.get("digest") != (store.facts or {}).get("digest"):
            return None
        faiss = _faiss()
        try:
            made = faiss.read_index(str(store.folder / _INDEX))
        except RuntimeError as error:  # faiss knows no other
            raise DatasetFormatError(
                f"the index in {store.folder} cannot be read",
                hint="remove that folder; the next search makes it again",
            ) from error
        return cls(store, options or IndexOptions(**facts["options"]), made)

    def search(self, queries: Matrix, count: int) -> list[list[Hit]]:
        """The nearest vectors by cosine, found through the index.

        Args:
            queries: float32 [Q, D].
            count: how many each.

        Returns:
            For each query its hits, best first, with exact scores; a vector in a group that was
            not looked into is missed.

        Raises:
            ConfigInvalidError: the queries have another width than the vectors.
        """
        rows = np.atleast_2d(np.asarray(queries, np.float32))
        unit = unit_rows(rows, self.store.matrix.shape[1])
        self._made.nprobe = self.options.probes
        _, places = self._made.search(unit, max(count, self.options.candidates))
        return [self._ranked(query, rows, count) for query, rows in zip(unit, places, strict=True)]

    def _ranked(
        self, query: npt.NDArray[np.float32], rows: npt.NDArray[np.int64], count: int
    ) -> list[Hit]:
        rows = np.sort(rows[rows >= 0])
        scores = self.store.matrix[rows] @ query
        return [
            Hit(self.store.ids[int(rows[at])].as_py(), float(scores[at]))
            for at in best_rows(scores, count)
        ]


def _sample(matrix: Matrix, count: int) -> Matrix:
    if len(matrix) <= count:
        return np.ascontiguousarray(matrix)
    rows = np.random.default_rng(_SEED).choice(len(matrix), count, replace=False)
    # Sorted: a mapped file is read from front to back.
    return np.ascontiguousarray(matrix[np.sort(rows)])


class _IndexFacts(TypedDict):
    """Which vectors an index is of, and its options."""

    digest: str
    options: dict[str, Any]


def _read_facts(path: Path) -> _IndexFacts | None:
    try:
        facts: Any = json.loads(path.read_text("utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    return cast("_IndexFacts", facts) if isinstance(facts, dict) else None


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise DependencyMissingError(
            "an index needs faiss, which is not installed",
            hint='pip install "internvid[search]"; exact search works without it',
        ) from error
    return faiss
