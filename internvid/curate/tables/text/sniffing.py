"""Looks at the begin of text files: their columns, their layout, the types of their columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from internvid.core.errors import DatasetFormatError, MisuseError
from internvid.curate.tables.files import TableFiles
from internvid.curate.tables.known_layouts import Layout, layout_of, named_layout
from internvid.curate.tables.standard import refuse_taken_names
from internvid.curate.tables.text.delimited import DELIMITERS, fields_of, read_delimited
from internvid.curate.tables.text.jsonl import read_object
from internvid.curate.tables.text.line_blocks import Progress, read_blocks, read_pieces, shown
from internvid.curate.tables.text.plan import Plan, plan_of_cells, plan_of_objects
from internvid.curate.tables.text.splitting import Records, read_array, read_lines

_SAMPLE_ROWS = 5000
_MOST_SAMPLED_FILES = 16
_VIDEOCC = "videocc"


@dataclass(frozen=True)
class TextTable:
    """How the text files of a table are read.

    Attributes:
        files: all in one form: `jsonl`, `csv` or `tsv`.
        arrays: those of them that are one JSON array.
        layout: what the columns mean.
        plan: types of the columns.
        has_header: whether a csv or tsv begins with the names of its columns.
    """

    files: TableFiles
    arrays: frozenset[Path]
    layout: Layout
    plan: Plan
    has_header: bool = True

    def read(self, path: Path, progress: Progress | None = None) -> Iterator[Records]:
        """The records of one of the files, without its header."""
        if path in self.arrays:
            yield from read_array(path, progress)
            return
        if self.files.form not in DELIMITERS:
            yield from read_lines(path, progress)
            return
        width = len(self.plan.types)
        is_first = self.has_header
        for records in read_delimited(path, DELIMITERS[self.files.form], width, progress):
            if not is_first or not len(records):
                yield records
                continue
            is_first = False
            yield records.after(1)


def sniff(files: TableFiles, source: Path | str, layout: str | None) -> TextTable:
    """How the text files of a table are read.

    Raises:
        MisuseError: no layout fits, or a name of a column cannot be.
        DatasetFormatError: the files have different headers, or nothing that can be read.
    """
    if files.form in DELIMITERS:
        return _sniff_delimited(files, source, layout)
    arrays = frozenset(path for path in files.paths if files.form == "json" and _is_array(path))
    objects: list[Mapping[str, Any]] = []
    sampled = files.paths[:_MOST_SAMPLED_FILES]
    for path in sampled:
        read = read_array(path) if path in arrays else read_lines(path)
        objects += islice(_objects(read), max(1, _SAMPLE_ROWS // len(sampled)))
    if not objects:
        raise DatasetFormatError(
            f"{source} has no line at its begin that is a JSON object: {_begin(files.paths[0])!r}",
            hint="one JSON object a line, or one array of objects",
        )
    names = list(dict.fromkeys(name for each in objects for name in each))
    refuse_taken_names(names, source)
    fitting = layout_of(names, layout, source)
    plan = plan_of_objects(objects, fitting)
    return TextTable(TableFiles(files.paths, "jsonl"), arrays, fitting, plan)


def _sniff_delimited(files: TableFiles, source: Path | str, layout: str | None) -> TextTable:
    delimiter = DELIMITERS[files.form]
    for path in files.paths:
        _refuse_bare_returns(path)
    header = _header(files.paths[0], delimiter)
    has_header = layout != _VIDEOCC and not _is_videocc(header)
    if not has_header:
        names = list(named_layout(_VIDEOCC).columns)
        layout = _VIDEOCC
    else:
        names = header
        for path in files.paths[1:]:
            if _header(path, delimiter) != names:
                raise DatasetFormatError(
                    f"{path} has other columns than {files.paths[0]}: "
                    f"{', '.join(_header(path, delimiter))}, not {', '.join(names)}",
                    hint="name those with equal columns by a glob",
                )
    refuse_taken_names(names, source)
    fitting = layout_of(names, layout, source)
    rows: list[list[str]] = []
    for records in read_delimited(files.paths[0], delimiter, len(names)):
        for index in range(int(has_header and not rows), min(len(records), _SAMPLE_ROWS)):
            text = records.at(index).decode("utf-8", "replace").rstrip("\r")
            fields = fields_of(text, delimiter)
            if fields is not None and len(fields) == len(names):
                rows.append(fields)
        break
    return TextTable(files, frozenset(), fitting, plan_of_cells(names, rows, fitting), has_header)


def _refuse_bare_returns(path: Path) -> None:
    """Refuse a file whose lines end as those of old Macintosh programs: it would be one line.

    Raises:
        MisuseError: they do.
    """
    _, begin = next(read_pieces(path), (0, b""))
    if b"\r" in begin.rstrip(b"\r") and b"\n" not in begin:
        raise MisuseError(
            f"{path} ends its lines with a carriage return alone",
            hint="end them with newlines: tr '\\r' '\\n' < FILE > NEW_FILE",
        )


def _header(path: Path, delimiter: str) -> list[str]:
    for block in read_blocks(path):
        text = block.data.decode("utf-8", "replace")
        line = next((each for each in text.splitlines() if each.strip()), "")
        fields = fields_of(line, delimiter)
        if not fields or (len(fields) < 2 and not fields[0]):
            break
        return fields
    raise DatasetFormatError(
        f"{path} has no header: {_begin(path)!r}", hint="its first line names the columns"
    )


def _is_videocc(fields: list[str]) -> bool:
    """Whether a first line is no header, but an id, two times in microseconds and a caption."""
    return len(fields) == 4 and fields[1].isdigit() and fields[2].isdigit()


def _objects(read: Iterator[Records]) -> Iterator[Mapping[str, Any]]:
    for records in read:
        for index in range(len(records)):
            value, _ = read_object(records.at(index))
            if not isinstance(value, str):
                yield value


def _is_array(path: Path) -> bool:
    """Whether a file is one JSON array, and not an object a line.

    Raises:
        MisuseError: it is one object over many lines, which is no table.
    """
    for _, piece in read_pieces(path):
        begin = piece.lstrip()
        if not begin:
            continue
        if begin.startswith(b"["):
            return True
        line = begin.partition(b"\n")[0]
        if len(begin) > len(line) and begin.startswith(b"{"):
            try:
                json.loads(line)
            except ValueError:
                raise MisuseError(
                    f"{path} is one JSON object, not a table",
                    hint="make it an array of objects, or one object a line",
                ) from None
        return False
    return False


def _begin(path: Path) -> str:
    return next((shown(piece) for _, piece in read_pieces(path)), "")
