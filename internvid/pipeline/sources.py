"""What the user points at, as one sorted table of sources."""

from __future__ import annotations

import glob
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from internvid.core.errors import ConfigInvalidError, SourceMissingError
from internvid.dataset.layout import RECORD
from internvid.dataset.sources.metadata import KINDS, UNKNOWN, join_kinds
from internvid.dataset.sources.uris import path_to_uri, uri_to_path
from internvid.dataset.stores.remote_inputs import remote_inputs
from internvid.dataset.stores.source_path import is_remote
from internvid.dataset.stores.store_path import StorePath
from internvid.dataset.tables import SOURCE_SCHEMA
from internvid.pipeline.source_tables import (
    TABLE_SUFFIXES,
    SetAside,
    SourceTable,
    read_source_table,
)

_MEDIA_NAMES = """
mp4 m4v mov mkv webm avi flv f4v wmv asf mpg mpeg m2v ts m2ts mts vob 3gp 3g2 ogv ogg ogm gif mxf
dv rm rmvb divx y4m h264 264 h265 hevc av1 ivf obu nut m3u8
"""
MEDIA_SUFFIXES = frozenset(f".{name}" for name in _MEDIA_NAMES.split())
SOURCES_OF_TABLES = pa.schema([field for field in SOURCE_SCHEMA if field.name != "known_in"])
"""Columns of `Sources.table`."""


@dataclass(frozen=True)
class Sources:
    """What the inputs of a build name.

    Attributes:
        table: `uri`, sorted, each once; `source_id` and `metadata` (JSON text), null where no table
            says anything.
        kinds: key of the metadata -> SQL type of its values.
        notes: sentences about what was passed over.
        tables: what was set aside of each table that was read, often nothing.
        fixed: key of the metadata -> SQL type that it was given.
    """

    table: pa.Table
    kinds: dict[str, str]
    notes: tuple[str, ...] = ()
    tables: tuple[SetAside, ...] = ()
    fixed: Mapping[str, str] = field(default_factory=dict)


def size_of(uri: str) -> int:
    """Bytes of a source, 0 where it cannot be determined."""
    try:
        # Not a request for each of millions.
        return 0 if is_remote(uri) else uri_to_path(uri).stat().st_size
    except (OSError, ConfigInvalidError):
        return 0


def find_sources(
    inputs: Sequence[str],
    types: Mapping[str, str] | None = None,
    known: Mapping[str, str] | None = None,
) -> Sources:
    """Every source the inputs name, sorted by uri, each uri once.

    Args:
        inputs: files, folders (searched for media files), glob patterns, and tables
            (csv, tsv, jsonl, parquet) with a `uri` column; their other columns are metadata. Also
            by address: files and tables on the web, and all of these in object stores.
        types: key of the metadata -> SQL type that it shall have.
        known: the types that a dataset knows already; texts are read by them.

    Raises:
        SourceMissingError: an input names nothing.
        ConfigInvalidError: a table cannot be read or has no `uri`, or none has a key of `types`.
    """
    fixed = _checked_types(types or {})
    tables: list[Path] = []
    paths: list[str] = []
    addresses: list[str] = []
    for text in inputs:
        if is_remote(text):
            for found in remote_inputs(text, MEDIA_SUFFIXES, TABLE_SUFFIXES):
                if found.suffix.lower() in TABLE_SUFFIXES:
                    tables.append(found)
                else:
                    addresses.append(str(found))
            continue
        if os.path.isdir(text):
            paths.extend(_files_below(text))
            continue
        for file in [text] if os.path.isfile(text) else _matches(text):
            if Path(file).suffix.lower() in TABLE_SUFFIXES:
                tables.append(Path(file))
            else:
                paths.append(file)
    kinds: dict[str, str] = {}
    listed, aside = [], []
    for path in tables:
        table = read_source_table(path, {**(known or {}), **fixed}, fixed)
        kinds = join_kinds(kinds, table.kinds)
        listed.append(_as_sources(table, path))
        aside.append(table.aside)
    _refuse_unknown(fixed, kinds)
    # What tables say of a file goes before its mere name.
    listed.append(_named([*map(path_to_uri, paths), *addresses]))
    merged = pa.concat_tables(listed)
    if not merged.num_rows:
        raise SourceMissingError(
            f"{', '.join(inputs)}: a table without rows names no source",
            hint="give it one row a video, with a uri column",
        )
    chosen, notes = _first_of_each(merged)
    chosen = chosen.take(pc.sort_indices(chosen, sort_keys=[("uri", "ascending")]))
    aside_notes = tuple(each.note() for each in aside if each)
    return Sources(chosen.combine_chunks(), kinds | fixed, aside_notes + notes, tuple(aside), fixed)


def _checked_types(types: Mapping[str, str]) -> dict[str, str]:
    found = {key: kind.upper() for key, kind in types.items()}
    for key, kind in found.items():
        if kind not in KINDS - {UNKNOWN}:
            raise ConfigInvalidError(
                f"{types[key]!r} is no type that the column {key!r} can have; these are: "
                f"{', '.join(sorted(each.lower() for each in KINDS - {UNKNOWN}))}",
                hint=f"for example --type {shlex.quote(key)}=bigint",
            )
    return found


def _refuse_unknown(fixed: Mapping[str, str], kinds: Mapping[str, str]) -> None:
    unknown = [key for key in fixed if key not in kinds]
    if unknown:
        raise ConfigInvalidError(
            f"no table has the column {unknown[0]!r}; columns are: {', '.join(kinds) or 'none'}",
            hint="types are given to columns of tables of sources, beside uri and source_id",
        )


def _named(uris: Sequence[str]) -> pa.Table:
    nothing = pa.nulls(len(uris), pa.string())
    return pa.Table.from_arrays(
        [pa.array(uris, pa.string()), nothing, nothing], schema=SOURCES_OF_TABLES
    )


def _first_of_each(sources: pa.Table) -> tuple[pa.Table, tuple[str, ...]]:
    """The first row of each uri; and a note, if later ones say something else."""
    first: dict[str, tuple[str | None, ...]] = {}
    keep, others = [], []
    columns = (sources.column(name).to_pylist() for name in SOURCES_OF_TABLES.names)
    for uri, *cells in zip(*columns, strict=True):
        keep.append(uri not in first)
        if first.setdefault(uri, tuple(cells)) != tuple(cells) and any(cells):
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
    """Media files in a folder and those below it; symbolic links to folders are followed.

    Each folder is looked into once, by its own name where it has one here, and a link that leads to
    a folder above it is passed over: everything would be found again and again.
    """
    media: list[str] = []
    seen: set[tuple[int, int]] = set()
    waiting = [folder]
    while waiting:
        links: list[str] = []
        for start in sorted(waiting):
            for root, folders, files in os.walk(start):
                if not _is_new(root, seen):
                    folders.clear()
                    continue
                # A dataset among the videos is no source, least of all the one being made.
                folders[:] = [
                    name
                    for name in folders
                    if not name.startswith(".") and not _is_dataset(os.path.join(root, name))
                ]
                paths = (os.path.join(root, name) for name in folders)
                links += [path for path in paths if os.path.islink(path) and not _leads_up(path)]
                media += [
                    os.path.join(root, name)
                    for name in files
                    if not name.startswith(".")
                    and os.path.splitext(name)[1].lower() in MEDIA_SUFFIXES
                ]
        waiting = links
    if not media:
        if _is_dataset(folder):
            raise SourceMissingError(
                f"{folder} is a dataset, not a folder of videos",
                hint="name the videos that it was made of",
            )
        raise SourceMissingError(
            f"no media files below {folder}",
            hint="name files of other suffixes directly, or with a glob pattern",
        )
    return media


def _is_dataset(folder: str) -> bool:
    """Whether a folder is a dataset; the list of videos of an export has the same name."""
    try:
        with open(os.path.join(folder, RECORD), "rb") as file:
            return not file.read(64).lstrip().startswith(b"[")
    except OSError:
        return os.path.exists(os.path.join(folder, RECORD))


def _is_new(folder: str, seen: set[tuple[int, int]]) -> bool:
    try:
        facts = os.stat(folder)
    except OSError:
        return False
    place = facts.st_dev, facts.st_ino
    is_new = place not in seen
    seen.add(place)
    return is_new


def _leads_up(link: str) -> bool:
    target = os.path.realpath(link)
    return os.path.commonpath([target, os.path.realpath(os.path.dirname(link))]) == target


def _matches(pattern: str) -> list[str]:
    paths = [path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path)]
    if paths:
        return paths
    if "://" in pattern:
        uri_to_path(pattern)  # which says what addresses there can be
    if os.path.exists(pattern):
        raise SourceMissingError(
            f"{pattern} is neither a file nor a folder",
            hint="pipes and devices cannot be read twice; write the video to a file first",
        )
    raise SourceMissingError(
        f"{pattern} does not exist and matches nothing",
        hint="give files, folders, glob patterns, or a table with a uri column",
    )


def _as_sources(table: SourceTable, path: Path) -> pa.Table:
    """The rows of a table as sources."""
    folder = str(path.parent)
    resolved = _resolved_there if isinstance(path, StorePath) else _resolved
    columns = [
        [resolved(uri, folder) for uri in table.uris],
        table.source_ids,
        table.metadata,
    ]
    return pa.Table.from_arrays(
        [pa.array(each, pa.string()) for each in columns], schema=SOURCES_OF_TABLES
    )


def _resolved_there(uri: str, folder: str) -> str:
    """A uri of a table behind an address: names without a folder lie beside the table."""
    return uri if "://" in uri or uri.startswith("/") else f"{folder}/{uri}"


def _resolved(uri: str, folder: str) -> str:
    if "://" in uri:
        return uri
    beside = os.path.join(folder, uri)
    return path_to_uri(beside if os.path.exists(beside) or not os.path.exists(uri) else uri)
