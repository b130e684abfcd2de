"""Parts: the only way anything gets into a dataset folder.

A part appears whole or not at all: it is written under a temporary name, flushed to disk, then
renamed. Writer settings are fixed here, so that equal rows make equal bytes.
"""

from __future__ import annotations

import base64
import errno
import fcntl
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from internvid.core.errors import (
    DatasetFormatError,
    InternvidError,
    OutputExistsError,
    StorageError,
)
from internvid.core.system.temporary import new_temporary
from internvid.dataset.names import foreign_value
from internvid.dataset.stores.remote_tables import parquet_source
from internvid.dataset.stores.store_commit import NameTakenError, committed_to_store
from internvid.dataset.stores.store_lock import store_held
from internvid.dataset.stores.store_path import StorePath

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO})
_IMPOSSIBLE = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EEXIST,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
    }
)
# Of file systems that cannot give a file a second name.
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
# Columns that grow by a nearly constant step: stored as differences they take almost nothing.
_GROWING = frozenset({"ticks", "frame"})
# Of JSON: as one list, those of a manifest of 100,000 clips take half a gigabyte.
_CHUNKS_AT_ONCE = 4096
_SOUGHT = frozenset({"video_id", "clip_id", "source_id", "uri", "start_seconds"})


def is_storage_trouble(error: BaseException) -> bool:
    """Whether an error means the disk is full or refuses us, or that no such path can be."""
    known = _FULL | _REFUSED | _IMPOSSIBLE
    return isinstance(error, OSError) and error.errno in known


def read_part(
    path: Path, columns: Sequence[str] | None = None, schema: pa.Schema | None = None
) -> pa.Table:
    """A whole part, or some of its columns, or with the columns of a schema.

    Raises:
        DatasetFormatError: it is missing, damaged or has ids that are none; it is named.
    """
    with reading_part(path):
        table = pq.read_table(
            path, columns=None if columns is None else list(columns), schema=schema
        )
    return checked_ids(table, path)


def checked_ids(table: Any, source: Path) -> Any:
    """A table whose ids are known to be ids, before one is made part of a path.

    Args:
        table: rows of any table, or a batch of them.
        source: what they were read from.

    Raises:
        DatasetFormatError: one is not.
    """
    wrong = foreign_value(table)
    if wrong is not None:
        raise DatasetFormatError(f"{source} is damaged: {wrong}", hint=_way_back(source))
    return table


def read_part_schema(path: Path) -> pa.Schema:
    """The columns of a part.

    Raises:
        DatasetFormatError: it is missing or damaged; the message names it.
    """
    with reading_part(path):
        return pq.read_schema(parquet_source(path))


def written_schema(path: Path) -> pa.Schema:
    """The schema that a part was written with.

    Read back, lists have other names for their items, and the bytes would be others.

    Raises:
        DatasetFormatError: it is missing or damaged; the message names it.
    """
    with reading_part(path):
        metadata = pq.read_metadata(parquet_source(path)).metadata or {}
        stored = metadata.get(b"ARROW:schema")
        if stored is None:
            return pq.read_schema(parquet_source(path))
        return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(stored)))


def refuse_damaged(path: Path) -> None:
    """Read a part through, keeping nothing.

    Raises:
        DatasetFormatError: it is missing or damaged; the message names it.
    """
    with reading_part(path), pq.ParquetFile(path) as file:
        for _ in file.iter_batches():
            pass


@contextmanager
def reading_part(path: Path) -> Iterator[None]:
    """Turns trouble with reading a part into a DatasetFormatError that names it."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, PermissionError):
            what = "may not be read"
        else:
            what = f"is damaged: {_first_line(error)}" if path.exists() else "is missing"
        raise DatasetFormatError(f"{path} {what}", hint=_way_back(path)) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _way_back(path: Path) -> str:
    """How a part can be had again; by the folder that it lies in."""
    table = path.parent.name
    if table in ("timelines", "picks"):
        removed = path.parent.with_name("videos") / path.name
        return f"restore it from a copy, or remove {removed} and build again: it is scanned anew"
    if "columns" in path.parts or "pick_sets" in path.parts or table in ("videos", "clips"):
        return "restore it from a copy, or remove it and run again what made it"
    return "restore it from a copy"


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns full disks and refused writes below `path` into StorageError."""
    try:
        yield
    except OSError as error:
        if not is_storage_trouble(error):
            raise
        way = "fix the permission"
        if error.errno in _FULL:
            way = "free space"
        if error.errno in _IMPOSSIBLE:
            raise StorageError(
                f"cannot write {path}: {os.strerror(error.errno or 0).lower()}",
                hint="choose another path",
            ) from error
        raise StorageError(
            f"cannot write {path}: {os.strerror(error.errno or 0).lower()}",
            hint=f"{way}, then run the same command again: it goes on where it stopped",
        ) from error


@contextmanager
def committed(path: Path, otherwise: Iterable[Path] | None = None) -> Iterator[Path]:
    """A temporary file that becomes `path` when the block ends well, and vanishes otherwise.

    Args:
        path: what is there is replaced.
        otherwise: names beside it that are taken in turn where `path` has been taken. With these,
            be there none, nothing is replaced, whoever else writes at the same time.

    Raises:
        NameTakenError: all these names have been taken.
    """
    if isinstance(path, StorePath):
        with committed_to_store(path, otherwise) as temporary:
            yield temporary
        return
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = new_temporary(path)
        try:
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            if otherwise is None:
                os.replace(temporary, path)
            else:
                _take_first_free(temporary, itertools.chain([path], otherwise))
            sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _take_first_free(temporary: Path, names: Iterable[Path]) -> None:
    """Rename a file to the first of some names that nobody has."""
    for path in names:
        try:
            os.link(temporary, path)
        except FileExistsError:
            # On a network folder the answer to our own link may be lost, and the link made again.
            if not os.path.samefile(temporary, path):
                continue
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if path.exists():
                continue
            os.replace(temporary, path)
            return
        temporary.unlink()
        return
    raise NameTakenError(f"{temporary.parent} has files of these names")


def refuse_foreign(output: Path, is_ours: Callable[[Path], bool], what: str, example: str) -> None:
    """Refuse to write a file over a stranger's.

    Args:
        output: the file; an empty one is nobody's.
        is_ours: whether a file there was made by this program, for the same purpose.
        what: such a file is.
        example: of its name.

    Raises:
        OutputExistsError: the path is a folder, or holds something else.
    """
    if output.is_dir():
        raise OutputExistsError(
            f"{output} is a folder, not a file",
            hint=f"name a file in it, for example {output / example}",
        )
    # A device or a pipe is empty, and would be replaced by a file all the same.
    ours = not output.exists() or (
        output.is_file() and (not output.stat().st_size or is_ours(output))
    )
    if not ours:
        raise OutputExistsError(
            f"{output} exists and is not {what}", hint="choose another path, or remove it first"
        )


def refuse_unwritable(output: Path) -> None:
    """Find out before the work begins whether a file can be written; its folder is made.

    Raises:
        StorageError: it cannot.
    """
    if isinstance(output, StorePath):
        return  # found out by the first object
    with storage_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output.parent):
            pass


def sync_folder(folder: Path) -> None:
    """Flush which names a folder holds."""
    if isinstance(folder, StorePath):
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def commit_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    with committed(path) as temporary:
        temporary.write_bytes(data)


def commit_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all: sorted keys, two spaces, a final newline."""
    with committed(path) as temporary, temporary.open("wb") as file:
        file.writelines(json_pieces(value))


def json_pieces(value: Any, errors: str = "strict") -> Iterator[bytes]:
    """The bytes of a JSON file as `commit_json` writes it, a piece at a time.

    Args:
        value: plain JSON values.
        errors: what is done with texts that are no UTF-8, see `str.encode`.
    """
    chunks = json.JSONEncoder(indent=2, sort_keys=True, ensure_ascii=False).iterencode(value)
    while piece := "".join(itertools.islice(chunks, _CHUNKS_AT_ONCE)):
        yield piece.encode("utf-8", errors)
    yield b"\n"


@contextmanager
def part_writer(
    path: Path, schema: pa.Schema, otherwise: Iterable[Path] | None = None
) -> Iterator[pq.ParquetWriter]:
    """A Parquet part being written; each `write_table` call makes its own row group.

    Args:
        path, otherwise: its name, see `committed`.
        schema: of its rows.
    """
    with committed(path, otherwise) as temporary:
        plain = [field.name for field in schema if not pa.types.is_binary(field.type)]
        # Tables of others have columns of these names too, and other values in them.
        whole = {field.name for field in schema if pa.types.is_integer(field.type)}
        growing = _GROWING & whole
        writer = pq.ParquetWriter(
            temporary,
            schema,
            compression="zstd",
            compression_level=3,
            use_dictionary=[name for name in plain if name not in growing],
            column_encoding={name: "DELTA_BINARY_PACKED" for name in plain if name in growing},
            # Row groups are found by their video; other statistics would outweigh short videos.
            write_statistics=[name for name in plain if name in _SOUGHT],
            version="2.6",
            data_page_version="1.0",
            store_schema=True,
        )
        try:
            yield writer
        finally:
            writer.close()


def commit_table(path: Path, table: pa.Table, otherwise: Iterable[Path] | None = None) -> None:
    """Write one table as a part with one row group; see `committed`."""
    with part_writer(path, table.schema, otherwise) as writer:
        if table.num_rows:
            writer.write_table(table, row_group_size=max(1, table.num_rows))


def rows_to_table(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as a table of exactly that schema; absent keys are null."""
    return pa.Table.from_pylist(list(rows), schema=schema)


def read_rows_of(path: Path, video_id: str, columns: list[str] | None = None) -> pa.Table:
    """The rows of one video in a part whose row groups each belong to one video."""
    with reading_part(path), pq.ParquetFile(parquet_source(path)) as file:
        wanted = [group for group, owner in enumerate(row_group_owners(file)) if owner == video_id]
        return file.read_row_groups(wanted, columns=columns)


def read_groups(path: Path) -> Iterator[pa.Table]:
    """The row groups of a part, one after another.

    Raises:
        DatasetFormatError: it is missing or damaged; the message names it.
    """
    with reading_part(path):
        file = pq.ParquetFile(parquet_source(path))
    # What is done with a group is not this part's trouble.
    with file:
        for group in range(file.metadata.num_row_groups):
            with reading_part(path):
                table = file.read_row_group(group)
            yield table


def row_group_owners(file: pq.ParquetFile) -> list[str]:
    """The video_id of each row group, from its statistics."""
    index = file.schema_arrow.get_field_index("video_id")
    metadata = file.metadata
    # A group without rows, as other writers make for an empty table, has no statistics.
    owners = [
        metadata.row_group(group).column(index).statistics
        for group in range(metadata.num_row_groups)
    ]
    return ["" if each is None else str(each.min) for each in owners]


@contextmanager
def held(path: Path, busy: InternvidError, *, shared: bool = False) -> Iterator[None]:
    """Holds a lock file, made if it is not there. The system frees it however the process ends.

    Args:
        path: the file.
        busy: what is raised where another process holds it.
        shared: others may hold it at the same time, if they share it too.

    Raises:
        InternvidError: `busy`.
        StorageError: the file system has no locks, or refuses.
    """
    if isinstance(path, StorePath):
        with store_held(path, busy, shared=shared):
            yield
        return
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise busy from error
        except OSError as error:
            raise StorageError(
                f"cannot lock {path}: {os.strerror(error.errno or 0).lower()}",
                hint="use a file system with locks, or mount this one with them",
            ) from error
        yield
    finally:
        os.close(descriptor)


def discard(path: Path) -> None:
    """Remove a file or a folder with all in it; absent ones are fine."""
    if isinstance(path, StorePath):
        path.remove_all()
        return
    with storage_errors(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
