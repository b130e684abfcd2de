"""The bytes of text files, decompressed, in blocks of whole lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from internvid.core.errors import DatasetFormatError, MisuseError, StorageError
from internvid.curate.tables.faults import MOST_CHARACTERS, FaultyLine
from internvid.curate.tables.files import packing_of

BLOCK_BYTES = 8 << 20
MOST_LINE_BYTES = 16 << 20
_MARK = b"\xef\xbb\xbf"
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Block:
    """Whole lines of a file.

    Attributes:
        data: the lines, each ended by a newline.
        line: number of the first, from 1.
        offset: where it begins in the decompressed file.
        faulty: lines before it that were too long to be read.
    """

    data: bytes
    line: int
    offset: int
    faulty: tuple[FaultyLine, ...] = ()


def shown(text: bytes) -> str:
    """The beginning of a line, for a person."""
    return text[: 4 * MOST_CHARACTERS].decode("utf-8", "replace").rstrip("\r\n")[:MOST_CHARACTERS]


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A file's decompressed bytes, with `read(bytes)`.

    Raises:
        DatasetFormatError: it cannot be decompressed.
        StorageError: it cannot be read.
    """
    try:
        with pa.OSFile(str(path), "rb") as raw:
            packing = packing_of(path)
            yield raw if packing is None else pa.CompressedInputStream(raw, packing)
    except PermissionError as error:
        raise StorageError(f"cannot read {path}: permission denied", hint="allow it") from error
    except (OSError, pa.ArrowException) as error:
        raise DatasetFormatError(
            f"{path} is damaged: {str(error).strip().splitlines()[0]}",
            hint="fetch or pack the file again",
        ) from error


def read_pieces(path: Path, progress: Progress | None = None) -> Iterator[tuple[int, bytes]]:
    """A file's bytes from its first character on: where each piece begins, and the piece.

    Args:
        path: plain, gzip or zstd by its name.
        progress: called with the bytes of every piece; what they are once decompressed.

    Raises:
        MisuseError: it is text in UTF-16.
    """
    with opened(path) as stream:
        offset = 0
        while piece := stream.read(BLOCK_BYTES):
            if progress is not None:
                progress(len(piece))
            if not offset and piece.startswith(_WIDE_MARKS):
                raise MisuseError(f"{path} is UTF-16", hint="convert it to UTF-8, with iconv")
            if not offset and piece.startswith(_MARK):
                piece, offset = piece[len(_MARK) :], len(_MARK)
            yield offset, piece
            offset += len(piece)


def read_blocks(path: Path, progress: Progress | None = None) -> Iterator[Block]:
    """The lines of a file, some megabytes at a time; lines over 16 MiB are left out."""
    held: list[bytes] = []
    line, begins, is_skipping = 1, 0, False
    faulty: list[FaultyLine] = []
    for offset, piece in read_pieces(path, progress):
        if not held:
            begins = offset
        start = 0
        if is_skipping:
            start = piece.find(b"\n") + 1
            if not start:
                continue
            begins, line, is_skipping = offset + start, line + 1, False
        end = piece.rfind(b"\n") + 1
        if end <= start:
            held.append(piece[start:])
            if sum(map(len, held)) > MOST_LINE_BYTES:
                faulty.append(FaultyLine(path, line, "too_long", shown(b"".join(held))))
                held, is_skipping = [], True
            continue
        data = b"".join((*held, piece[start:end]))
        yield Block(data, line, begins, tuple(faulty))
        line, begins = line + data.count(b"\n"), begins + len(data)
        held, faulty = [piece[end:]] if piece[end:] else [], []
    if held or faulty:
        last = b"".join(held)
        yield Block(last + b"\n" if last else b"", line, begins, tuple(faulty))
