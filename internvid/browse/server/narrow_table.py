"""The columns that pages filter and sort by, side by side in a file that is scanned fast.

A dataset has its columns in many files, texts and all. Pages look at a few numbers and words of
all clips again and again: these are copied once a run, row by row in the order of the dataset,
into a DuckDB file in a temporary folder. A row is known by its source and its start, so that the
whole row of each clip on a page is read from the few parts that have it.
"""

from __future__ import annotations

import collections
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from internvid.browse.column_facts import clip_columns
from internvid.browse.server.conditions import Facet, Query
from internvid.dataset.current import ONE_OF_EACH_VIDEO
from internvid.dataset.duckdb_connection import quoted
from internvid.dataset.store import Dataset

if TYPE_CHECKING:
    import duckdb

BINS = 40
MOST_VALUES = 60
_MEMORY = "500MB"
_MOST_HIT_BYTES = 256 << 20
_KIND_OF = {"number": "number", "word": "word", "flag": "flag", "list": "list", "text": "text"}
_STORED = {"number": "float", "flag": "boolean"}
_SHUFFLE = "hash(rowid + {seed} * 2654435761)"


@dataclass(frozen=True)
class Histogram:
    """How a number is spread.

    Attributes:
        low, high: of all clips.
        counts: clips in each of the equal bins, of those that the rest of the page shows.
        all_counts: of all clips.
        without: clips that have no such number.
    """

    low: float
    high: float
    counts: list[int]
    all_counts: list[int]
    without: int


@dataclass(frozen=True)
class Totals:
    """How much a page shows in all."""

    clips: int
    seconds: float


@dataclass(frozen=True)
class Place:
    """Where a clip lies: the name of its part, its source, its start."""

    part: str
    video_id: str
    start_pts: int


class NarrowTable:
    """Filters, sorts and counts the clips of a dataset.

    Args:
        dataset: as it is now; later changes are seen by a new table.
        folder: for the file; the caller's to remove.
    """

    def __init__(self, dataset: Dataset, folder: Path) -> None:
        self.dataset = dataset
        columns = [column for column in clip_columns(dataset) if column.kind in _KIND_OF]
        self.facets: dict[str, Facet] = {
            "reason": Facet("reason", "word"),
            **{column.name: Facet(column.name, column.kind) for column in columns},  # type: ignore[arg-type]
        }
        self._stored = [each for each in self.facets.values() if each.kind != "text"]
        self._connection = dataset.unlocked()
        self._connection.execute(f"set memory_limit = '{_MEMORY}'")
        self._connection.execute(f"set temp_directory = {quoted([folder])[1:-1]}")
        self._connection.execute(f"attach {quoted([folder / 'narrow.duckdb'])[1:-1]} as narrow")
        self._ready = threading.Event()
        self._problem: BaseException | None = None
        self._hits: collections.OrderedDict[str, npt.NDArray[np.int32]] = collections.OrderedDict()
        self._lock = threading.Lock()
        self._ranges: dict[str, tuple[float, float]] = {}

    def build(self) -> None:
        """Copy the columns; pages wait for it, and threads call it once."""
        try:
            self._copy()
        except BaseException as error:
            self._problem = error
            raise
        finally:
            self._ready.set()

    @property
    def is_ready(self) -> bool:
        """Whether the columns are copied."""
        return self._ready.is_set()

    def _copy(self) -> None:
        dataset, cursor = self.dataset, self._connection.cursor()
        cut = dataset.record.cut or ""
        files = [dataset.layout.clips(cut, part) for part in dataset.parts]
        cursor.execute("create table narrow.videos (video integer, video_id varchar, part varchar)")
        # In the order in which sources were given: parts, and names within a part.
        cursor.execute(
            "insert into narrow.videos select row_number() over (order by part, uri, video_id) "
            "- 1, video_id, part from (select video_id, "
            "any_value(parse_filename(filename, true)) as part "
            f"from read_parquet({quoted(files)}, filename = true) group by video_id) "
            f"left join ({ONE_OF_EACH_VIDEO}) using (video_id)"
        )
        columns = ", ".join(f"{_stored(each)} as {each.sql}" for each in self._stored)
        cursor.execute(
            "create table narrow.clips as select video as internvid_video, "
            f"start_pts as internvid_start_pts, kept, duration_seconds as internvid_seconds, "
            f"{columns} from all_clips join narrow.videos using (video_id) "
            "order by internvid_video, internvid_start_pts"
        )

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        self._ready.wait()
        if self._problem is not None:
            raise self._problem
        return self._connection.cursor()

    def totals(self, query: Query) -> Totals:
        """How many clips, and how long they are together."""
        rows, parameters = self._rows(query)
        found = self._cursor().execute(
            f"select count(*), coalesce(sum(internvid_seconds), 0) from {rows}", parameters
        )
        clips, seconds = found.fetchall()[0]
        return Totals(int(clips), float(seconds))

    def page(self, query: Query, first: int, count: int) -> list[Place]:
        """Where the clips of one page lie, in order.

        Args:
            query: which clips in which order.
            first: number of the first, from 0.
            count: how many.
        """
        rows = self._cached(query)
        if rows is None and first + count <= 2 * count:
            # The first pages come before all hits are known.
            numbers = self._numbers(query, f"limit {first + count}")[first:]
        else:
            numbers = (self._all(query) if rows is None else rows)[first : first + count]
        return self._places(numbers)

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
        cursor = self._cursor()
        low, high = self._range(facet)
        width = (high - low) / BINS or 1.0
        bin_of = f"least({BINS - 1}, greatest(0, floor(({facet.sql} - {low!r}) / {width!r})))::int"
        rows, parameters = self._rows(query, without=facet.name)
        counts, without = [0] * BINS, 0
        for at, number in cursor.execute(
            f"select {bin_of}, count(*) from {rows} group by 1", parameters
        ).fetchall():
            if at is None:
                without = int(number)
            else:
                counts[at] = int(number)
        every = [0] * BINS
        for at, number in cursor.execute(
            f"select {bin_of}, count(*) from narrow.clips where {facet.sql} is not null group by 1"
        ).fetchall():
            every[at] = int(number)
        return Histogram(low, high, counts, every, without)

    def values(self, facet: Facet, query: Query) -> list[tuple[str | None, int]]:
        """Values of a column over what the rest of a query shows, the commonest first."""
        rows, parameters = self._rows(query, without=facet.name)
        value = f"unnest({facet.sql})" if facet.kind == "list" else facet.sql
        if facet.kind == "flag":
            value = f"case when {facet.sql} then 'yes' when not {facet.sql} then 'no' end"
        found = self._cursor().execute(
            f"select value, count(*) from (select {value} as value from {rows}) "
            f"group by 1 order by 2 desc, 1 limit {MOST_VALUES}",
            parameters,
        )
        return [(value, int(count)) for value, count in found.fetchall()]

    def _range(self, facet: Facet) -> tuple[float, float]:
        known = self._ranges.get(facet.name)
        if known is None:
            found = self._cursor().execute(
                f"select min({facet.sql}), max({facet.sql}) from narrow.clips "
                f"where isfinite({facet.sql})"
            )
            low, high = found.fetchall()[0]
            known = self._ranges[facet.name] = (float(low or 0.0), float(high or 0.0))
        return known

    def _rows(self, query: Query, without: str | None = None) -> tuple[str, list[Any]]:
        """A FROM clause of the rows of a query, and its parameters."""
        if query.is_textual or query.subset is not None:
            numbers = self._all(query, without)
            return "(select * from narrow.clips where rowid in (select unnest(?)))", [
                numbers.tolist()
            ]
        where, parameters = query.where(without)
        return f"narrow.clips where {where}", parameters

    def _cached(self, query: Query, without: str | None = None) -> npt.NDArray[np.int32] | None:
        key = f"{query!r} {without}"
        with self._lock:
            found = self._hits.get(key)
            if found is not None:
                self._hits.move_to_end(key)
            return found

    def _all(self, query: Query, without: str | None = None) -> npt.NDArray[np.int32]:
        """Row numbers of all clips of a query, in its order; those of late are kept."""
        found = self._cached(query, without)
        if found is None:
            found = self._numbers(query, "", without)
            with self._lock:
                self._hits[f"{query!r} {without}"] = found
                while sum(each.nbytes for each in self._hits.values()) > _MOST_HIT_BYTES:
                    if len(self._hits) == 1:
                        break
                    self._hits.popitem(last=False)
        return found

    def _numbers(
        self, query: Query, limit: str, without: str | None = None
    ) -> npt.NDArray[np.int32]:
        cursor = self._cursor()
        where, parameters = query.where(without)
        order = "rowid"
        if query.is_random:
            order = _SHUFFLE.format(seed=query.seed)
        elif query.sort is not None:
            direction = "desc" if query.is_descending else "asc"
            order = f"{query.sort.sql} {direction} nulls last, rowid"
        if not query.is_textual and query.subset is None:
            statement = f"select rowid from narrow.clips where {where} order by {order} {limit}"
        else:
            clips = f"select video_id, start_pts from all_clips where {where}"
            if query.subset is not None:
                path = quoted([self.dataset.subset_path(query.subset)])
                clips = (
                    "select video_id, start_pts from all_clips semi join "
                    f"read_parquet({path}) using (clip_id) where {where}"
                )
            statement = (
                f"select narrow.clips.rowid from narrow.clips join narrow.videos on "
                f"internvid_video = video join ({clips}) found on "
                "found.video_id = narrow.videos.video_id and found.start_pts = "
                f"internvid_start_pts order by {_of_clips(order)} {limit}"
            )
        found = cursor.execute(statement, parameters).fetchnumpy()
        (numbers,) = found.values()
        return np.asarray(numbers, dtype=np.int32)

    def _places(self, numbers: npt.NDArray[np.int32]) -> list[Place]:
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
        """Let go of the file."""
        self._connection.close()


def _stored(facet: Facet) -> str:
    """A column as it is copied: no word is no word, however that is stored."""
    if facet.kind == "word":
        return f"nullif({facet.sql}, '')"
    return f"{facet.sql}::{_STORED[facet.kind]}" if facet.kind in _STORED else facet.sql


def _of_clips(order: str) -> str:
    return order.replace("rowid", "narrow.clips.rowid")
