"""Two tables of an export of documents: one row a document, and one for each clip in it.

A document is a row of a file that trainers read, made of one clip or of many. `documents.parquet`
has how much is in it, `clips.parquet` which clips are. Counts are whole numbers, so that their sums
are the same whatever the order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import pyarrow as pa
import pyarrow.compute as pc

from internvid.dataset.parts import part_writer, read_groups
from internvid.dataset.releases.index_rows import ROWS_AT_ONCE

DOCUMENT_TABLE, CLIP_TABLE = "documents.parquet", "clips.parquet"
DOCUMENT = "document"
CLIP_SCHEMA = pa.schema(
    [
        (DOCUMENT, pa.string()),
        ("clip_id", pa.string()),
        ("video_id", pa.string()),
        ("source_id", pa.string()),
        ("uri", pa.string()),
        ("files", pa.list_(pa.string())),
    ]
)
"""Columns of `clips.parquet`; `files` hold what was cut of the clip alone."""


class ClipOfDocument(TypedDict):
    """A clip that a document has a picture or a text of; see `CLIP_SCHEMA`."""

    clip_id: str
    video_id: str
    source_id: str
    uri: str | None
    files: list[str]


class Spread(TypedDict):
    """A count over all documents: its sum, and per document the least, the mean and the most."""

    total: int
    least: int
    mean: float
    most: int


def document_schema(counts: Sequence[str]) -> pa.Schema:
    """Columns of `documents.parquet`.

    Args:
        counts: names of the whole numbers that are counted of each document.
    """
    texts = [(DOCUMENT, pa.string()), ("file", pa.string())]
    return pa.schema([*texts, *((name, pa.int64()) for name in counts)])


@dataclass
class DocumentTables:
    """Both tables, being written; made by `writing_tables`."""

    _writers: Mapping[str, tuple[Any, pa.Schema]]
    _waiting: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(
        self,
        document: str,
        file: str,
        counts: Mapping[str, int],
        clips: Sequence[Mapping[str, Any]],
    ) -> None:
        """Add a document that stands in a file."""
        self._put(DOCUMENT_TABLE, {DOCUMENT: document, "file": file, **counts})
        for clip in clips:
            self._put(CLIP_TABLE, {DOCUMENT: document, **clip})

    def flush(self, least: int = 1) -> None:
        """Write rows that wait, of each table with at least so many."""
        for name, rows in self._waiting.items():
            writer, schema = self._writers[name]
            while len(rows) >= least:
                some, rows[:] = rows[:ROWS_AT_ONCE], rows[ROWS_AT_ONCE:]
                writer.write_table(pa.Table.from_pylist(some, schema=schema))

    def _put(self, name: str, row: dict[str, Any]) -> None:
        rows = self._waiting.setdefault(name, [])
        rows.append(row)
        if len(rows) >= ROWS_AT_ONCE:
            self.flush(ROWS_AT_ONCE)


@contextmanager
def writing_tables(folder: Path, counts: Sequence[str]) -> Iterator[DocumentTables]:
    """Gives what documents are added to; both tables are there, whole, when the block ends well."""
    schemas = {DOCUMENT_TABLE: document_schema(counts), CLIP_TABLE: CLIP_SCHEMA}
    with ExitStack() as stack:
        writers = {
            name: (stack.enter_context(part_writer(folder / name, schema)), schema)
            for name, schema in schemas.items()
        }
        tables = DocumentTables(writers)
        yield tables
        tables.flush()


def counts_of_documents(folder: Path) -> dict[str, Any]:
    """What a manifest states of its documents, counted in the tables.

    Returns:
        `documents`; `clips` (each counted once) and `hours` (of what is shown, in the field
        `milliseconds`); `per_document`: name of a count -> `Spread`; where `dropped` is counted,
        `dropped_share`: of the clips of documents.
    """
    sums: dict[str, int] = {}
    least: dict[str, int] = {}
    most: dict[str, int] = {}
    documents = 0
    for table in read_groups(folder / DOCUMENT_TABLE):
        documents += table.num_rows
        for name in table.schema.names:
            if not pa.types.is_integer(table.schema.field(name).type) or not table.num_rows:
                continue
            bounds = pc.min_max(table[name])
            sums[name] = sums.get(name, 0) + pc.sum(table[name]).as_py()
            low, high = bounds["min"].as_py(), bounds["max"].as_py()
            least[name], most[name] = (
                min(least.get(name, low), low),
                max(most.get(name, high), high),
            )
    shares = {}
    if "dropped" in sums:
        shares = {"dropped_share": round(sums["dropped"] / max(1, sums["clips"]), 6)}
    return {
        **shares,
        "documents": documents,
        "clips": _distinct_clips(folder / CLIP_TABLE),
        "hours": round(sums.get("milliseconds", 0) / 3_600_000, 6),
        "per_document": {
            name: Spread(
                total=total,
                least=least[name],
                mean=round(total / documents, 3),
                most=most[name],
            )
            for name, total in sums.items()
        },
    }


def _distinct_clips(path: Path) -> int:
    from internvid.dataset.duckdb_connection import open_connection, quoted

    connection = open_connection()
    try:
        wanted = f"select count(distinct clip_id) from read_parquet({quoted([path])})"
        ((count,),) = connection.sql(wanted).fetchall()
    finally:
        connection.close()
    return int(count)
