"""Copies the lines of chosen rows out of text files, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from internvid.curate.tables.rows import Origin
from internvid.curate.tables.standard import FILE, LENGTH, OFFSET
from internvid.curate.tables.taking import taken
from internvid.curate.tables.text.line_blocks import read_blocks, read_pieces

_HIDDEN = (FILE, OFFSET, LENGTH)


def copy_lines(origin: Origin, places: Iterator[NDArray[np.int64]], out: BinaryIO) -> int:
    """Copy the lines of rows, after the header of a csv file.

    Args:
        origin: a table whose lines stand for rows.
        places: sorted.
        out: open for writing.

    Returns:
        How many rows were copied.
    """
    out.write(origin.header)
    copied = 0
    lines = _Lines(origin.input.paths)
    # An element of an array may stand on several lines: between its parts, a newline is a blank.
    is_json = origin.input.form in ("json", "jsonl")

    for table in taken(origin, places, _HIDDEN):
        columns = (table.column(name).to_pylist() for name in _HIDDEN)
        pieces = [lines.at(*each) for each in zip(*columns, strict=True)]
        if is_json:
            pieces = [piece[:-1].replace(b"\n", b" ") + b"\n" for piece in pieces]
        out.write(b"".join(pieces))
        copied += len(pieces)
    return copied


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
