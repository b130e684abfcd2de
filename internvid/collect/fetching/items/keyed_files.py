"""Files that are no tables: annotations keyed by the name of a video, and plain lists of addresses.

| file | form |
|---|---|
| ActivityNet Captions | `{id: {duration, timestamps: [[s, e]], sentences: [text]}}` |
| YouCook2, ActivityNet | `{database: {id: {annotations: [{segment: [s, e], sentence}], url}}}` |
| HowTo100M | `{id: {start: [s], end: [e], text: [text]}}` |
| a list | `.txt`, one address or id a line |

They become a table of the layout `own`, read piece by piece: HowTo100M's has gigabytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from internvid.core.errors import DatasetFormatError
from internvid.dataset.parts import storage_errors

_SCHEMA = pa.schema(
    [
        ("source_id", pa.string()),
        ("url", pa.string()),
        ("start_seconds", pa.float64()),
        ("end_seconds", pa.float64()),
        ("caption", pa.string()),
    ]
)
_PIECE = 1 << 20
_MOST_ENTRY = 64 << 20
_GROUP_ROWS = 1 << 15
_OUTER = frozenset({"database", "annotations", "videos"})
Row = tuple[str | None, str | None, float | None, float | None, str | None]


def as_table(path: Path, scratch: Path) -> Path:
    """The file itself where it is a table, else what it becomes as one, in `scratch`.

    Raises:
        DatasetFormatError: it begins as such a file, and breaks off.
        StorageError: the disk is full.
    """
    if not path.is_file():
        return path
    if path.suffix.lower() == ".txt":
        rows = _listed(path)
    elif path.suffix.lower() == ".json" and _is_keyed(path):
        rows = _keyed(path)
    else:
        return path
    with storage_errors(scratch):
        scratch.mkdir(parents=True, exist_ok=True)
        # The process's number: folders of scratch files may be shared.
        target = scratch / f"keyed-{os.getpid()}.parquet"
        with pq.ParquetWriter(target, _SCHEMA) as writer:
            group: list[Row] = []
            for row in rows:
                group.append(row)
                if len(group) == _GROUP_ROWS:
                    writer.write_table(_group(group))
                    group = []
            writer.write_table(_group(group))
    return target


def _group(rows: list[Row]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(_SCHEMA)
    arrays = [pa.array(each, field.type) for each, field in zip(columns, _SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=_SCHEMA)


def _listed(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for line in file:
            text = line.strip()
            is_address = "://" in text or text.startswith("www.")
            if text and not text.startswith("#"):
                identity, address = (None, text) if is_address else (text, None)
                yield identity, address, None, None, None


def _is_keyed(path: Path) -> bool:
    """Whether a file is one object with an object a video, and not an object a line."""
    with path.open("rb") as file:
        begin = file.read(1 << 16).lstrip(b"\xef\xbb\xbf \t\r\n")
    if not begin.startswith(b"{"):
        return False
    first, newline, rest = begin.partition(b"\n")
    if newline and rest.strip():
        try:
            json.loads(first)
        except ValueError:
            return True
        return False
    inner = begin[1:].partition(b":")[2].lstrip()
    return inner.startswith(b"{")


def _keyed(path: Path) -> Iterator[Row]:
    for name, entry in _entries(path):
        if not isinstance(entry, Mapping):
            continue
        source_id = name.removeprefix("v_")
        url = next((entry[key] for key in ("url", "video_url") if _is_text(entry.get(key))), None)
        spans = list(_spans(entry))
        for start, end, text in spans or [(None, None, None)]:
            yield source_id, url, start, end, text


def _spans(entry: Mapping[str, Any]) -> Iterator[tuple[float | None, float | None, str | None]]:
    annotations = entry.get("annotations")
    if isinstance(annotations, list):
        for each in annotations:
            if isinstance(each, Mapping):
                yield (*_pair(each.get("segment")), _text(each.get("sentence", each.get("label"))))
        return
    times, texts = entry.get("timestamps"), entry.get("sentences")
    if times is None and isinstance(entry.get("start"), list):
        starts, ends = entry["start"], entry.get("end")
        times = list(zip(starts, ends, strict=False)) if isinstance(ends, list) else None
        texts = entry.get("text")
    if isinstance(times, list) and isinstance(texts, list):
        for span, text in zip(times, texts, strict=False):
            yield (*_pair(span), _text(text))


def _pair(span: Any) -> tuple[float | None, float | None]:
    if isinstance(span, (list, tuple)) and len(span) == 2:
        numbers = [each for each in span if type(each) in (int, float)]
        if len(numbers) == 2:
            return float(numbers[0]), float(numbers[1])
    # No span rather than a wrong one: the row is set aside as one of no time, or of half a time.
    return None, None


def _text(value: Any) -> str | None:
    return " ".join(value.split()) if isinstance(value, str) else None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _entries(path: Path) -> Iterator[tuple[str, Any]]:
    """Keys and values of the outer object, or of the one within it that has the videos."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        reader = _Reader(path, file)
        reader.expect("{")
        while not reader.begins("}"):
            key = str(reader.value())
            reader.expect(":")
            if key in _OUTER and reader.begins("{"):
                reader.expect("{")
                continue
            yield key, reader.value()
            if reader.begins(","):
                reader.expect(",")


class _Reader:
    """JSON values of a file, one after another."""

    def __init__(self, path: Path, file: Any) -> None:
        self._path, self._file = path, file
        self._text, self._at = "", 0
        self._decode = json.JSONDecoder(strict=False).raw_decode

    def begins(self, mark: str) -> bool:
        """Whether this comes next; blanks are passed over."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at] == mark
            if not self._more():
                raise self._broken()

    def expect(self, mark: str) -> None:
        """Pass over this."""
        if not self.begins(mark):
            raise self._broken()
        self._at += 1

    def value(self) -> Any:
        """The next value."""
        self.begins("")
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except ValueError:
                end = len(self._text)
                value = None
            # A number may go on in the next piece.
            if end < len(self._text):
                self._at = end
                return value
            if len(self._text) - self._at > _MOST_ENTRY or not self._more():
                raise self._broken()

    def _more(self) -> bool:
        piece = self._file.read(max(_PIECE, len(self._text) - self._at))
        self._text, self._at = self._text[self._at :] + piece, 0
        return bool(piece)

    def _broken(self) -> DatasetFormatError:
        begin = self._text[self._at : self._at + 60]
        return DatasetFormatError(
            f"{self._path} is not whole JSON: it breaks off at {begin!r}",
            hint="fetch it again, or restore it from a copy",
        )
