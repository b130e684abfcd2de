"""Makes one row a clip of tables that have one row a video with lists of clips.

Columns keep their names, and each list keeps the one clip's entry, written as before: a reader of
the layout loads what comes out as it loads the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from internvid.curate.tables.faults import MOST_CHARACTERS, FaultyLine
from internvid.curate.tables.layouts import Columns, Layout
from internvid.curate.tables.literals import read_literal
from internvid.curate.tables.standard import CAPTION, END, FILE, LINE, START

Parsed = tuple[pa.Table, list[FaultyLine]]
# Times stay texts: SQL reads them as it reads those of any other table.
_HIDDEN = (pa.field(START, pa.string()), pa.field(END, pa.string()), pa.field(CAPTION, pa.string()))
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
        names = _LISTS if layout.expands == "literals" else ("clip",)
        found = [columns.first((name,)) for name in names]
        self._lists = [name for name in found if name is not None] if layout.expands else []
        self._caption = columns.first(("caption",))
        self._clips: Callable[[dict[str, Any]], list[_Clip] | str] = (
            self._of_literals if layout.expands == "literals" else self._of_nested
        )

    def __call__(self, rows: pa.Table, faulty: list[FaultyLine]) -> Parsed:
        """Rows of clips, and lines that are none.

        Args:
            rows: own columns and the hidden ones of a line.
            faulty: lines of the block that are no rows.
        """
        if not self._lists:
            return rows, faulty
        numbers: list[int] = []
        clips: list[_Clip] = []
        more: list[FaultyLine] = []
        cells = {name: rows.column(name).to_pylist() for name in self._lists}
        for number in range(rows.num_rows):
            video = {name: values[number] for name, values in cells.items()}
            made = self._clips(video)
            if isinstance(made, str):
                more.append(self._fault(rows, number, made, video))
                continue
            clips += made
            numbers += [number] * len(made)
        return self._table(rows, numbers, clips), sorted(
            [*faulty, *more], key=lambda each: each.line
        )

    def _table(self, rows: pa.Table, numbers: list[int], clips: list[_Clip]) -> pa.Table:
        others = rows.drop_columns(self._lists).take(pa.array(np.array(numbers, np.int64)))
        for name in self._lists:
            kind = self.schema.field(name).type
            column = pa.array([clip.cells[name] for clip in clips], kind)
            others = others.append_column(pa.field(name, kind), column)
        for field, values in zip(
            _HIDDEN,
            (
                [clip.start for clip in clips],
                [clip.end for clip in clips],
                [clip.caption for clip in clips],
            ),
            strict=True,
        ):
            others = others.append_column(field, pa.array(values, field.type))
        return others

    def _fault(self, rows: pa.Table, number: int, reason: str, video: dict[str, Any]) -> FaultyLine:
        path = self._paths[rows.column(FILE)[number].as_py()]
        line = rows.column(LINE)[number].as_py()
        text = " ".join(str(each) for each in video.values())[:MOST_CHARACTERS]
        return FaultyLine(path, line, reason, text)

    def _of_literals(self, video: dict[str, Any]) -> list[_Clip] | str:
        """Clips of lists written as Python literals."""
        read: dict[str, list[Any]] = {}
        for name, text in video.items():
            try:
                value = read_literal(text) if text else None
            except ValueError:
                return "malformed_list"
            if value is not None:
                if not isinstance(value, list):
                    return "malformed_list"
                read[name] = value
        spans = read.get(self._lists[0])
        if spans is None or any(len(each) != len(spans) for each in read.values()):
            return "malformed_list"
        if not spans:
            return "no_clips"
        captions = read.get(self._caption or "", [None] * len(spans))
        # What Python writes for a list of one is what the table had for all of them.
        texts = {name: [f"[{each!r}]" for each in values] for name, values in read.items()}
        return [
            _Clip(
                {name: texts[name][index] if name in texts else video[name] for name in video},
                *_times(spans[index]),
                None if captions[index] is None else str(captions[index]),
            )
            for index in range(len(spans))
        ]

    def _of_nested(self, video: dict[str, Any]) -> list[_Clip] | str:
        """Clips of a list of objects, each with a `span`."""
        name = self._lists[0]
        clips = video[name]
        if not isinstance(clips, list) or not all(isinstance(each, dict) for each in clips):
            return "malformed_list"
        if not clips:
            return "no_clips"
        return [_Clip({name: [each]}, *_times(each.get("span")), None) for each in clips]


class _Clip:
    """One clip: the cells of its list columns, its times as text, its caption."""

    __slots__ = ("caption", "cells", "end", "start")

    def __init__(
        self, cells: dict[str, Any], start: str | None, end: str | None, caption: str | None
    ) -> None:
        self.cells, self.start, self.end, self.caption = cells, start, end, caption


def _times(span: Any) -> tuple[str | None, str | None]:
    if not isinstance(span, (list, tuple)) or len(span) != 2:
        return None, None
    start, end = (None if each is None else str(each) for each in span)
    return start, end
