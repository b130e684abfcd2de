"""Exports as tables of clips: what a build is pointed at becomes tables, one reader a form.

A table stays where it lies. A folder of videos with a text beside each, and tar shards, become a
table of `path`, `caption`, `source_id` and `metadata` (JSON), of which each row is a whole file.
"""

from __future__ import annotations

import glob
import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict

import pyarrow as pa
import pyarrow.parquet as pq

from internvid.core.errors import MisuseError, SourceMissingError
from internvid.core.system.temporary import new_temporary
from internvid.curate.tables.files import form_of
from internvid.dataset.layout import FORMAT, RECORD, read_json
from internvid.dataset.left_temporaries import discard_temporaries
from internvid.dataset.parts import storage_errors
from internvid.dataset.sources.uris import path_to_uri
from internvid.pipeline.given.stated_columns import FILE_COLUMNS
from internvid.pipeline.sources import MEDIA_SUFFIXES

INDEX_NAMES = ("table", "metadata", "dataset", "index", "clips", "captions", "annotations")
"""Stems of files that say of a folder which clips are in it, the first holds."""
_NO_INDEX = frozenset({"manifest.json", "truth.json"})
_TARS = (".tar", ".tar.gz", ".tgz")
_ROWS = pa.schema([(name, pa.string()) for name in ("path", "caption", "source_id", "metadata")])
_AT_ONCE = 4096


@dataclass(frozen=True)
class StatedInput:
    """One table of clips.

    Attributes:
        table: the file.
        name: of the input, for people.
        folder: beside which its relative paths are looked up.
        layout: what its columns mean; null where they tell.
        file_column: that names files of an export; null where the usual names tell.
        base: what its paths begin with that lie in the folder.
        names_every_file: whether each row has a path of a file that is there.
        lost: (line, reason) of what could not become a row of it.
    """

    table: Path
    name: str
    folder: Path
    layout: str | None = None
    file_column: str | None = None
    base: str = ""
    names_every_file: bool = False
    lost: list[tuple[int, str]] = field(default_factory=list)


class _Row(TypedDict):
    path: str
    caption: str | None
    source_id: str | None
    metadata: str | None


def stated_inputs(
    inputs: Sequence[str], unpacked: Path | None, scratch: Path
) -> Iterator[StatedInput]:
    """The tables that the inputs of a build are, or become.

    Args:
        inputs: files, globs and folders.
        unpacked: where the videos of tar shards go to.
        scratch: where tables are written that do not exist yet.

    Raises:
        SourceMissingError: an input names nothing.
        MisuseError: it is no table or export; or tar shards have no place to go to.
    """
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            yield _of_folder(path, unpacked, scratch)
            continue
        files = [path] if path.is_file() else _files_of(text)
        shards = [each for each in files if each.name.endswith(_TARS)]
        yield from (_of_table(each) for each in files if each not in shards)
        if shards:
            yield _of_shards(text, shards, unpacked, scratch)


def _files_of(pattern: str) -> list[Path]:
    files = [Path(each) for each in sorted(glob.glob(pattern, recursive=True))]
    files = [each for each in files if each.is_file()]
    if not files:
        raise SourceMissingError(
            f"{pattern} does not exist and matches nothing",
            hint="with --given: tables of clips, folders of exported clips, tar shards",
        )
    return files


def _of_table(path: Path) -> StatedInput:
    if form_of(path) is None:
        raise MisuseError(
            f"{path} is no table of clips",
            hint="with --given: a .parquet, .jsonl, .json, .csv or .tsv, a folder of exported "
            "clips, or .tar shards; the folder of the source videos is named by --videos",
        )
    return StatedInput(path.absolute(), str(path), path.absolute().parent)


def _of_folder(folder: Path, unpacked: Path | None, scratch: Path) -> StatedInput:
    record = read_json(folder / RECORD)  # an export may have a list of that name
    if isinstance(record, dict) and record.get("format") == FORMAT:
        raise MisuseError(
            f"{folder} is a dataset, not a table of clips",
            hint="publish it, and build from what was published",
        )
    files = sorted(each for each in folder.iterdir() if each.is_file())
    shards = [each for each in files if each.name.endswith(_TARS)]
    if shards:
        return _of_shards(str(folder), shards, unpacked, scratch)
    indexed = _by_manifest(folder)
    if indexed is not None:
        return indexed
    tables = [each for each in files if form_of(each) and each.name not in _NO_INDEX]
    beside = {os.path.splitext(each.name)[0] for each in files if _is_media(each.name)}
    tables = [each for each in tables if os.path.splitext(each.name)[0] not in beside]
    named = [each for stem in INDEX_NAMES for each in tables if each.name.split(".")[0] == stem]
    if named or len(tables) == 1:
        return _of_table((named or tables)[0])
    if tables:
        raise MisuseError(
            f"{folder} has several tables: {', '.join(each.name for each in tables[:5])}",
            hint="name the one that has the clips",
        )
    table = scratch / f"folder-{_number(scratch)}.parquet"
    stated = StatedInput(table, str(folder), folder.absolute(), "files", names_every_file=True)
    _write(stated, _pairs(folder, stated.lost))
    return stated


def _by_manifest(folder: Path) -> StatedInput | None:
    """The index that an export of ours names, with the column of its paths; None without one."""
    manifest = read_json(folder / "manifest.json")
    indexes = manifest.get("indexes") if isinstance(manifest, dict) else None
    known = (
        [each for each in indexes if isinstance(each, dict)] if isinstance(indexes, list) else []
    )
    for index in known:
        file, column, root, base = (
            str(index.get(key) or "") for key in ("file", "path_field", "root", "base")
        )
        table = folder / file
        # Others list the videos of a row, or lead out of the folder.
        is_usual = column in FILE_COLUMNS and ".." not in (*Path(file).parts, *Path(root).parts)
        if is_usual and form_of(table) is not None and table.is_file():
            place = (folder / root).absolute()
            return StatedInput(table.absolute(), str(table), place, "files", column, base)
    return None


def _of_shards(
    name: str, shards: Sequence[Path], unpacked: Path | None, scratch: Path
) -> StatedInput:
    if unpacked is None:
        raise MisuseError(
            f"{name} is packed in tar shards, and a dataset reads files",
            hint="name a folder to unpack them to: --videos FOLDER",
        )
    table = scratch / f"shards-{_number(scratch)}.parquet"
    stated = StatedInput(table, name, unpacked.absolute(), "files", names_every_file=True)
    _write(stated, _samples(shards, unpacked.absolute(), stated.lost))
    return stated


def _number(scratch: Path) -> int:
    return sum(1 for _ in scratch.glob("*.parquet"))


def _write(stated: StatedInput, rows: Iterator[_Row]) -> None:
    count = 0
    with storage_errors(stated.table), pq.ParquetWriter(stated.table, _ROWS) as writer:
        held: list[_Row] = []
        for row in rows:
            held.append(row)
            count += 1
            if len(held) == _AT_ONCE:
                writer.write_table(pa.Table.from_pylist(held, _ROWS))
                held = []
        writer.write_table(pa.Table.from_pylist(held, _ROWS))
    if not count:
        raise SourceMissingError(
            f"{stated.name} has no clips: no table, no tar shard, and no video with a .txt or "
            ".json of its name" + "".join(f"; {reason}" for _, reason in stated.lost[:3]),
            hint="name a folder that was published, or a table of clips",
        )


def _is_media(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in MEDIA_SUFFIXES


def _pairs(folder: Path, lost: list[tuple[int, str]]) -> Iterator[_Row]:
    """Videos with a text or a JSON object beside them; others are passed over."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        there = set(files)
        for name in sorted(files):
            stem = os.path.splitext(name)[0]
            members = [suffix for suffix in (".txt", ".json") if stem + suffix in there]
            if name.startswith(".") or not _is_media(name) or not members:
                continue
            data = {suffix: Path(root, stem + suffix).read_bytes() for suffix in members}
            yield from _row(path_to_uri(os.path.join(root, name)), data, lost)


def _row(path: str, members: dict[str, bytes], lost: list[tuple[int, str]]) -> Iterator[_Row]:
    """The row of a video; nothing where what stands beside it cannot be read."""
    try:
        described: Any = json.loads(members[".json"]) if members.get(".json") else None
        text = members.get(".txt", b"").decode("utf-8").strip()
    except ValueError as error:
        lost.append((0, f"what stands beside {path} cannot be read: {error}"))
        return
    known = described if isinstance(described, dict) else {}
    if not text:
        text = str(known.get("caption") or known.get("text") or "")
    source = known.get("source_id")
    yield {
        "path": path,
        "caption": text or None,
        "source_id": None if source is None else str(source),
        "metadata": json.dumps(known, ensure_ascii=False, sort_keys=True) if known else None,
    }


def _samples(shards: Sequence[Path], folder: Path, lost: list[tuple[int, str]]) -> Iterator[_Row]:
    """The samples of tar shards, whose videos are unpacked to a folder a shard."""
    for shard in shards:
        target = folder / shard.name.split(".tar")[0].removesuffix(".tgz")
        if target.is_dir():
            discard_temporaries(target)  # of builds that were killed while they unpacked
        video: Path | None = None
        stem, members = "", dict[str, bytes]()
        for name, data in _members(shard, lost):
            key, suffix = os.path.splitext(name)
            if key != stem:
                if video is not None:
                    yield from _row(path_to_uri(str(video)), members, lost)
                video, stem, members = None, key, {}
            if _is_media(name):
                video = target / name
                _unpack(video, data)
            elif suffix.lower() in (".txt", ".json"):
                members[suffix.lower()] = data
        if video is not None:
            yield from _row(path_to_uri(str(video)), members, lost)


def _members(shard: Path, lost: list[tuple[int, str]]) -> Iterator[tuple[str, bytes]]:
    """Files of a shard in their order; one that ends early gives what is whole."""
    try:
        with tarfile.open(shard, "r|*") as archive:
            for member in archive:
                name = PurePosixPath(member.name)
                if not member.isfile():
                    continue
                if name.is_absolute() or ".." in name.parts:
                    lost.append((0, f"a member of {shard} leads out of it: {member.name!r:.80}"))
                    continue
                file = archive.extractfile(member)
                data = b"" if file is None else file.read()
                if len(data) < member.size:
                    raise tarfile.ReadError("unexpected end of data")
                yield str(name), data
    except (tarfile.TarError, EOFError, OSError) as error:
        lost.append((0, f"{shard} cannot be read to its end: {error}"))


def _unpack(path: Path, data: bytes) -> None:
    """Write a file that is not there yet, whole or not at all."""
    with storage_errors(path):
        if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = new_temporary(path)
        try:
            temporary.write_bytes(data)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
