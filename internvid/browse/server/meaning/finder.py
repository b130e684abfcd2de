"""Finds the clips of a query that is more than conditions: by vectors, by the pictures they show.

The scores of all clips with one query are kept for a while, so that filters, pages and the
distributions beside them cost no further look at the vectors.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from internvid.browse.server.conditions import AddressUnreadableError, Nearest, Query
from internvid.browse.server.meaning.clip_vectors import (
    ClipVectors,
    VectorColumn,
    columns_of,
    no_vectors,
    unit_vector,
)
from internvid.browse.server.meaning.picture_copies import SamePicturesOf
from internvid.browse.server.meaning.uploaded_pictures import UploadedPictures
from internvid.browse.server.meaning.waiting import StillWorkingError
from internvid.browse.server.narrow_table import NarrowTable
from internvid.dataset.duckdb_connection import quoted
from internvid.dataset.store import Dataset

MOST_HITS = 6000
_MOST_SCORE_BYTES = 256 << 20
_MOST_KEPT = 64
_PATIENCE_SECONDS = 1.5
_RECORDED = frozenset({"verdict", "verdict_labels"})

Numbers = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]


class Finder:
    """Finds clips by vectors and by pictures.

    Attributes:
        columns: names of the columns of vectors.
        pictures: that were uploaded.
        copies: finds the clips with the same pictures.

    Args:
        dataset: whose clips.
        table: filters and sorts them.
        model: folder of the model that made the vectors, where the dataset does not say it.
        device: where the model runs.
    """

    def __init__(
        self, dataset: Dataset, table: NarrowTable, model: str = "", device: str = "auto"
    ) -> None:
        self._dataset, self._table = dataset, table
        self.columns = columns_of(dataset)
        self.pictures = UploadedPictures()
        self.copies = SamePicturesOf(dataset)
        self._vectors = {
            name: VectorColumn(dataset, name, table, model, device) for name in self.columns
        }
        self._hits: OrderedDict[str, Numbers] = OrderedDict()
        self._scores: OrderedDict[tuple[str, str, str], Scores] = OrderedDict()
        self._lock = threading.Lock()

    def numbers(self, query: Query, without: str | None = None) -> Numbers:
        """Row numbers of the clips that fit, the nearest first unless they are sorted.

        At most 6,000 by vectors.

        Raises:
            StillWorkingError: vectors, model or pictures are being made ready.
            AddressUnreadableError: the clip has no vector, or the picture is gone.
            InternvidError: there are no vectors, or no model.
        """
        key = f"{query!r} {without}"
        with self._lock:
            known = self._hits.get(key)
            if known is not None:
                self._hits.move_to_end(key)
                return known
        if not self._table.wait(_PATIENCE_SECONDS):
            raise StillWorkingError(f"the columns are copied: {self._table.copied:.0%}")
        numbers = self._numbers(query, without)
        # Verdicts may change at any time.
        if not _RECORDED & {*query.names, *(each.facet.name for each in query.conditions)}:
            with self._lock:
                self._hits[key] = numbers
                if len(self._hits) > _MOST_KEPT:
                    self._hits.popitem(last=False)
        return numbers

    def _numbers(self, query: Query, without: str | None) -> Numbers:
        fitting = self._table.numbers(replace(query, nearest=None, same=""), without)
        if query.same:
            ids = [each.clip_id for each in self.copies.of(query.same).copies]
            fitting = fitting[np.isin(fitting, self._numbers_of([query.same, *ids]))]
        if query.nearest is None:
            return fitting
        vectors = self._column(query.nearest).vectors()
        scores = self._scored(query.nearest, vectors)
        by_number = np.full(1 + max(fitting.max(initial=0), vectors.rows.max(initial=0)), -np.inf)
        is_there = vectors.rows >= 0
        by_number[vectors.rows[is_there]] = scores[is_there]
        found = by_number[fitting]
        least = query.nearest.least
        holds = np.isfinite(found) if least is None else found >= least
        fitting, found = fitting[holds], found[holds]
        best = _best(found, MOST_HITS)
        is_ordered = query.sort is not None or query.is_random
        return np.asarray(fitting[np.sort(best) if is_ordered else best], np.int64)

    def scores_of(self, query: Query, clip_ids: Sequence[str]) -> dict[str, float]:
        """How near clips of a page are, by id; empty where the query is not about that."""
        if query.nearest is None:
            return {}
        vectors = self._column(query.nearest).vectors()
        scores = self._scored(query.nearest, vectors)
        places = {clip_id: vectors.place(clip_id) for clip_id in clip_ids}
        return {
            clip_id: round(float(scores[at]), 4) for clip_id, at in places.items() if at is not None
        }

    def condition(self, query: Query) -> str:
        """The clips of a query as an SQL condition on their ids."""
        layout, cut = self._dataset.layout, self._dataset.record.cut or ""
        files = quoted([layout.clips(cut, part) for part in self._dataset.parts])
        found = self._table.cursor().execute(
            f"select clip_id from read_parquet({files}) where hash(clip_id) in (select "
            "internvid_id from narrow.clips where rowid in (select unnest(?)))",
            [self.numbers(query).tolist()],
        )
        ids = ", ".join(f"'{clip_id}'" for (clip_id,) in sorted(found.fetchall()))
        # A list of thousands would be gone through for every clip; a query is hashed.
        return f"clip_id in (select unnest([{ids}]))" if ids else "false"

    def _column(self, nearest: Nearest) -> VectorColumn:
        name = nearest.vectors or (self.columns[0] if self.columns else "")
        found = self._vectors.get(name)
        if found is None:
            raise no_vectors(self._dataset, name)
        return found

    def _scored(self, nearest: Nearest, vectors: ClipVectors) -> Scores:
        key = (nearest.kind, nearest.value, nearest.vectors)
        with self._lock:
            known = self._scores.get(key)
            if known is not None:
                self._scores.move_to_end(key)
                return known
        scores = vectors.scores(self._vector(nearest, vectors))
        with self._lock:
            self._scores[key] = scores
            while sum(each.nbytes for each in self._scores.values()) > _MOST_SCORE_BYTES:
                if len(self._scores) == 1:
                    break
                self._scores.popitem(last=False)
        return scores

    def _vector(self, nearest: Nearest, vectors: ClipVectors) -> npt.NDArray[np.float32]:
        if nearest.kind == "like":
            return self._column(nearest).of_text(nearest.value)
        if nearest.kind == "picture":
            return self._column(nearest).of_picture(self.pictures.get(nearest.value))
        at = vectors.place(nearest.value)
        if at is None:
            raise AddressUnreadableError(
                "that clip has no vector: only kept clips that were embedded have one"
            )
        return unit_vector(vectors.store.matrix, at)

    def _numbers_of(self, clip_ids: Sequence[str]) -> npt.NDArray[Any]:
        found = self._table.cursor().execute(
            "select rowid from narrow.clips where internvid_id in (select hash(unnest(?)))",
            [list(clip_ids)],
        )
        return np.array([number for (number,) in found.fetchall()], np.int64)


def _best(scores: npt.NDArray[Any], count: int) -> npt.NDArray[np.int64]:
    """Places of the highest scores, the best first, equal ones in order."""
    if len(scores) > count:
        bar = np.partition(scores, len(scores) - count)[len(scores) - count]
        places = np.flatnonzero(scores >= bar)
    else:
        places = np.arange(len(scores))
    return np.asarray(places[np.argsort(-scores[places], kind="stable")][:count], np.int64)
