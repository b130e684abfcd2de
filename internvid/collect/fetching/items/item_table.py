"""A table of any layout becomes items: one a source, with its spans, as Parquet that is streamed.

`items/part-N.parquet` has a row for each source (`item`, `source_id`, `uri`, `spans`,
`start_seconds`, `end_seconds`: what its spans reach over, null for the whole; `licence`), in the
order in which the table names them first. `spans/part-N.parquet` has a row for each row of the
table (`item`, `start_seconds`, `end_seconds`, `caption`, `metadata`, `line`), in the order of
items. A part is one table that was added.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from internvid.collect.fetching.items.item_sources import source_columns
from internvid.collect.fetching.items.keyed_files import as_table
from internvid.core.system.temporary import new_temporary
from internvid.curate.tables.opening import open_rows
from internvid.curate.tables.rows import Rows
from internvid.curate.tables.scratch import scratch_folder
from internvid.dataset.duckdb_connection import quoted
from internvid.dataset.parts import reading_part, storage_errors, sync_folder

if TYPE_CHECKING:
    import duckdb

MEMORY_LIMIT = "1GB"
NO_URI, BAD_URI, BROKEN = "no_uri", "malformed_uri", "broken_text"
# What stands where bytes are no UTF-8.
_LOST = "\ufffd"
_MOST_URI = 4096
_ITEMS = ("item", "source_id", "uri", "spans", "start_seconds", "end_seconds", "licence")
_SPANS = ("item", "start_seconds", "end_seconds", "caption", "metadata", "line")
_AT_ONCE = 8192


@dataclass(frozen=True)
class Item:
    """One source to fetch.

    Attributes:
        item: its number, from 0.
        source_id: what the table calls it; `youtube:ID` for YouTube.
        uri: where it is.
        start_seconds, end_seconds: what its spans reach over; None for the whole video.
        licence: as the table states it, where it does.
    """

    item: int
    source_id: str
    uri: str
    start_seconds: float | None = None
    end_seconds: float | None = None
    licence: str | None = None


@dataclass(frozen=True)
class ItemPart:
    """What a table became.

    Attributes:
        items: new sources. rows: spans that were taken. sources: that it names, also known ones.
        faults: lines that were not taken, by reason (`broken_text`: not their caption).
    """

    items: int
    rows: int
    sources: int
    faults: dict[str, int]


def part_name(number: int) -> str:
    """The file name of a part."""
    return f"part-{number:05d}.parquet"


def write_items(
    table: Path,
    folder: Path,
    number: int,
    *,
    url_template: str = "",
    layout: str | None = None,
    scratch: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> ItemPart:
    """Write the items and spans of a table as a part; lines that name nothing go to `faulty`.

    Args:
        table: in any layout that is known; see `internvid.curate.tables`.
        folder: with `items`, `spans` and `faulty`; items of earlier parts keep their numbers.
        number: of the part.
        url_template: see `FetchSettings`.
        layout: of the table; recognised when None.
        scratch: for conversion and what does not fit the memory.
        progress: called with bytes of text that were read.

    Raises:
        InternvidError: the table cannot be read, or the disk is full.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with (
        scratch_folder(scratch) as made,
        open_rows(
            as_table(table, made),
            layout=layout,
            scratch=scratch,
            writable=[folder],
            memory_limit=MEMORY_LIMIT,
            progress=progress,
        ) as rows,
    ):
        _define(rows, url_template)
        return _write(rows, folder, number)


def _write(rows: Rows, folder: Path, number: int) -> ItemPart:
    run = rows.connection.execute
    first = _count(_parts(folder, "items", number))
    known = _parts(folder, "items", number)
    earlier = f"read_parquet({quoted(known)})" if known else None
    join = f"left join {earlier} as known using (source_id, uri)" if earlier else ""
    known_item = "known.item" if earlier else "null::bigint"
    run(
        "create temp table sources as select source_id, uri, min(place) as place, "
        "count(*) as spans, "
        "case when bool_or(start_seconds is null) then null else min(start_seconds) end as low, "
        "case when bool_or(end_seconds is null) then null else max(end_seconds) end as high, "
        "any_value(licence) as licence "
        "from collected where fault is null group by source_id, uri"
    )
    run(
        "create temp table numbered as select source_id, uri, sources.spans as spans, low, high, "
        f"sources.licence as licence, {known_item} as known_item, "
        f"coalesce({known_item}, {first} - 1 + row_number() over "
        f"(partition by {known_item} is null order by place))::bigint as item "
        f"from sources {join}"
    )
    _copy(
        rows.connection,
        folder / "items" / part_name(number),
        "select item, source_id, uri, spans, low as start_seconds, high as end_seconds, licence "
        "from numbered where known_item is null order by item",
    )
    _copy(
        rows.connection,
        folder / "spans" / part_name(number),
        "select item, start_seconds, end_seconds, caption, metadata, line from collected "
        "join numbered using (source_id, uri) where fault is null "
        "order by item, start_seconds, end_seconds, place",
    )
    reason = f"coalesce(fault, '{BROKEN}')"
    faulty = f"select line, {reason} as reason from collected where fault is not null or is_broken"
    if rows.faults.kept:
        lines = pa.table(
            {
                "line": pa.array([each.line for each in rows.faults.kept], pa.int64()),
                "reason": pa.array([each.reason for each in rows.faults.kept], pa.string()),
            }
        )
        rows.connection.register("unread", lines)
        faulty += " union all select line, reason from unread"
    _copy(
        rows.connection,
        folder / "faulty" / part_name(number),
        f"select * from ({faulty}) order by line",
    )
    counted = run(
        f"select {reason}, count(*) from collected where fault is not null or is_broken group by 1"
    )
    faults = Counter(dict(counted.fetchall())) + rows.faults.counts
    new, sources = _one(run("select count(*) filter (known_item is null), count(*) from numbered"))
    (taken,) = _one(run("select coalesce(sum(spans), 0)::bigint from sources"))
    return ItemPart(new, taken, sources, dict(sorted(faults.items())))


def _define(rows: Rows, url_template: str) -> None:
    """Make the view `collected`: source, span and text of each row, and why it is not taken."""
    described = dict(zip(rows.relation.columns, map(str, rows.relation.types), strict=True))
    own = {name: described[name] for name in rows.columns}
    columns = source_columns(own, rows.layout, url_template)
    rows.relation.create_view("table_rows")
    # A faulty score or caption is no reason not to fetch a video; without any time the whole of it
    # is meant.
    fault = (
        "case when row_fault is null or row_fault = 'bad_type' then null "
        "when row_fault = 'no_id' and uri is not null then null "
        f"when row_fault = '{BROKEN}' and not contains(source_id || uri, '{_LOST}') then null "
        "when row_fault = 'no_time' and start_seconds is null and end_seconds is null then null "
        "else row_fault end"
    )
    rows.connection.execute(
        "create temp view collected as select source_id, uri, start_seconds, end_seconds, "
        f"case when not contains(caption, '{_LOST}') then caption end as caption, "
        "metadata, licence, line, place, "
        f"coalesce({fault}, case when uri is null then '{NO_URI}' "
        f"when greatest(strlen(uri), strlen(source_id)) > {_MOST_URI} "
        "or regexp_matches(uri, '[\\x00-\\x20\\x7f]') "
        f"then '{BAD_URI}' end) as fault, row_fault = '{BROKEN}' as is_broken "
        f"from (select {columns.source_id} as source_id, "
        f"{columns.uri} as uri, start_seconds, end_seconds, nullif(row_caption, '') as caption, "
        f"{columns.metadata} as metadata, {columns.licence} as licence, "
        "row_line as line, row_place as place, row_fault from table_rows)"
    )


def _copy(connection: duckdb.DuckDBPyConnection, path: Path, query: str) -> None:
    """Write what a query gives as a Parquet file, whole or not at all."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = new_temporary(path)
        name = str(temporary).replace("'", "''")
        connection.execute(
            f"copy ({query}) to '{name}' (format parquet, compression zstd, row_group_size 65536)"
        )
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)


def _one(result: duckdb.DuckDBPyConnection) -> tuple[int, ...]:
    row = result.fetchone()
    assert row is not None
    return tuple(int(value) for value in row)


def _parts(folder: Path, kind: str, before: int) -> list[Path]:
    return [folder / kind / part_name(number) for number in range(before)]


def _count(parts: Sequence[Path]) -> int:
    total = 0
    for path in parts:
        with reading_part(path):
            total += pq.read_metadata(path).num_rows
    return total


def read_items(folder: Path, parts: int, columns: Sequence[str] = _ITEMS) -> Iterator[pa.Table]:
    """The items of all parts, some thousand at a time."""
    yield from _batches(_parts(folder, "items", parts), columns)


def read_spans(folder: Path, number: int) -> Iterator[pa.Table]:
    """The spans of one part, some thousand at a time."""
    yield from _batches([folder / "spans" / part_name(number)], _SPANS)


def items_of(batch: pa.Table) -> Iterator[Item]:
    """Rows of items as objects."""
    columns = [batch.column(name).to_pylist() for name in _ITEMS if name != "spans"]
    for values in zip(*columns, strict=True):
        yield Item(*values)


def _batches(paths: Sequence[Path], columns: Sequence[str]) -> Iterator[pa.Table]:
    for path in paths:
        with reading_part(path), pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_AT_ONCE, columns=list(columns), use_threads=False):
                yield pa.Table.from_batches([batch])
