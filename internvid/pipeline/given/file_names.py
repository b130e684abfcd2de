"""Which file a row of a table is about: by its path, or by the id that a file is named by."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from internvid.core.errors import SourceMissingError
from internvid.dataset.duckdb_connection import quoted
from internvid.dataset.sources.uris import path_to_uri
from internvid.pipeline.sources import MEDIA_SUFFIXES

if TYPE_CHECKING:
    import duckdb

_NAMES = pa.schema([("name", pa.string()), ("uri", pa.string())])
_ROWS = 65_536
_PREFIXED = re.compile("v_[A-Za-z0-9_-]{11}")


def write_file_index(folder: Path, out: Path) -> int:
    """Write the media files below a folder as a table of `name` (the stem) and `uri`.

    Of several files with one stem the first by its path counts.

    Returns:
        How many files there are.

    Raises:
        SourceMissingError: it is no folder, or holds no media file.
    """
    if not folder.is_dir():
        raise SourceMissingError(
            f"{folder} is no folder", hint="name the folder in which the videos lie"
        )
    count = 0
    with pq.ParquetWriter(out, _NAMES) as writer:
        for paths in _portions(_media_files(folder)):
            uris = [path_to_uri(path) for path in paths]
            names = [os.path.splitext(os.path.basename(uri))[0] for uri in uris]
            count += len(paths)
            # ActivityNet calls the file of the id `ID` `v_ID`.
            more = [at for at, name in enumerate(names) if _PREFIXED.fullmatch(name)]
            names += [names[at].removeprefix("v_") for at in more]
            uris += [uris[at] for at in more]
            writer.write_table(_table(names, uris))
    if not count:
        raise SourceMissingError(
            f"no media files below {folder}", hint="name the folder in which the videos lie"
        )
    return count


@dataclass(frozen=True)
class NamePlaces:
    """Where a relative name of a file is looked up: here first, then in the current folder.

    Attributes:
        folder: of the table.
        video_folder: of the videos, which is the second place. Where there is one, a name without a
            file is left out, because the row may name its file by an id; else it keeps its uri, to
            become a failed source.
        base: what names begin with that lie in the folder: where an export was to lie.
    """

    folder: Path
    video_folder: Path | None = None
    base: str = ""

    def resolved(self, name: str) -> str | None:
        """The uri of a name; None where it has none."""
        name = name.removeprefix(self.base)
        if "://" in name:
            is_kept = self.video_folder is None or name.startswith("file://")
            return name if is_kept else None
        # Millions of names: paths as objects would be most of the work.
        beside = os.path.join(self.folder, name)
        second = name if self.video_folder is None else os.path.join(self.video_folder, name)
        for path in (beside, second, name):
            if os.path.exists(path):
                return path_to_uri(path)
        return path_to_uri(beside) if self.video_folder is None else None


def write_resolved_names(
    connection: duckdb.DuckDBPyConnection,
    rows: Path,
    out: Path,
    places: NamePlaces,
) -> None:
    """Write which uri each name of a file in a table stands for: `name`, `uri`.

    Args:
        connection: to read `rows` with.
        rows: Parquet with a column `name`.
        out: to write.
        places: where names are looked up.
    """
    # One connection runs one query: what streams is read by a cursor of its own.
    with closing(connection.cursor()) as cursor, pq.ParquetWriter(out, _NAMES) as writer:
        query = f"select distinct name from read_parquet({quoted([rows])}) where name is not null"
        for batch in cursor.sql(query).to_arrow_reader(_ROWS):
            names = batch.column(0).to_pylist()
            uris = [places.resolved(name) for name in names]
            writer.write_table(
                pa.Table.from_arrays([pa.array(names), pa.array(uris)], schema=_NAMES)
            )


def _table(names: list[str], uris: list[str | None] | list[str]) -> pa.Table:
    columns = [pa.array(each, pa.string()) for each in (names, uris)]
    return pa.Table.from_arrays(columns, schema=_NAMES)


def _media_files(folder: Path) -> Iterator[str]:
    """Media files of a folder and of those below it, by name; hidden ones are left out."""
    for root, folders, files in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in MEDIA_SUFFIXES:
                yield os.path.join(root, name)


def _portions(paths: Iterator[str]) -> Iterator[list[str]]:
    held: list[str] = []
    for path in paths:
        held.append(path)
        if len(held) == _ROWS:
            yield held
            held = []
    if held:
        yield held
