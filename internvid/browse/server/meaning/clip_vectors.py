"""Vectors of clips beside the rows of the narrow table, and the model that makes more of them."""

from __future__ import annotations

import bisect
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from internvid.browse.server.meaning.waiting import Once, Say
from internvid.browse.server.narrow_table import NarrowTable
from internvid.core.errors import MisuseError
from internvid.core.system.shell import command
from internvid.dataset.duckdb_connection import quoted
from internvid.dataset.store import Dataset
from internvid.searching.query import ClipSearch, open_search, vector_columns
from internvid.searching.vectors import Matrix, VectorStore

_STAGES = {"gathering": "the vectors are gathered"}


@dataclass(frozen=True)
class ClipVectors:
    """The vectors of one column.

    Attributes:
        store: the vectors and the clips they belong to, by id.
        rows: int32 [N], row of the narrow table of each; -1 for clips that it has not.
    """

    store: VectorStore
    rows: npt.NDArray[np.int32]

    def place(self, clip_id: str) -> int | None:
        """Where the vector of a clip stands; None where it has none."""
        ids = self.store.ids
        at = bisect.bisect_left(range(len(ids)), clip_id, key=lambda number: ids[number].as_py())
        return at if at < len(ids) and ids[at].as_py() == clip_id else None

    def scores(self, vector: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Cosine of every vector with one, float32 [N]."""
        length = float(np.linalg.norm(vector)) or 1.0
        return np.asarray(self.store.matrix @ (vector / length), np.float32)


class VectorColumn:
    """One column of vectors, made ready when it is first wanted.

    Args:
        dataset: that has it.
        column: its name.
        table: whose rows are meant.
        model: its folder, where the dataset does not say which it was.
        device: where it runs.
    """

    def __init__(
        self, dataset: Dataset, column: str, table: NarrowTable, model: str, device: str
    ) -> None:
        # Of its own connection: threads would get into each other's way on one.
        own = Dataset(dataset.layout, dataset.record)
        self._dataset, self._column, self._table = own, column, table
        self._options: dict[str, Any] = {"model": model, "device": device}
        self._vectors = Once(self._gather)
        self._model = Once(self._load)
        self._answering = threading.Lock()

    @cached_property
    def _search(self) -> ClipSearch:
        return open_search(self._dataset, self._column, **self._options)

    def vectors(self) -> ClipVectors:
        """The vectors.

        Raises:
            StillWorkingError: they are being gathered.
            InternvidError: there are none.
        """
        return self._vectors.get()

    def of_text(self, text: str) -> npt.NDArray[np.float32]:
        """The vector of a text, float32 [D].

        Raises:
            StillWorkingError: the model loads.
            InternvidError: it cannot be loaded.
        """
        encoder = self._model.get().encoder
        with self._answering:
            return np.asarray(encoder.text_features([text])[0], np.float32)

    def of_picture(self, picture: Any) -> npt.NDArray[np.float32]:
        """The vector of a picture, float32 [D]; raises what `of_text` does."""
        encoder = self._model.get().encoder
        with self._answering:
            return np.asarray(encoder.clip_features([[picture]])[0], np.float32)

    def _load(self, say: Say) -> ClipSearch:
        say(f"the model of {self._column!r} loads")
        search = self._search
        _ = search.encoder
        return search

    def _gather(self, say: Say) -> ClipVectors:
        say("the vectors are gathered")
        search = open_search(self._dataset, self._column, progress=_progress(say))
        store = search.store
        say("the vectors are laid beside the clips")
        cursor, found = self._table.cursor(), quoted([store.folder / "ids.parquet"])
        places = cursor.execute(
            "select ids.file_row_number as place, narrow.clips.rowid as number from "
            f"read_parquet({found}, file_row_number = true) ids join narrow.clips on "
            "internvid_id = hash(ids.clip_id)"
        ).fetchnumpy()
        rows = np.full(len(store.ids), -1, np.int32)
        rows[np.asarray(places["place"])] = np.asarray(places["number"])
        return ClipVectors(store, rows)


def _progress(say: Say) -> Callable[[str, float], None]:
    return lambda stage, share: say(f"{_STAGES.get(stage, stage)}: {share:.0%}")


def unit_vector(matrix: Matrix, at: int) -> npt.NDArray[np.float32]:
    """One vector of a store, in memory."""
    return np.array(matrix[at], np.float32)


def columns_of(dataset: Dataset) -> list[str]:
    """Names of the columns of vectors."""
    return list(vector_columns(dataset))


def no_vectors(dataset: Dataset, column: str) -> MisuseError:
    """That a dataset has no such vectors, and what makes them."""
    known = ", ".join(columns_of(dataset))
    if not known:
        return MisuseError(
            "search by meaning needs vectors of the clips, and this dataset has none",
            hint=f"make them with: {command('embed', dataset.root)} --model MODEL; then start "
            "internvid browse again",
        )
    return MisuseError(
        f"this dataset has no vectors called {column[:60]!r}; it has: {known}",
        hint=f"make them with: {command('embed', dataset.root)} --model MODEL --as NAME",
    )
