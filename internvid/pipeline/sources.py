"""What the user points at, as one sorted table of sources."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from internvid.core.errors import ConfigInvalidError, SourceMissingError
from internvid.dataset.layout import RECORD
from internvid.dataset.tables import VIDEO_SCHEMA
from internvid.dataset.uris import path_to_uri, uri_to_path

_MEDIA_NAMES = """
mp4 m4v mov mkv webm avi flv f4v wmv asf mpg mpeg m2v ts m2ts mts vob 3gp 3g2 ogv ogg ogm gif mxf
dv rm rmvb divx y4m h264 264 h265 hevc av1 ivf obu nut m3u8
"""
MEDIA_SUFFIXES = frozenset(f".{name}" for name in _MEDIA_NAMES.split())
TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"})
_RESERVED = frozenset(name for name in VIDEO_SCHEMA.names if name not in ("uri", "source_id"))


def size_of(uri: str) -> int:
    """Bytes of a source, 0 where it cannot be told."""
    try:
        return uri_to_path(uri).stat().st_size
    except (OSError, ConfigInvalidError):
        return 0


def find_sources(inputs: Sequence[str]) -> pa.Table:
    """Every source the inputs name, sorted by uri, each uri once.

    Args:
        inputs: files, folders (searched for media files), glob patterns, and tables
            (csv, tsv, jsonl, parquet) with a `uri` column; their other columns come along.

    Returns:
        A table with `uri` (string) first.

    Raises:
        SourceMissingError: an input names nothing.
        ConfigInvalidError: a table cannot be read or has no `uri`.
    """
    tables: list[pa.Table] = []
    paths: list[str] = []
    for text in inputs:
        if os.path.isdir(text):
            paths.extend(_files_below(text))
        elif os.path.isfile(text):
            if Path(text).suffix.lower() in TABLE_SUFFIXES:
                tables.append(_read_table(Path(text)))
            else:
                paths.append(text)
        else:
            for found in _matches(text):
                is_table = Path(found).suffix.lower() in TABLE_SUFFIXES
                tables += [_read_table(Path(found))] if is_table else []
                paths += [] if is_table else [found]
    tables.append(pa.table({"uri": pa.array([path_to_uri(path) for path in paths], pa.string())}))
    try:
        merged = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowInvalid as error:
        raise ConfigInvalidError(f"the tables do not fit together: {error}") from error
    if not merged.num_rows:
        raise SourceMissingError(
            f"{', '.join(inputs)}: a table without rows names no source",
            hint="give it one row a video, with a uri column",
        )
    merged = merged.filter(_first_of_each(merged.column("uri").to_pylist()))
    return merged.take(pc.sort_indices(merged, sort_keys=[("uri", "ascending")]))


def _first_of_each(uris: list[str]) -> pa.Array:
    seen: set[str] = set()
    keep = []
    for uri in uris:
        keep.append(uri not in seen)
        seen.add(uri)
    return pa.array(keep, pa.bool_())


def _files_below(folder: str) -> list[str]:
    found = []
    for root, folders, files in os.walk(folder):
        # A dataset among the videos is no source of videos, least of all the one being made.
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and not os.path.exists(os.path.join(root, name, RECORD))
        ]
        found += [
            os.path.join(root, name)
            for name in files
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in MEDIA_SUFFIXES
        ]
    if not found:
        if os.path.exists(os.path.join(folder, RECORD)):
            raise SourceMissingError(
                f"{folder} is a dataset, not a folder of videos",
                hint="name the videos that it was made of",
            )
        raise SourceMissingError(
            f"no media files below {folder}",
            hint="name files of other suffixes directly, or with a glob pattern",
        )
    return found


def _matches(pattern: str) -> list[str]:
    found = [path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path)]
    if found:
        return found
    if "://" in pattern:
        uri_to_path(pattern)
    if os.path.exists(pattern):
        raise SourceMissingError(
            f"{pattern} is neither a file nor a folder",
            hint="pipes and devices cannot be read twice; write the video to a file first",
        )
    raise SourceMissingError(
        f"{pattern} does not exist and matches nothing",
        hint="give files, folders, glob patterns, or a table with a uri column",
    )


def _read_table(path: Path) -> pa.Table:
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            table = pq.read_table(path)
        elif suffix in (".jsonl", ".ndjson"):
            table = pyarrow.json.read_json(path)
        else:
            delimiter = "\t" if suffix == ".tsv" else ","
            options = pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
            # A name may look like a number.
            convert = pyarrow.csv.ConvertOptions(column_types={"uri": pa.string()})
            table = pyarrow.csv.read_csv(path, parse_options=options, convert_options=convert)
    except (pa.ArrowInvalid, OSError) as error:
        raise ConfigInvalidError(f"{path} cannot be read as a table: {error}") from error
    if "uri" not in table.column_names:
        raise ConfigInvalidError(
            f"{path} has no column `uri`; it has: {', '.join(table.column_names)}",
            hint="name the column that holds paths `uri`",
        )
    if len(set(table.column_names)) != len(table.column_names):
        raise ConfigInvalidError(f"{path} names a column twice: {', '.join(table.column_names)}")
    table = table.set_column(
        table.column_names.index("uri"), "uri", table.column("uri").cast(pa.string())
    )
    uris = [_resolved(uri, path.parent) for uri in table.column("uri").to_pylist()]
    names = [f"meta_{name}" if name in _RESERVED else name for name in table.column_names]
    table = table.rename_columns(names)
    return table.set_column(names.index("uri"), "uri", pa.array(uris, pa.string()))


def _resolved(uri: object, folder: Path) -> str:
    if not isinstance(uri, str) or not uri:
        raise ConfigInvalidError(f"a table row has no usable uri: {uri!r}")
    if "://" in uri:
        return uri
    beside = os.path.join(folder, uri)
    return path_to_uri(beside if os.path.exists(beside) or not os.path.exists(uri) else uri)
