"""The columns that pages filter and sort by, side by side in a file that is scanned fast.

A dataset has its columns in many files, texts and all. Pages look at a few numbers and words of
all clips again and again: these are copied once a run, row by row in the order of the dataset,
into a DuckDB file in a temporary folder. A row is known by its source and its start, so that the
whole row of each clip on a page is read from the few parts that have it. Pages are answered from
what is copied so far, and say so; the first page in the dataset's order is read directly.
"""

from __future__ import annotations

import collections
import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from internvid.browse.column_facts import Column, clip_columns
from internvid.browse.server.clip_sets import ClipSets
from internvid.browse.server.column_spreads import ColumnSpreads, Histogram
from internvid.browse.server.conditions import Facet, Kind, Query
from internvid.browse.server.narrow_copy import NarrowCopy
from internvid.core.errors import InternvidError, StorageError
from internvid.dataset.answers.verdict_log import Review
from internvid.dataset.current import ONE_OF_EACH_VIDEO
from internvid.dataset.duckdb_connection import open_connection, quoted
from internvid.dataset.store import Dataset

if TYPE_CHECKING:
    import duckdb

_MEMORY = "350MB"
_BLOCK = 6_000
_MOST_BLOCKS = 24
_KINDS_FROM_PARTS = 8
_KINDS_FROM_ROWS = 20_000
_PATIENCE_SECONDS = 6.0
_KIND_OF: dict[str, Kind] = {
    "number": "number", "word": "word", "flag": "flag", "list": "list", "text": "text"
}  # fmt: skip
_SHUFFLE = "hash(rowid + {seed} * 2654435761)"
VERDICT, LABELS = Facet("verdict", "word"), Facet("verdict_labels", "list")


@dataclass(frozen=True)
class Totals:
    """How much a page shows in all.

    Attributes:
        clips: how many.
        seconds: their lengths together.
        copied: share of the dataset's parts that was looked at.
    """

    clips: int
    seconds: float
    copied: float = 1.0


@dataclass(frozen=True)
class Place:
    """Where a clip lies: the name of its part, its source, its start."""

    part: str
    video_id: str
    start_pts: int


class NarrowTable:
    """Filters, sorts and counts the clips of a dataset.

    Args:
        dataset: as it is now; later changes are seen by a new table, but for verdicts.
        folder: for the file; the caller's to remove.
    """

    def __init__(self, dataset: Dataset, folder: Path) -> None:
        self.dataset = dataset
        # Looks at every file: of ten thousand parts not once a request.
        self._parts = dataset.parts
        self.reviews: dict[str, Review] = {}
        cut = dataset.record.cut or ""
        own = {*dataset.record.columns.get(cut, {})}
        own |= {*pq.read_schema(dataset.layout.clips(cut, self._parts[0])).names}
        self._recorded = [each for each in (VERDICT, LABELS) if each.name not in own]
        known = [
            Facet(column.name, _KIND_OF[column.kind])
            for column in _columns(dataset)
            if column.kind in _KIND_OF
        ]
        self.facets: dict[str, Facet] = {
            each.name: each
            for each in (Facet("reason", "word"), *known[:3], *self._recorded, *known[3:])
        }
        self._stored = [
            each
            for each in self.facets.values()
            if each.kind != "text" and each not in self._recorded
        ]
        self._connection = open_connection()
        self._connection.execute(f"set memory_limit = '{_MEMORY}'")
        self._connection.execute(f"set temp_directory = {quoted([folder])[1:-1]}")
        self._connection.execute(f"attach {quoted([folder / 'narrow.duckdb'])[1:-1]} as narrow")
        self._connection.execute(
            "create table narrow.verdicts (id ubigint, verdict varchar, verdict_labels varchar[])"
        )
        self._copy = NarrowCopy(dataset, self._stored, self._connection, folder)
        self._copy.make_tables()
        self._sets = ClipSets(dataset, self._connection, lambda: self.reviews)
        self._progress = threading.Condition()
        self._copied = 0
        self._is_done = self._is_closed = False
        self._problem: BaseException | None = None
        self._blocks: collections.OrderedDict[str, list[Place]] = collections.OrderedDict()
        self._lock = threading.Lock()
        self._spreads = ColumnSpreads()
        self.finder: Callable[[Query, str | None], npt.NDArray[np.int64]] | None = None

    def build(self) -> None:
        """Copy the columns; pages wait for it, and threads call it once."""
        try:
            self._copy.run(self._note_progress, lambda: self._is_closed)
        except BaseException as error:
            self._problem = error
            raise
        finally:
            with self._progress:
                self._is_done = True
                self._progress.notify_all()
            with self._lock:
                self._blocks.clear()

    def _note_progress(self, parts: int) -> None:
        with self._progress:
            self._copied = parts
            self._progress.notify_all()
        with self._lock:
            self._blocks.clear()

    @property
    def is_ready(self) -> bool:
        """Whether the columns are copied."""
        return self._is_done

    @property
    def copied(self) -> float:
        """Share of the dataset's parts whose columns are copied."""
        return 1.0 if self._is_done else self._copied / max(1, len(self._parts))

    def set_reviews(self, changed: Mapping[str, Review | None]) -> None:
        """What people recorded of some clips now; None for nothing any more."""
        for clip_id, review in changed.items():
            if review is None:
                self.reviews.pop(clip_id, None)
            else:
                self.reviews[clip_id] = review
        ids = list(changed)
        rows = [
            (clip_id, review.verdict, list(review.labels))
            for clip_id, review in changed.items()
            if review is not None and (review.verdict or review.labels)
        ]
        if not ids:
            return
        cursor = self._connection.cursor()
        with self._lock:
            cursor.execute("begin")
            cursor.execute(
                "delete from narrow.verdicts where id in (select hash(unnest(?)))", [ids]
            )
            for at in range(0, len(rows), 10_000):
                names, verdicts, labels = map(list, zip(*rows[at : at + 10_000], strict=True))
                cursor.execute(
                    "insert into narrow.verdicts select hash(unnest(?)), unnest(?::varchar[]), "
                    "unnest(?::varchar[][])",
                    [names, verdicts, labels],
                )
            cursor.execute("commit")
            self._blocks.clear()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """For statements over `narrow.clips` and `narrow.videos`, once all is copied."""
        with self._progress:
            self._progress.wait_for(lambda: self._is_done)
        return self._cursor()

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        if isinstance(self._problem, InternvidError):
            raise self._problem
        if self._problem is not None:
            raise StorageError(
                f"the columns cannot be copied for pages: {self._problem}",
                hint="free space in the folder for temporary files, or name another: TMPDIR=FOLDER",
            ) from self._problem
        return self._connection.cursor()

    def wait(self, seconds: float = _PATIENCE_SECONDS) -> bool:
        """Wait so long for all columns; whether they are there."""
        with self._progress:
            return self._progress.wait_for(lambda: self._is_done, seconds)

    def totals(self, query: Query) -> Totals:
        """How many clips, and how long they are together, of what is copied so far."""
        copied = self.copied
        rows, parameters = self.rows_of(query)
        found = self._cursor().execute(
            f"select count(*), coalesce(sum(internvid_seconds), 0) from {rows}", parameters
        )
        clips, seconds = found.fetchall()[0]
        return Totals(int(clips), float(seconds), copied)

    def page(self, query: Query, first: int, count: int) -> list[Place]:
        """Where the clips of one page lie, in order.

        Args:
            query: which clips in which order.
            first: number of the first, from 0.
            count: how many.
        """
        if query.needs_finder:
            return self._places(self._numbers(query, "")[first : first + count])
        if not query.is_in_order or query.is_textual or query.is_of_subsets:
            self.wait()
        elif not self._is_done:
            found = self._early(query, first, count)
            if found is not None:
                return found
        number, start = divmod(first, _BLOCK)
        places = self._block(query, number)[start : start + count]
        if start + count > _BLOCK:
            places += self._block(query, number + 1)[: start + count - _BLOCK]
        return places

    def _early(self, query: Query, first: int, count: int) -> list[Place] | None:
        """A page while columns are copied; None where enough are there, or all of them."""
        if self._copied == 0 and first == 0:
            found = self._directly(query, count)
            if found is not None:
                return found
        until = time.monotonic() + _PATIENCE_SECONDS
        while not self._is_done and time.monotonic() < until:
            if self.totals(query).clips >= first + count:
                break
            with self._progress:
                self._progress.wait(1)
        return None

    def _directly(self, query: Query, count: int) -> list[Place] | None:
        """The first clips of the first part, from its own files; None where they are too few."""
        if any(each.facet in self._recorded for each in query.conditions):
            return None
        part = self._parts[0]
        with contextlib.closing(self._copy.of_parts([part])) as connection:
            where, parameters = query.where()
            found = connection.execute(
                f"select video_id, start_pts from (select * from all_clips where {where}) "
                f"left join (select video_id, uri from ({ONE_OF_EACH_VIDEO})) using (video_id) "
                f"order by uri, video_id, start_pts limit {count}",
                parameters,
            ).fetchall()
        if len(found) < count and len(self._parts) > 1:
            return None
        return [Place(part, video_id, start) for video_id, start in found]

    def places(self, numbers: list[int]) -> list[Place]:
        """Where clips lie, by their row numbers, in that order."""
        return self._places(np.asarray(numbers, dtype=np.int64))

    def place_of(self, clip_id: str) -> Place | None:
        """Where a clip lies; None where there is none, or none is copied yet."""
        self.wait()
        found = self._cursor().execute(
            "select part, video_id, internvid_start_pts from narrow.clips join narrow.videos on "
            "internvid_video = video where internvid_id = hash(?)",
            [clip_id],
        )
        row = found.fetchone()
        return None if row is None else Place(*row)

    def neighbours(self, place: Place) -> list[Place]:
        """All clips of a source, in time order."""
        found = self._cursor().execute(
            "select part, video_id, internvid_start_pts from narrow.clips join narrow.videos on "
            "internvid_video = video where video_id = ? order by internvid_start_pts",
            [place.video_id],
        )
        return [Place(*row) for row in found.fetchall()]

    def part_of(self, video_id: str) -> str | None:
        """The part that has the clips of a source; None where there is none."""
        found = self._cursor().execute(
            "select part from narrow.videos where video_id = ?", [video_id]
        )
        row = found.fetchone()
        return None if row is None else str(row[0])

    def histogram(self, facet: Facet, query: Query) -> Histogram:
        """How a number is spread over what the rest of a query shows."""
        self.wait()
        rows, parameters = self.rows_of(query, without=facet.name)
        return self._spreads.histogram(
            self._cursor(), facet, rows, parameters, is_whole=self._is_done
        )

    def values(self, facet: Facet, query: Query) -> list[tuple[str | None, int]]:
        """Values of a column over what the rest of a query shows, the commonest first."""
        self.wait()
        rows, parameters = self.rows_of(query, without=facet.name, needs=facet)
        return self._spreads.values(self._cursor(), facet, rows, parameters)

    def rows_of(
        self, query: Query, without: str | None = None, needs: Facet | None = None
    ) -> tuple[str, list[Any]]:
        """A FROM clause of the rows of a query, and its parameters.

        Args:
            query: which rows.
            without: a column whose conditions do not count.
            needs: a column that is read.
        """
        used = {needs, query.sort}
        if query.needs_finder:
            where = "rowid in (select unnest(?))"
            parameters: list[Any] = [self._numbers(query, "", without).tolist()]
        else:
            plain = replace(
                query,
                search="",
                conditions=tuple(each for each in query.conditions if each.facet.kind != "text"),
            )
            where, parameters = plain.where(without)
            where = " and ".join([where, *self._sets.conditions(query, without)])
            used |= {each.facet for each in plain.conditions}
        table = "narrow.clips"
        if used & set(self._recorded):
            table = (
                "(select clips.rowid, clips.*, verdict, verdict_labels from narrow.clips left join "
                "narrow.verdicts on internvid_id = id)"
            )
        return f"{table} where {where}", parameters

    def of_subset(self, name: str) -> str:
        """SQL that is true of the rows of `narrow.clips` that a subset has; of kept ones for ''."""
        return self._sets.of_subset(name) if name else "kept"

    def numbers(self, query: Query, without: str | None = None) -> npt.NDArray[np.int64]:
        """Row numbers of all clips of a query, in its order, once all is copied."""
        self.cursor()
        return self._numbers(query, "", without)

    def _block(self, query: Query, number: int) -> list[Place]:
        """Where some thousand clips of a query lie, in its order; those of late are kept."""
        key = f"{number} {query!r}"
        with self._lock:
            found = self._blocks.get(key)
            if found is not None:
                self._blocks.move_to_end(key)
                return found
        is_done, copied = self._is_done, self._copied
        numbers = self._numbers(query, f"limit {_BLOCK} offset {number * _BLOCK}")
        found = self._places(numbers)
        with self._lock:
            if (is_done, copied) == (self._is_done, self._copied):
                self._blocks[key] = found
            if len(self._blocks) > _MOST_BLOCKS:
                self._blocks.popitem(last=False)
        return found

    def _numbers(
        self, query: Query, limit: str, without: str | None = None
    ) -> npt.NDArray[np.int64]:
        if query.needs_finder and self.finder is not None:
            return self.finder(query, without)
        rows, parameters = self.rows_of(query, without)
        # In the order of the table DuckDB reads no further than the limit.
        order = ""
        if query.is_random:
            order = f"order by {_SHUFFLE.format(seed=query.seed)}, rowid"
        elif query.sort is not None:
            direction = "desc" if query.is_descending else "asc"
            order = f"order by {query.sort.sql} {direction} nulls last, rowid"
        elif "join" in rows or " in (select " in rows:
            order = "order by rowid"
        found = (
            self._cursor()
            .execute(f"select rowid from {rows} {order} {limit}", parameters)
            .fetchnumpy()
        )
        (numbers,) = found.values()
        return np.asarray(numbers, dtype=np.int64)

    def _places(self, numbers: npt.NDArray[np.int64]) -> list[Place]:
        if not len(numbers):
            return []
        found = self._cursor().execute(
            "select narrow.clips.rowid, part, video_id, internvid_start_pts from narrow.clips "
            "join narrow.videos on internvid_video = video where narrow.clips.rowid in "
            "(select unnest(?))",
            [numbers.tolist()],
        )
        by_number = {row[0]: Place(*row[1:]) for row in found.fetchall()}
        return [by_number[number] for number in numbers.tolist()]

    def close(self) -> None:
        """Let go of the file; copying ends with the batch that is copied."""
        self._is_closed = True
        with self._progress:
            self._progress.wait_for(lambda: self._is_done, 60)
        self._sets.close()
        self._connection.close()


def _columns(dataset: Dataset) -> list[Column]:
    """Columns worth showing, by the first parts: the words of all take long to read."""
    record = dataset.record
    names = set(dataset.parts[:_KINDS_FROM_PARTS])
    parts = [each for each in record.parts if each["name"] in names]
    return clip_columns(Dataset(dataset.layout, replace(record, parts=parts)), _KINDS_FROM_ROWS)
