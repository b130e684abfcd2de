"""What the user points at, as one sorted table of sources."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from internvid.core.errors import ConfigInvalidError, SourceMissingError
from internvid.dataset.tables import VIDEO_SCHEMA

_MEDIA_NAMES = """
mp4 m4v mov mkv webm avi flv f4v wmv asf mpg mpeg m2v ts m2ts mts vob 3gp 3g2 ogv ogg ogm gif mxf
dv rm rmvb divx y4m h264 264 h265 hevc av1 ivf obu nut m3u8
"""
MEDIA_SUFFIXES = frozenset(f".{name}" for name in _MEDIA_NAMES.split())
TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"})
_RESERVED = frozenset(name for name in VIDEO_SCHEMA.names if name not in ("uri", "source_id"))


def path_to_uri(path: str) -> str:
    """How a local path stands in the dataset: absolute; as file:// when it is not Unicode."""
    absolute = os.path.abspath(path)
    try:
        absolute.encode("utf-8")
    except UnicodeEncodeError:
        return "file://" + quote_from_bytes(os.fsencode(absolute))
    return absolute


def uri_to_path(uri: str) -> Path:
    """The local file of a uri.

    Raises:
        ConfigInvalidError: a remote scheme; remote sources are fetched before a build.
    """
    if uri.startswith("file://"):
        return Path(os.fsdecode(unquote_to_bytes(uri.removeprefix("file://"))))
    scheme = urlsplit(uri).scheme if "://" in uri else ""
    if scheme:
        raise ConfigInvalidError(
            f"{scheme}:// sources cannot be read directly: {uri}",
            hint="download them first and build from the local files",
        )
    return Path(uri)


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
            paths.extend(_matches(text))
    tables.append(pa.table({"uri": pa.array([path_to_uri(path) for path in paths], pa.string())}))
    try:
        merged = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowInvalid as error:
        raise ConfigInvalidError(f"the tables do not fit together: {error}") from error
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
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            os.path.join(root, name)
            for name in files
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in MEDIA_SUFFIXES
        ]
    if not found:
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
            table = pyarrow.csv.read_csv(path, parse_options=options)
    except pa.ArrowInvalid as error:
        raise ConfigInvalidError(f"{path} cannot be read as a table: {error}") from error
    if "uri" not in table.column_names:
        raise ConfigInvalidError(
            f"{path} has no column `uri`; it has: {', '.join(table.column_names)}",
            hint="name the column that holds paths `uri`",
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
    beside = folder / uri
    return path_to_uri(os.fspath(beside if beside.exists() or not os.path.exists(uri) else uri))
