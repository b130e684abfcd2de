"""Copies the columns that pages filter and sort by, some parts at a time, in the dataset's order.

What is copied is seen at once, so that pages begin long before the end. Of hundreds of millions of
clips no more than a batch is ever sorted.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from internvid.browse.server.conditions import Facet
from internvid.dataset.current import ONE_OF_EACH_VIDEO
from internvid.dataset.duckdb_connection import quoted
from internvid.dataset.parts import reading_part
from internvid.dataset.store import Dataset

if TYPE_CHECKING:
    import duckdb

_BATCH_ROWS = 500_000
_MOST_PARTS = 64
_ROWS_AT_ONCE = 60_000
_MEMORY = "300MB"
_STORED = {"number": "float", "flag": "boolean"}
CLIP_NUMBER = "hash(clip_id)"
"""Stands for the id of a clip in tables of this run: eight bytes instead of thirty-two."""


class NarrowCopy:
    """Copies columns into `narrow.clips` and `narrow.videos` of a connection.

    Args:
        dataset: whose columns.
        columns: which of them.
        connection: has `narrow` attached.
        folder: for what does not fit into the memory.
    """

    def __init__(
        self,
        dataset: Dataset,
        columns: Sequence[Facet],
        connection: duckdb.DuckDBPyConnection,
        folder: Path,
    ) -> None:
        self._dataset, self._columns, self._folder = dataset, columns, folder
        self._connection = connection
        self._videos = 0
        self._current: Path | None = None

    def run(self, copied: Callable[[int], None], is_stopped: Callable[[], bool]) -> None:
        """Copy all of them.

        Args:
            copied: called with the number of parts after each batch.
            is_stopped: whether to end before the end.
        """
        self._note_replaced()
        done = 0
        for batch in self._batches():
            if is_stopped():
                return
            self._copy(batch)
            done += len(batch)
            copied(done)
            # Pages go first: whoever waits for one gets the processor in between.
            time.sleep(0.001)

    def _batches(self) -> Iterator[list[str]]:
        layout, cut = self._dataset.layout, self._dataset.record.cut or ""
        batch: list[str] = []
        rows, is_first = 0, True
        for part in self._dataset.parts:
            path = layout.clips(cut, part)
            with reading_part(path):
                here = pq.read_metadata(path).num_rows
            if batch and (is_first or rows + here > _BATCH_ROWS or len(batch) >= _MOST_PARTS):
                yield batch
                batch, rows, is_first = [], 0, False
            batch.append(part)
            rows += here
        if batch:
            yield batch

    def _note_replaced(self) -> None:
        """Where a file was replaced by another, which videos count depends on all parts."""
        parts = [entry["name"] for entry in self._dataset.record.parts]
        layout, scan = self._dataset.layout, self._dataset.record.scan or ""
        if len(parts) < 2:
            return
        files = quoted([layout.scanned(scan, "videos", part) for part in self._dataset.parts])
        cursor = self._connection.cursor()
        ((repeated,),) = cursor.execute(
            f"select count(*) - count(distinct uri) from read_parquet({files})"
        ).fetchall()
        if repeated:
            whole = self._dataset.unlocked()
            path = self._folder / "videos.parquet"
            whole.execute(f"copy (select * from videos) to {_text(path)}")
            whole.close()
            self._current = path

    def of_parts(self, parts: Sequence[str]) -> duckdb.DuckDBPyConnection:
        """A connection with the views of some parts alone."""
        record = self._dataset.record
        entries = [each for each in record.parts if each["name"] in set(parts)]
        some = Dataset(self._dataset.layout, dataclasses.replace(record, parts=entries))
        connection = some.unlocked()
        connection.execute(f"set memory_limit = '{_MEMORY}'")
        connection.execute(f"set temp_directory = {_text(self._folder)}")
        if self._current is not None:
            # Which clips count is said by the sources of all parts.
            current = f"select * from read_parquet({_text(self._current)})"
            connection.execute(f"create or replace view videos as {current}")
        return connection

    def _copy(self, batch: Sequence[str]) -> None:
        connection = self.of_parts(batch)
        cursor = self._connection.cursor()
        layout, cut = self._dataset.layout, self._dataset.record.cut or ""
        files = quoted([layout.clips(cut, part) for part in batch])
        connection.execute(
            "create temp table numbered as select row_number() over (order by part, uri, video_id)"
            f" - 1 + {self._videos} as video, video_id, part from (select video_id, "
            "any_value(parse_filename(filename, true)) as part "
            f"from read_parquet({files}, filename = true) group by video_id) "
            f"left join ({ONE_OF_EACH_VIDEO}) using (video_id)"
        )
        videos = connection.sql("select * from numbered order by video").to_arrow_table()
        columns = "".join(f", {stored(each)} as {each.sql}" for each in self._columns)
        rows = connection.sql(
            f"select video::integer as internvid_video, start_pts as internvid_start_pts, "
            f"{CLIP_NUMBER} as internvid_id, kept, duration_seconds as internvid_seconds{columns} "
            "from all_clips join numbered using (video_id) order by video, start_pts"
        ).to_arrow_reader(_ROWS_AT_ONCE)
        cursor.execute("begin")
        for table, given in (("videos", videos), ("clips", rows)):
            cursor.register("given", given)
            cursor.execute(f"insert into narrow.{table} select * from given")
            cursor.unregister("given")
        cursor.execute("commit")
        self._videos += videos.num_rows
        connection.close()

    def make_tables(self) -> None:
        """Empty tables for what is copied."""
        cursor = self._connection.cursor()
        cursor.execute("create table narrow.videos (video integer, video_id varchar, part varchar)")
        one = self.of_parts(self._dataset.parts[:1])
        columns = "".join(f", {stored(each)} as {each.sql}" for each in self._columns)
        types = one.execute(f"describe select 0 as internvid_zero{columns} from all_clips")
        named = "".join(f', "{name.replace(chr(34), chr(34) * 2)}" {kind}'
                        for name, kind, *_ in types.fetchall()[1:])  # fmt: skip
        one.close()
        cursor.execute(
            "create table narrow.clips (internvid_video integer, internvid_start_pts bigint, "
            f"internvid_id ubigint, kept boolean, internvid_seconds double{named})"
        )


def stored(facet: Facet) -> str:
    """A column as it is copied: no word is no word, however that is stored."""
    if facet.kind == "word":
        return f"nullif({facet.sql}, '')"
    return f"{facet.sql}::{_STORED[facet.kind]}" if facet.kind in _STORED else facet.sql


def _text(path: Path) -> str:
    return quoted([path])[1:-1]
