"""Take-down lists: which ids are to be removed, from options and from tables.

An id is text, whatever it looks like: `007` and `1e5` stay as they stand in the table.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from internvid.core.errors import ConfigInvalidError, MisuseError, SourceMissingError
from internvid.dataset.removal.resolving import Wanted
from internvid.dataset.removal.tombstones import KINDS, SOURCE, URI, VIDEO
from internvid.dataset.sources.uris import path_to_uri

ANY = "id"
_VIDEO_ID = re.compile(r"[0-9a-f]{32}")
_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".txt")
Cell = tuple[int, str, Any]
"""Line, kind of id (`ANY` where the table does not say) and value."""


@dataclass(frozen=True)
class RemovalRequest:
    """Which videos are to be removed.

    Attributes:
        videos, sources, uris: ids.
        tables: files of ids: csv, tsv, jsonl or parquet with columns `video_id`, `source_id` or
            `uri`, or txt with one id of any kind a line.
        ignores_missing: ids of which the dataset has nothing are no error; they are refused by
            later builds all the same.
    """

    videos: Sequence[str] = ()
    sources: Sequence[str] = ()
    uris: Sequence[str] = ()
    tables: Sequence[Path] = field(default=())
    ignores_missing: bool = False

    def __bool__(self) -> bool:
        return bool(self.videos or self.sources or self.uris or self.tables)

    def wanted(self) -> list[Wanted]:
        """Every requested id, each once.

        Raises:
            MisuseError: one cannot be an id; nothing of the request is to be done then.
            ConfigInvalidError: a table cannot be read, or has none of the columns.
            SourceMissingError: a table is not there.
        """
        here = Path.cwd()
        given = ((VIDEO, self.videos), (SOURCE, self.sources), (URI, self.uris))
        found = [
            _wanted(kind, text, here, is_listed=self.ignores_missing)
            for kind, texts in given
            for text in texts
        ]
        for path in self.tables:
            folder = path.absolute().parent
            for line, kind, value in read_id_table(path):
                text = _text(path, line, value)
                try:
                    found.append(_wanted(kind, text, folder, is_listed=True))
                except MisuseError as error:
                    raise MisuseError(f"{path}, line {line}: {error.message}",
                                      hint=error.hint) from error  # fmt: skip
        return list(dict.fromkeys(found))


def _wanted(kind: str, text: Any, folder: Path, *, is_listed: bool) -> Wanted:
    """What a text may mean.

    Args:
        kind: of the id, or `ANY`.
        text: the id; a path is its text.
        folder: where a relative path may begin, beside the current folder.
        is_listed: see `Wanted`.
    """
    if isinstance(text, os.PathLike):
        text = os.fspath(text)
    if not isinstance(text, str):
        raise MisuseError(f"{text!r} is no id", hint="ids are texts: '7', and not 7")
    if not text.strip() or "\0" in text:
        raise MisuseError(f"{text!r} is no id", hint="ids are not empty")
    lowered = text.strip().lower()
    if kind == VIDEO and not _VIDEO_ID.fullmatch(lowered):
        raise MisuseError(
            f"{text!r} is no video id (32 hex digits)",
            hint="internvid show DATASET CLIP_ID names the video of a clip; --source and --uri "
            "take other ids",
        )
    ids: list[tuple[str, str]] = []
    if kind in (VIDEO, ANY) and _VIDEO_ID.fullmatch(lowered):
        ids.append((VIDEO, lowered))
    if kind in (SOURCE, ANY):
        ids.append((SOURCE, text))
    if kind in (URI, ANY):
        ids.append((URI, text))
        if "://" not in text and (kind == URI or os.sep in text or Path(text).suffix):
            ids += [(URI, path_to_uri(text)), (URI, path_to_uri(str(folder / text)))]
    return Wanted(text, tuple(dict.fromkeys(ids)), is_listed)


def read_id_table(path: Path) -> Iterator[Cell]:
    """The ids in a table, with their lines; empty cells are none.

    Raises:
        SourceMissingError: there is no such file.
        ConfigInvalidError: it cannot be read, or has none of the columns.
    """
    if not path.is_file():
        raise SourceMissingError(
            f"there is no file {path}", hint=f"tables are {', '.join(_SUFFIXES)}"
        )
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise ConfigInvalidError(
            f"{path} is no table of ids: its suffix is {suffix or 'missing'}",
            hint=f"tables are {', '.join(_SUFFIXES)}; txt has one id a line",
        )
    try:
        if suffix == ".parquet":
            yield from _parquet(path)
        elif suffix in (".jsonl", ".ndjson"):
            yield from _json_lines(path)
        elif suffix == ".txt":
            yield from _lines(path)
        else:
            yield from _csv(path, "\t" if suffix == ".tsv" else ",")
    except (pa.ArrowException, csv.Error, UnicodeDecodeError, OSError) as error:
        raise ConfigInvalidError(f"{path} cannot be read as a table: {error}") from error


def _lines(path: Path) -> Iterator[Cell]:
    with path.open(encoding="utf-8-sig", newline=None) as file:
        for line, text in enumerate(file, 1):
            if text.strip():
                yield line, ANY, text.strip()


def _csv(path: Path, delimiter: str) -> Iterator[Cell]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        header = next(reader, [])
        _check_columns(path, header)
        for cells in reader:
            if cells and len(cells) != len(header):
                raise ConfigInvalidError(
                    f"{path}, line {reader.line_num}: {len(cells)} cells, "
                    f"the header has {len(header)}"
                )
            yield from _cells(reader.line_num, dict(zip(header, cells, strict=False)))


def _json_lines(path: Path) -> Iterator[Cell]:
    with path.open("rb") as file:
        for line, data in enumerate(file, 1):
            if not data.strip():
                continue
            try:
                # A number keeps its digits.
                row = json.loads(data, parse_int=str, parse_float=str)
            except (ValueError, RecursionError) as error:
                raise ConfigInvalidError(f"{path}, line {line}: no JSON: {error}") from error
            if isinstance(row, str):
                yield line, ANY, row
                continue
            if not isinstance(row, dict):
                raise ConfigInvalidError(f"{path}, line {line}: no JSON object, and no text")
            _check_columns(path, row)
            yield from _cells(line, row)


def _parquet(path: Path) -> Iterator[Cell]:
    with pq.ParquetFile(path) as file:
        names = [name for name in file.schema_arrow.names if name in KINDS]
        _check_columns(path, file.schema_arrow.names)
        line = 0
        for batch in file.iter_batches(columns=names):
            for row in batch.to_pylist():
                line += 1
                yield from _cells(line, row)


def _check_columns(path: Path, names: Iterable[str]) -> None:
    names = list(names)
    for kind in KINDS:
        if names.count(kind) > 1:
            raise ConfigInvalidError(
                f"{path} has two columns {kind!r}", hint="rename or remove one of them"
            )
    if not set(names) & set(KINDS):
        raise ConfigInvalidError(
            f"{path} has none of the columns {', '.join(KINDS)}; "
            f"it has: {', '.join(map(str, names)) or 'none'}",
            hint="a list without a header is a .txt file with one id a line",
        )


def _cells(line: int, row: Mapping[str, Any]) -> Iterator[Cell]:
    for kind in KINDS:
        value = row.get(kind)
        if value is not None and value != "":
            yield line, kind, value


def _text(path: Path, line: int, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ConfigInvalidError(
            f"{path}, line {line}: {value!r} is no id", hint="ids are texts or whole numbers"
        )
    return str(value)
