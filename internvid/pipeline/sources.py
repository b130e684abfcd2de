"""What the user points at, as one sorted table of sources."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from internvid.core.errors import ConfigInvalidError, SourceMissingError
from internvid.dataset.layout import RECORD
from internvid.dataset.metadata import join_kinds, kinds_of, rows_to_json
from internvid.dataset.tables import SOURCE_SCHEMA
from internvid.dataset.uris import path_to_uri, uri_to_path

_MEDIA_NAMES = """
mp4 m4v mov mkv webm avi flv f4v wmv asf mpg mpeg m2v ts m2ts mts vob 3gp 3g2 ogv ogg ogm gif mxf
dv rm rmvb divx y4m h264 264 h265 hevc av1 ivf obu nut m3u8
"""
MEDIA_SUFFIXES = frozenset(f".{name}" for name in _MEDIA_NAMES.split())
TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"})
_ASKED = pa.schema([field for field in SOURCE_SCHEMA if field.name != "known_in"])


@dataclass(frozen=True)
class Sources:
    """What the inputs of a build name.

    Attributes:
        table: `uri`, sorted, each once; `source_id` and `metadata` (JSON text), null where no table
            says anything.
        kinds: key of the metadata -> SQL type of its values.
        notes: sentences about what was passed over.
    """

    table: pa.Table
    kinds: dict[str, str]
    notes: tuple[str, ...] = ()


def size_of(uri: str) -> int:
    """Bytes of a source, 0 where it cannot be told."""
    try:
        return uri_to_path(uri).stat().st_size
    except (OSError, ConfigInvalidError):
        return 0


def find_sources(inputs: Sequence[str]) -> Sources:
    """Every source the inputs name, sorted by uri, each uri once.

    Args:
        inputs: files, folders (searched for media files), glob patterns, and tables
            (csv, tsv, jsonl, parquet) with a `uri` column; their other columns are metadata.

    Raises:
        SourceMissingError: an input names nothing.
        ConfigInvalidError: a table cannot be read or has no `uri`.
    """
    tables: list[Path] = []
    paths: list[str] = []
    for text in inputs:
        if os.path.isdir(text):
            paths.extend(_files_below(text))
            continue
        for found in [text] if os.path.isfile(text) else _matches(text):
            if Path(found).suffix.lower() in TABLE_SUFFIXES:
                tables.append(Path(found))
            else:
                paths.append(found)
    kinds: dict[str, str] = {}
    listed = []
    for path in tables:
        table = _read_table(path)
        kinds = join_kinds(kinds, kinds_of(_metadata_of(table)))
        listed.append(_as_asked(table, path))
    # What tables say of a file goes before its mere name.
    listed.append(_named([path_to_uri(path) for path in paths]))
    merged = pa.concat_tables(listed)
    if not merged.num_rows:
        raise SourceMissingError(
            f"{', '.join(inputs)}: a table without rows names no source",
            hint="give it one row a video, with a uri column",
        )
    chosen, notes = _first_of_each(merged)
    chosen = chosen.take(pc.sort_indices(chosen, sort_keys=[("uri", "ascending")]))
    return Sources(chosen.combine_chunks(), kinds, notes)


def _named(uris: Sequence[str]) -> pa.Table:
    nothing = pa.nulls(len(uris), pa.string())
    return pa.Table.from_arrays([pa.array(uris, pa.string()), nothing, nothing], schema=_ASKED)


def _first_of_each(sources: pa.Table) -> tuple[pa.Table, tuple[str, ...]]:
    """The first row of each uri; and a note, if later ones say something else."""
    first: dict[str, tuple[str | None, ...]] = {}
    keep, others = [], []
    columns = (sources.column(name).to_pylist() for name in _ASKED.names)
    for uri, *said in zip(*columns, strict=True):
        keep.append(uri not in first)
        if first.setdefault(uri, tuple(said)) != tuple(said) and any(said):
            others.append(uri)
    chosen = sources.filter(pa.array(keep, pa.bool_()))
    if not others:
        return chosen, ()
    note = (
        f"table rows that name a video again and say other things of it: {len(others)} "
        f"(first: {others[0]}); of each video the first row holds"
    )
    return chosen, (note,)


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
    return table.set_column(
        table.column_names.index("uri"), "uri", table.column("uri").cast(pa.string())
    )


def _metadata_of(table: pa.Table) -> pa.Table:
    return table.drop_columns([name for name in ("uri", "source_id") if name in table.column_names])


def _as_asked(table: pa.Table, path: Path) -> pa.Table:
    """The rows of a table as sources.

    Raises:
        ConfigInvalidError: a row without a uri.
    """
    uris = [_resolved(uri, path, row) for row, uri in enumerate(table.column("uri").to_pylist(), 1)]
    metadata = _metadata_of(table)
    texts = rows_to_json(metadata) if metadata.column_names else [None] * len(uris)
    columns = [uris, _source_ids(table), texts]
    return pa.Table.from_arrays([pa.array(each, pa.string()) for each in columns], schema=_ASKED)


def _source_ids(table: pa.Table) -> list[str | None]:
    """What caps, splits and removal count by: given, else from a YouTube id."""
    found: list[str | None] = [None] * table.num_rows
    for name, prefix in (("source_id", ""), ("YoutubeID", "youtube:"), ("youtube_id", "youtube:")):
        if name in table.column_names:
            for row, value in enumerate(table.column(name).to_pylist()):
                if value and found[row] is None:
                    found[row] = f"{prefix}{value}"
    return found


def _resolved(uri: str | None, table: Path, row: int) -> str:
    if not uri or not uri.strip():
        raise ConfigInvalidError(
            f"{table}: row {row}, the header not counted, has no uri",
            hint="give each row the path of its video, or remove the row",
        )
    if "://" in uri:
        return uri
    beside = os.path.join(table.parent, uri)
    return path_to_uri(beside if os.path.exists(beside) or not os.path.exists(uri) else uri)
