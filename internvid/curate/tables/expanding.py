"""Makes one row a clip of tables that have one row a video with lists of clips.

Columns keep their names, and each list keeps the one clip's entry, written as before: a reader of
the layout loads what comes out as it loads the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from internvid.curate.tables.faults import MOST_CHARACTERS, FaultyLine
from internvid.curate.tables.known_layouts import Columns, Layout
from internvid.curate.tables.literals import list_entries, string_of
from internvid.curate.tables.standard import CAPTION, END, FILE, LINE, START

Parsed = tuple[pa.Table, list[FaultyLine]]
# Times stay texts: SQL reads them as it reads those of any other table.
_HIDDEN = (pa.field(START, pa.string()), pa.field(END, pa.string()), pa.field(CAPTION, pa.string()))
_SPAN = r"""^\[\s*['"]?(?P<start>[^'",\[\]]*)['"]?\s*,\s*['"]?(?P<end>[^'",\[\]]*)['"]?\s*\]$"""
_LISTS = (
    "timestamp",
    "caption",
    "matching_score",
    "desirable_filtering",
    "shot_boundary_detection",
)


class Expander:
    """Turns rows of videos into rows of clips; of other layouts it changes nothing.

    Args:
        layout: of the table.
        schema: of its own columns.
        paths: its files.

    Attributes:
        schema: of the own columns.
        hidden: columns that it adds.
    """

    def __init__(self, layout: Layout, schema: pa.Schema, paths: Sequence[Path]) -> None:
        self.schema = schema
        self.hidden = _HIDDEN if layout.expands else ()
        self._paths = paths
        columns = Columns(dict.fromkeys(schema.names, ""))
        self._is_nested = layout.expands == "clips"
        found = [columns.first((name,)) for name in (("clip",) if self._is_nested else _LISTS)]
        self._lists = [name for name in found if name is not None] if layout.expands else []

    def __call__(self, rows: pa.Table, faulty: list[FaultyLine]) -> Parsed:
        """Rows of clips, and lines that are none.

        Args:
            rows: own columns and the hidden ones of a line.
            faulty: lines of the block that are no rows.
        """
        if not self._lists:
            return rows, faulty
        numbers: list[int] = []
        cells: dict[str, list[Any]] = {name: [] for name in self._lists}
        more: list[FaultyLine] = []
        videos = zip(*(rows.column(name).to_pylist() for name in self._lists), strict=True)
        split = _nested_entries if self._is_nested else _literal_entries
        for number, video in enumerate(videos):
            entries = split(video)
            if isinstance(entries, str):
                more.append(self._fault(rows, number, entries, video))
                continue
            for name, values in zip(self._lists, entries, strict=True):
                cells[name] += values
            numbers += [number] * len(entries[0])
        order = sorted([*faulty, *more], key=lambda each: each.line) if more else faulty
        return self._table(rows, numbers, cells), order

    def _table(self, rows: pa.Table, numbers: list[int], cells: dict[str, list[Any]]) -> pa.Table:
        clips = rows.drop_columns(self._lists).take(pa.array(np.array(numbers, np.int64)))
        for name in self._lists:
            kind = self.schema.field(name).type
            values = cells[name] if self._is_nested else _in_brackets(cells[name])
            clips = clips.append_column(pa.field(name, kind), pa.array(values, kind))
        if self._is_nested:
            added = _nested_times(cells[self._lists[0]])
        else:
            captions = cells[self._lists[1]]
            texts = [None if each is None else string_of(each) for each in captions]
            added = [*_literal_times(cells[self._lists[0]]), pa.array(texts, pa.string())]
        for field, column in zip(_HIDDEN, added, strict=True):
            clips = clips.append_column(field, column)
        return clips

    def _fault(
        self, rows: pa.Table, number: int, reason: str, video: tuple[Any, ...]
    ) -> FaultyLine:
        path = self._paths[rows.column(FILE)[number].as_py()]
        line = rows.column(LINE)[number].as_py()
        return FaultyLine(path, line, reason, " ".join(map(str, video))[:MOST_CHARACTERS])


def _literal_entries(video: tuple[str | None, ...]) -> list[list[Any]] | str:
    """Entries of lists written as Python literals, of which the first has the times.

    Returns:
        The entries of each list, as literals; or the reason why there are none.
    """
    try:
        lists = [list_entries(text) if text else None for text in video]
    except ValueError:
        return "malformed_list"
    spans = lists[0]
    if spans is None or any(each is not None and len(each) != len(spans) for each in lists):
        return "malformed_list"
    nothing = [None] * len(spans)
    return [nothing if each is None else each for each in lists] if spans else "no_clips"


def _nested_entries(video: tuple[Any, ...]) -> list[list[Any]] | str:
    """Entries of a list of objects, each as a list of one."""
    clips = video[0]
    if not isinstance(clips, list) or not all(isinstance(each, dict) for each in clips):
        return "malformed_list"
    return [[[each] for each in clips]] if clips else "no_clips"


def _in_brackets(entries: list[str | None]) -> pa.Array:
    """Lists of one entry, as literals."""
    texts = pa.array(entries, pa.string())
    return pc.binary_join_element_wise("[", texts, "]", "")


def _literal_times(spans: list[str]) -> list[pa.Array]:
    """Both times of literals of lists of two; null where they are not."""
    found = pc.extract_regex(pa.array(spans, pa.string()), _SPAN)
    return [pc.struct_field(found, "start"), pc.struct_field(found, "end")]


def _nested_times(clips: list[list[dict[str, Any]]]) -> list[pa.Array]:
    spans = [clip[0].get("span") for clip in clips]
    pairs = [each if isinstance(each, list) and len(each) == 2 else (None, None) for each in spans]
    columns = [[None if pair[k] is None else str(pair[k]) for pair in pairs] for k in (0, 1)]
    return [*(pa.array(each, pa.string()) for each in columns), pa.nulls(len(clips), pa.string())]
