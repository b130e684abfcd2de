"""Records of text files: lines of jsonl, elements of a JSON array, with their places."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from internvid.curate.tables.faults import MOST_CHARACTERS, FaultyLine
from internvid.curate.tables.text.line_blocks import (
    BLOCK_BYTES,
    MOST_LINE_BYTES,
    Block,
    Progress,
    read_blocks,
    read_pieces,
    shown,
)

_NEWLINE = 10
_SPACES = np.array([9, 13, 32], np.uint8)
_NEXT_ELEMENT = re.compile(r"[}\]]\s*,\s*(?=[{\[])")
_BETWEEN = re.compile(r"[\s,]*")


@dataclass
class Records:
    """Records of a file, in order.

    Attributes:
        path: the file.
        data: holds them, each ended by a newline.
        starts: [N] where each begins in `data`.
        lengths: [N] bytes of each, without its newline.
        lines: [N] number of each one's first line, from 1 (in an array: of the element).
        offsets: [N] where each begins in the decompressed file.
        faulty: what between them is no record.
        has_newlines: whether a record may hold newlines.
        is_odd: whether one has a quote that is not closed, which readers take in several ways.
    """

    path: Path
    data: bytes
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    lines: NDArray[np.int64]
    offsets: NDArray[np.int64]
    faulty: list[FaultyLine] = field(default_factory=list)
    has_newlines: bool = False
    is_odd: bool = False

    def __len__(self) -> int:
        return len(self.starts)

    def at(self, index: int) -> bytes:
        """The bytes of one record."""
        start = int(self.starts[index])
        return self.data[start : start + int(self.lengths[index])]

    def after(self, count: int) -> Records:
        """The records after the first ones, and what is faulty among all."""
        begin = int(self.starts[count]) if count < len(self) else len(self.data)
        return Records(
            self.path,
            self.data[begin:],
            self.starts[count:] - begin,
            self.lengths[count:],
            self.lines[count:],
            self.offsets[count:],
            self.faulty,
            self.has_newlines,
            self.is_odd,
        )

    def kept(self, indices: NDArray[np.int64]) -> Records:
        """Some of the records, and nothing between them."""
        pieces = [self.at(int(index)) for index in indices]
        lengths = self.lengths[indices]
        starts = np.concatenate(([0], np.cumsum(lengths + 1)[:-1])).astype(np.int64)
        return Records(
            self.path,
            b"".join(piece + b"\n" for piece in pieces),
            starts[: len(pieces)],
            lengths,
            self.lines[indices],
            self.offsets[indices],
            has_newlines=self.has_newlines,
            is_odd=self.is_odd,
        )


def lines_of(path: Path, block: Block) -> Records:
    """The lines of a block that are not blank; those over 16 MiB are faulty."""
    values = np.frombuffer(block.data, np.uint8)
    ends = np.flatnonzero(values == _NEWLINE)
    starts = np.concatenate(([0], ends[:-1] + 1)).astype(np.int64)[: len(ends)]
    lengths = ends - starts
    lines = block.line + np.arange(len(ends))
    faulty = list(block.faulty)
    keep = lengths > 0
    # A blank line is rare, and begins with a blank: only those are looked at.
    for index in np.flatnonzero(keep & np.isin(values[starts], _SPACES)):
        keep[index] = bool(block.data[starts[index] : ends[index]].strip())
    for index in np.flatnonzero(lengths > MOST_LINE_BYTES):
        keep[index] = False
        text = shown(block.data[starts[index] : starts[index] + 1000])
        faulty.append(FaultyLine(path, int(lines[index]), "too_long", text))
    records = Records(path, block.data, starts, lengths, lines, block.offset + starts, faulty)
    if keep.all():
        return records
    kept = np.flatnonzero(keep)
    if (lengths[~keep] <= MOST_LINE_BYTES).all():
        chosen = (starts[kept], lengths[kept], lines[kept], block.offset + starts[kept])
        return Records(path, block.data, *chosen, faulty)
    left = records.kept(kept)
    left.faulty = faulty
    return left


def read_lines(path: Path, progress: Progress | None = None) -> Iterator[Records]:
    """A file of one JSON object a line."""
    for block in read_blocks(path, progress):
        yield lines_of(path, block)


def read_array(path: Path, progress: Progress | None = None) -> Iterator[Records]:
    """A file that is one JSON array: each element becomes a line, and is no whole file in memory.

    What is no JSON is a fault, and the rest goes on at the next element that can be made out.
    """
    reader = _ArrayReader(path, progress)
    while (records := reader.next()) is not None:
        yield records


class _ArrayReader:
    """Finds the elements of an array.

    Bytes are read as Latin-1, in which each is one character: where an element ends is seen by
    its brackets and quotes alone, and places in the text are places in the file.
    """

    def __init__(self, path: Path, progress: Progress | None) -> None:
        self._path = path
        self._pieces = read_pieces(path, progress)
        self._decode = json.JSONDecoder().raw_decode
        self._text = ""
        self._offset = 0  # of the text in the file
        self._element = 0
        self._is_all = False
        self._is_over = False
        while not self._text.strip() and not self._is_all:
            self._fill(0)
        self._at = self._text.index("[") + 1

    def next(self) -> Records | None:
        """Some megabytes of elements; null at the end."""
        if self._is_over:
            return None
        spans: list[tuple[int, int]] = []
        lines: list[int] = []
        faulty: list[FaultyLine] = []
        self._fill(self._at)
        first = self._at
        while self._at - first < BLOCK_BYTES:
            self._at = _BETWEEN.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at >= len(self._text) or self._text[self._at] == "]":
                break
            end = self._end_of_element()
            if end is None and not self._is_all and len(self._text) - self._at < MOST_LINE_BYTES:
                break  # the rest of it is not read yet
            self._element += 1
            if end is None:
                faulty.append(self._fault())
                self._at = self._next_element()
                self._is_over = self._is_all and self._at == len(self._text)
                continue
            spans.append((self._at, end))
            lines.append(self._element)
            self._at = end
        return self._records(spans, lines, faulty)

    def _records(
        self, spans: list[tuple[int, int]], lines: list[int], faulty: list[FaultyLine]
    ) -> Records | None:
        if not spans and not faulty and (self._is_all or self._closes()):
            # The end is looked at once: what is cut off, or follows the array, is no row.
            self._is_over = True
            faulty = self._end()
            if not faulty:
                return None
        texts = [self._text[start:end] for start, end in spans]
        lengths = np.array([len(text) for text in texts], np.int64)
        starts = np.concatenate(([0], np.cumsum(lengths + 1))).astype(np.int64)[: len(texts)]
        joined = "\n".join(text.replace("\n", " ") for text in texts) + "\n"
        offsets = np.array([self._offset + start for start, _ in spans], np.int64)
        data = joined.encode("latin-1")
        numbers = np.array(lines, np.int64)
        return Records(self._path, data, starts, lengths, numbers, offsets, faulty)

    def _end(self) -> list[FaultyLine]:
        if not self._closes():
            end = self._text[-1000:].rstrip().encode("latin-1")[-MOST_CHARACTERS:]
            return [FaultyLine(self._path, self._element + 1, "cut_off", shown(end))]
        self._at += 1
        while not self._is_all and not self._text[self._at :].strip():
            self._fill(len(self._text))
        after = self._text[self._at :].strip()
        if not after:
            return []
        text = shown(after[:1000].encode("latin-1"))
        return [FaultyLine(self._path, self._element + 1, "after_array", text)]

    def _closes(self) -> bool:
        return self._at < len(self._text) and self._text[self._at] == "]"

    def _fill(self, begin: int) -> None:
        """Drop what is read, and read on."""
        self._text, self._at = self._text[begin:], 0
        self._offset += begin
        offset, piece = next(self._pieces, (0, b""))
        if not self._text:
            self._offset = offset
        self._text += piece.decode("latin-1")
        self._is_all = not piece

    def _end_of_element(self) -> int | None:
        try:
            _, end = self._decode(self._text, self._at)
        except (json.JSONDecodeError, RecursionError):
            return None
        # A number at the end of what was read may go on.
        return end if end < len(self._text) or self._is_all else None

    def _fault(self) -> FaultyLine:
        text = self._text[self._at : self._at + 1000].encode("latin-1")
        return FaultyLine(self._path, self._element, "malformed_json", shown(text))

    def _next_element(self) -> int:
        match = _NEXT_ELEMENT.search(self._text, self._at)
        return match.end() if match else len(self._text)
