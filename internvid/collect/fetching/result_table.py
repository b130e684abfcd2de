"""`table.parquet`: every row of the tables that were given, with its file or the reason for none.

It is what `internvid build` reads. A file that is not there any more is not listed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from internvid.collect.fetching.engines.site_facts import SITE_FACTS
from internvid.collect.fetching.fetch_folder import FetchFolder
from internvid.collect.fetching.items.item_table import read_items, read_spans
from internvid.collect.fetching.media.cue_files import Cues, read_cues
from internvid.collect.fetching.outcomes import Outcome, Outcomes
from internvid.dataset.parts import part_writer

TABLE_SCHEMA = pa.schema(
    [
        ("source_id", pa.string()),
        ("uri", pa.string()),
        ("path", pa.string()),
        ("start_seconds", pa.float64()),
        ("end_seconds", pa.float64()),
        ("offset_seconds", pa.float64()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("caption", pa.string()),
        ("metadata", pa.string()),
    ]
)
"""Columns of the table; times are of the source, `offset_seconds` is where its file begins."""
BROKEN_CUES = "broken_cues"
"""Key of `metadata`: how many texts of the subtitles have times that cannot be."""
_OF_FILES = ("subtitles", BROKEN_CUES, "width", "height", "fps", "has_audio")
_OF_CANDIDATES = ("place", "query", "queries", "owner", "owner_id", "category", "published")
VIDEO_KEYS = frozenset({*SITE_FACTS, *_OF_FILES, *_OF_CANDIDATES})
"""Keys of `metadata` that say something of the whole video, and not of the row."""
SPOKEN = "subtitle_text"
"""Key of `metadata`: what the subtitles say within the span."""
_MOST_SPOKEN = 2000
_GROUP_ROWS = 1 << 15
_NOT_TRIED = Outcome(-1, "skipped", "not_tried")


def write_table(folder: FetchFolder, outcomes: Outcomes) -> int:
    """Write the table of a folder anew.

    Returns:
        How many items were fetched and have lost their file since.

    Raises:
        StorageError: the disk is full.
        DatasetFormatError: a part of the folder is damaged.
    """
    lost: set[int] = set()
    with part_writer(folder.table, TABLE_SCHEMA) as writer:
        rows: list[dict[str, Any]] = []
        for number in range(len(folder.tables)):
            for row in _rows(folder, outcomes, number, lost):
                rows.append(row)
                if len(rows) == _GROUP_ROWS:
                    writer.write_table(pa.Table.from_pylist(rows, schema=TABLE_SCHEMA))
                    rows = []
        if rows:
            writer.write_table(pa.Table.from_pylist(rows, schema=TABLE_SCHEMA))
    return len(lost)


def _rows(
    folder: FetchFolder, outcomes: Outcomes, number: int, lost: set[int]
) -> Iterator[dict[str, Any]]:
    """The rows of one part: spans, items and outcomes are all in the order of items."""
    items = _named_items(folder)
    known = outcomes.in_order()
    source = next(items, None)
    outcome = next(known, None)
    described: _Described | None = None
    for batch in read_spans(folder.root, number):
        for row in batch.to_pylist():
            item = row["item"]
            while source is not None and source[0] < item:
                source = next(items, None)
            while outcome is not None and outcome.item < item:
                outcome = next(known, None)
            assert source is not None
            if described is None or described.item != item:
                has_outcome = outcome is not None and outcome.item == item
                described = _Described(folder.root, item, outcome if has_outcome else None)
                if described.is_lost:
                    lost.add(item)
            yield described.row(source[1], source[2], row)


def _named_items(folder: FetchFolder) -> Iterator[tuple[int, str, str]]:
    columns = ("item", "source_id", "uri")
    for batch in read_items(folder.root, len(folder.tables), columns):
        yield from zip(*(batch.column(name).to_pylist() for name in columns), strict=True)


class _Described:
    """What the rows of one item share."""

    def __init__(self, root: Path, item: int, outcome: Outcome | None) -> None:
        self.item = item
        known = outcome or _NOT_TRIED
        self.path = known.path if known.path and _is_there(root, known) else None
        self.is_lost = known.status == "fetched" and self.path is None
        self.outcome = _NOT_TRIED if self.is_lost else known
        self.facts = self.outcome.facts if self.path else {}
        spoken = self.facts.get("subtitles")
        self.cues = _cues(root, spoken) if isinstance(spoken, Mapping) else None

    def row(self, source_id: str, uri: str, span: Mapping[str, Any]) -> dict[str, Any]:
        """One row of the table."""
        start, end = span["start_seconds"], span["end_seconds"]
        return {
            "source_id": source_id,
            "uri": uri,
            "path": self.path,
            "start_seconds": start,
            "end_seconds": end,
            "offset_seconds": self.outcome.offset_seconds if self.path else None,
            "status": self.outcome.status,
            "reason": self.outcome.reason or None,
            "caption": span["caption"],
            "metadata": self._metadata(span["metadata"], start, end),
        }

    def _metadata(self, text: str | None, start: float | None, end: float | None) -> str | None:
        if not self.facts:
            return text
        found = _with_inner(json.loads(text)) if text else {}
        # A table may have a column of such a name; what the source says today goes first.
        found = {key: value for key, value in found.items() if value is not None}
        found.update(self.facts)
        if self.cues is not None:
            spoken = self.cues.text(start, end, _MOST_SPOKEN)
            if spoken:
                found[SPOKEN] = spoken
            if self.cues.broken:
                found[BROKEN_CUES] = self.cues.broken
        return json.dumps(found, ensure_ascii=False, sort_keys=True)


def _with_inner(row: dict[str, Any]) -> dict[str, Any]:
    """A row's further columns; of one called `metadata` with a JSON object, what is in it."""
    inner = row.get("metadata")
    if isinstance(inner, str) and inner.startswith("{"):
        try:
            inner = json.loads(inner)
        except ValueError:
            return row
    if not isinstance(inner, dict):
        return row
    return {**inner, **{key: value for key, value in row.items() if key != "metadata"}}


def _is_there(root: Path, outcome: Outcome) -> bool:
    try:
        return (root / str(outcome.path)).stat().st_size == outcome.bytes
    except OSError:
        return False


def _cues(root: Path, subtitles: Mapping[str, Any]) -> Cues | None:
    """The cues of the first language."""
    path = next((root / str(each) for each in subtitles.values()), None)
    return None if path is None else _read(path)


@lru_cache(maxsize=4)
def _read(path: Path) -> Cues:
    return read_cues(path)
