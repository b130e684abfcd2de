"""Copies the lines of chosen rows out of text files, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from internvid.curate.tables.rows import Origin
from internvid.curate.tables.standard import FILE, LENGTH, OFFSET
from internvid.curate.tables.text.line_blocks import read_blocks, read_pieces

LINE_COLUMNS = (FILE, OFFSET, LENGTH)
"""Columns of a converted table that say where the lines of its rows are."""


def copy_lines(
    origin: Origin, tables: Iterable[pa.Table], out: BinaryIO, *, label: str | None = None
) -> int:
    """Copy the lines of rows, after the header of a csv file.

    Args:
        origin: a table whose lines stand for rows.
        tables: `LINE_COLUMNS` of the rows, in order, and behind them a column of texts where there
            is a label: each becomes the last field of its line.
        out: open for writing.
        label: name of that column.

    Returns:
        How many rows were copied.
    """
    is_json = origin.input.form in ("json", "jsonl")
    header = origin.header
    if label is not None and header:
        header = _with_field(header, label)
    out.write(header)
    copied = 0
    lines = _Lines(origin.input.paths)
    for table in tables:
        columns = (table.column(name).to_pylist() for name in LINE_COLUMNS)
        pieces = [lines.at(*each) for each in zip(*columns, strict=True)]
        if is_json:
            # An element of an array may stand on several lines: between its parts, a newline is a
            # blank.
            pieces = [piece[:-1].replace(b"\n", b" ") + b"\n" for piece in pieces]
        if label is not None:
            texts = table.column(label).to_pylist()
            pieces = [
                _with_member(piece, label, text) if is_json else _with_field(piece, text)
                for piece, text in zip(pieces, texts, strict=True)
            ]
        out.write(b"".join(pieces))
        copied += len(pieces)
    return copied


def _with_member(line: bytes, name: str, text: str) -> bytes:
    """The line of an object, with one more member."""
    whole = line.rstrip()[:-1].rstrip()
    between = b"" if whole.endswith(b"{") else b", "
    member = f"{json.dumps(name)}: {json.dumps(text, ensure_ascii=False)}}}\n"
    return whole + between + member.encode()


def _with_field(line: bytes, text: str) -> bytes:
    """The line of a csv file, with one more field: a plain word."""
    return line.rstrip(b"\n") + f",{text}\n".encode()


def header_of(path: Path) -> bytes:
    """The first line of a csv file, with its newline."""
    for block in read_blocks(path):
        line = next((each for each in block.data.split(b"\n") if each.strip()), b"")
        return line.rstrip(b"\r") + b"\n"
    return b""


class _Lines:
    """Records by their places, which only grow."""

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self._paths = paths
        self._file = -1
        self._data = b""
        self._begin = 0
        self._pieces: Iterator[tuple[int, bytes]] = iter(())

    def at(self, file: int, offset: int, length: int) -> bytes:
        """One record as a line."""
        if file != self._file:
            self._file, self._data = file, b""
            self._pieces = read_pieces(self._paths[file])
        while offset + length > self._begin + len(self._data) or not self._data:
            begin, piece = next(self._pieces)
            held = self._data[max(0, offset - self._begin) :] if self._data else b""
            self._data, self._begin = held + piece, begin - len(held)
        start = offset - self._begin
        record = self._data[start : start + length]
        return record.rstrip(b"\r") + b"\n"
