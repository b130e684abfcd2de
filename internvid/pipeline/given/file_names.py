"""Which file a row of a table is about: by its path, or by the id that a file is named by."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
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
            writer.write_table(
                pa.Table.from_arrays([pa.array(names), pa.array(uris)], schema=_NAMES)
            )
            count += len(paths)
    if not count:
        raise SourceMissingError(
            f"no media files below {folder}", hint="name the folder in which the videos lie"
        )
    return count


def write_resolved_names(
    connection: duckdb.DuckDBPyConnection,
    rows: Path,
    out: Path,
    folder: Path,
    video_folder: Path | None,
) -> None:
    """Write which uri each name of a file in a table stands for: `name`, `uri`.

    A relative name is looked up beside the table first, then in the folder of the videos, then in
    the current one.

    Args:
        connection: to read `rows` with.
        rows: Parquet with a column `name`.
        out: to write.
        folder: of the table.
        video_folder: of the videos. Where there is one, a name without a file is left out, because
            the row may name its file by an id; else it keeps its uri, to become a failed source.
    """
    # One connection runs one query: what streams is read by a cursor of its own.
    with closing(connection.cursor()) as cursor, pq.ParquetWriter(out, _NAMES) as writer:
        query = f"select distinct name from read_parquet({quoted([rows])}) where name is not null"
        for batch in cursor.sql(query).to_arrow_reader(_ROWS):
            names = batch.column(0).to_pylist()
            uris = [_resolved(name, folder, video_folder) for name in names]
            writer.write_table(
                pa.Table.from_arrays([pa.array(names), pa.array(uris)], schema=_NAMES)
            )


def _table(names: list[str], uris: list[str | None] | list[str]) -> pa.Table:
    columns = [pa.array(each, pa.string()) for each in (names, uris)]
    return pa.Table.from_arrays(columns, schema=_NAMES)


def _resolved(name: str, folder: Path, video_folder: Path | None) -> str | None:
    if "://" in name:
        return name if video_folder is None or name.startswith("file://") else None
    # Millions of names: paths as objects would be most of the work.
    beside = os.path.join(folder, name)
    for path in (beside, name if video_folder is None else os.path.join(video_folder, name), name):
        if os.path.exists(path):
            return path_to_uri(path)
    return path_to_uri(beside) if video_folder is None else None


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
