"""Spans of files with their captions, as columns; each a `FileClip` while it is looked at."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import pyarrow as pa

from internvid.core.types import TimeSpan
from internvid.training.data.clip_columns import ROWS, MappedTable, Strings, TableBuilder
from internvid.training.data.samples import ClipTable

SCHEMA = pa.schema(
    [
        ("clip_id", pa.large_string()),
        ("path", pa.large_binary()),
        ("caption", pa.large_string()),
        ("start_seconds", pa.float64()),
        ("end_seconds", pa.float64()),
        ("source", pa.large_string()),
        ("label", pa.large_string()),
        ("video", pa.large_string()),
    ]
)
"""One row a clip: `path` as the system's bytes; `label` is the source, or the path where
none is given; `video` names file and span, so that equal clips are known."""

_READ = ("path", "caption", "start_seconds", "end_seconds", "source")


@dataclass(frozen=True)
class FileClip:
    """A span of a file with its caption; the whole file, or folder of frames, without one."""

    path: Path
    caption: str
    span: TimeSpan | None = None
    source: str = ""


class FileList(Sequence[FileClip]):
    """Clips of files that cost no Python object each.

    In memory it is pickled as its columns; written to a file and mapped from there, as its path.

    Args:
        table: the columns of `SCHEMA`.
    """

    def __init__(self, table: MappedTable | pa.Table) -> None:
        self._table = table

    @classmethod
    def of(cls, clips: Iterable[FileClip]) -> FileList:
        """The clips, in memory."""
        return cls(pa.Table.from_batches(_built(clips).batches(), SCHEMA))

    @classmethod
    def written(cls, clips: Iterable[FileClip], path: Path) -> FileList:
        """The clips, written to a file and mapped from there.

        Raises:
            StorageError: it cannot be written.
        """
        _built(clips).write(path)
        return cls(MappedTable(path))

    @overload
    def __getitem__(self, at: int) -> FileClip: ...
    @overload
    def __getitem__(self, at: slice) -> list[FileClip]: ...
    def __getitem__(self, at: int | slice) -> FileClip | list[FileClip]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        place = at + len(self) if at < 0 else at
        if not 0 <= place < len(self):
            raise IndexError(f"{at} of {len(self)}")
        path, caption, start, end, source = self._row(place)
        span = None if end is None else TimeSpan(start, end)
        return FileClip(Path(os.fsdecode(path)), caption, span, source)

    def _row(self, at: int) -> list[Any]:
        if isinstance(self._table, MappedTable):
            return self._table.row(at, _READ)
        return [self._table.column(name)[at].as_py() for name in _READ]

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[FileClip]:
        return (self[at] for at in range(len(self)))

    def table(self) -> ClipTable:
        """Names, captions, sources and equal clips."""
        return ClipTable(
            clip_ids=self._strings("clip_id"),
            captions=self._strings("caption"),
            sources=self._strings("label"),
            videos=self._strings("video"),
        )

    def _strings(self, name: str) -> Strings:
        if isinstance(self._table, MappedTable):
            return self._table.strings(name)
        return Strings(self._table.column(name).chunks)


def _built(clips: Iterable[FileClip]) -> TableBuilder:
    made = TableBuilder(SCHEMA)
    for clip in clips:
        path, span = os.fsencode(clip.path), clip.span
        start, end = (None, None) if span is None else (span.start_seconds, span.end_seconds)
        # Names may hold bytes that are no text; labels only have to differ where those do.
        shown = path.decode(errors="backslashreplace")
        video = shown if span is None else f"{shown}#{start!r}-{end!r}"
        name = f"{os.path.basename(shown)}#{made.rows}"
        made.add(name, path, clip.caption, start, end, clip.source, clip.source or shown, video)
    return made


def list_key(*parts: str, files: Iterable[Path] = ()) -> str:
    """A name for what is made of some files: changes with their bytes and with the other parts."""
    digest = hashlib.blake2b(digest_size=12)
    for text in (*parts, str(ROWS), str(SCHEMA)):
        digest.update(text.encode(errors="surrogateescape") + b"\0")
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()
