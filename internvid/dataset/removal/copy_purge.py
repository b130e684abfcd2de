"""Takes removed clips out of exports. Killed anywhere, the next call goes on.

Whoever reads an export meanwhile finds it as it was before, or as it is afterwards: a shard is
replaced in one step. Frame shards, whose index knows where each clip lies, are written under new
names before the index names them.
"""

from __future__ import annotations

import tarfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow as pa

from internvid.core.errors import DatasetBusyError
from internvid.dataset.layout import Layout, read_json
from internvid.dataset.parts import (
    commit_json,
    commit_table,
    committed,
    discard,
    discard_temporaries,
    held,
    read_part,
    storage_errors,
)
from internvid.dataset.removal.copies import (
    MANIFEST,
    NOTES,
    PACK,
    REQUEST,
    Copy,
    digest_of_json,
    is_frames,
    is_whole,
    note_copy,
    sample_of,
)

_LOCK = "lock"


def purge_copy(layout: Layout, copy: Copy, gone: Collection[str]) -> None:
    """Take clips out of a copy that a plan says is to be purged.

    Args:
        layout: of the dataset.
        copy: as it was noted; it is noted anew where its manifest changes.
        gone: ids of the removed clips.

    Raises:
        DatasetBusyError: the export is being written.
        StorageError: its folder cannot be written to.
    """
    folder = Path(copy["path"])
    if not folder.is_dir():
        return
    if copy.get("kind") == PACK:
        for path in sorted(folder.glob("picks*")):
            discard(path)
        return
    if not is_whole(folder):
        _purge_unfinished(folder, gone)
        return
    with storage_errors(folder):
        discard_temporaries(folder)
        discard(folder / NOTES)  # left by a kill after the manifest; it names clips
        manifest = read_json(folder / MANIFEST)
        purge = _frame_shards if is_frames(copy) else _sample_shards
        names, clips = purge(folder, gone)
        changed = _manifest_left(manifest, names, gone) | {"clips": clips}
        if changed != manifest:
            # First what proves the new manifest, or a kill between the two would lose the proof.
            digest = digest_of_json(changed)
            both = dict.fromkeys([*copy.get("manifests", []), digest])
            note_copy(layout, {**copy, "manifests": [*both]})
            commit_json(folder / MANIFEST, changed)
        note_copy(layout, {**copy, "manifests": [digest_of_json(changed)]})


def _purge_unfinished(folder: Path, gone: Collection[str]) -> None:
    """Shards with removed clips go whole: whoever goes on with the export writes them again."""
    busy = DatasetBusyError(
        f"the export {folder} is being written, and holds removed clips",
        hint="wait until it ends, then: internvid remove DATASET",
    )
    with held(folder / NOTES / _LOCK, busy):
        discard_temporaries(folder)
        for path in sorted(folder.glob("shard-*.tar")):
            if _samples(path) & set(gone):
                discard(folder / NOTES / f"{path.name}.json")
                discard(path)
        for note in sorted((folder / NOTES).glob("*.json")):
            known = read_json(note)
            rows = known.get("missing", []) if isinstance(known, dict) else []
            if note.name != REQUEST and any(row.get("clip_id") in gone for row in rows):
                discard(note)
        # Made of the shards when they are all there.
        discard(folder / "index.parquet")


def _samples(shard: Path) -> set[str]:
    with tarfile.open(shard) as tar:
        return {sample_of(member.name) for member in tar}


def _sample_shards(folder: Path, gone: Collection[str]) -> tuple[set[str], int]:
    """Shards of samples without removed clips; returns the names, and how many clips are left."""
    clips = 0
    for path in sorted(folder.glob("shard-*.tar")):
        samples = _samples(path)
        clips += len(samples - set(gone))
        if samples.isdisjoint(gone):
            continue
        if samples <= set(gone):
            discard(path)
            continue
        with (
            committed(path) as temporary,
            tarfile.open(path) as old,
            tarfile.open(temporary, "w") as new,
        ):
            for member in old:
                if sample_of(member.name) not in gone:
                    new.addfile(member, old.extractfile(member))
    return {path.name for path in folder.glob("shard-*.tar")}, clips


def _frame_shards(folder: Path, gone: Collection[str]) -> tuple[set[str], int]:
    """Shards of frames and their index likewise."""
    from internvid.dataset.frame_shards import INDEX, INDEX_SCHEMA  # brings decoders

    index = read_part(folder / INDEX)
    rows: list[dict[str, Any]] = index.to_pylist()
    affected = sorted({row["shard"] for row in rows if row["clip_id"] in gone})
    left = [row for row in rows if row["clip_id"] not in gone]
    for name in affected:
        kept = [row for row in left if row["shard"] == name]
        if kept:
            _compact(folder, name, kept)
    if affected:
        commit_table(folder / INDEX, pa.Table.from_pylist(left, schema=INDEX_SCHEMA))
    named = {row["shard"] for row in left}
    for path in sorted(folder.glob("shard-*.tar")):
        if path.name not in named:
            discard(path)
    return {*named, INDEX}, len(left)


def _compact(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    """Copy the clips of rows into a new shard, and say in the rows where they lie now."""
    by_member = {f"{row['clip_id']}.mp4": row for row in rows}
    new_name = _next_name(name)
    with (
        committed(folder / new_name) as temporary,
        tarfile.open(folder / name) as old,
        tarfile.open(temporary, "w") as new,
    ):
        for member in old:
            row = by_member.get(member.name)
            if row is not None:
                start = new.offset
                new.addfile(member, old.extractfile(member))
                row.update(shard=new_name, offset=start + tarfile.BLOCKSIZE)


def _next_name(name: str) -> str:
    """`shard-000000.tar`, `shard-000000-1.tar`, `shard-000000-2.tar`, ..."""
    parts = name.removesuffix(".tar").split("-")
    number = int(parts[2]) + 1 if len(parts) > 2 else 1
    return f"{parts[0]}-{parts[1]}-{number}.tar"


def _manifest_left(manifest: Any, names: set[str], gone: Collection[str]) -> dict[str, Any]:
    """What a manifest states once the clips are gone."""
    files = [name for name in manifest.get("files", []) if name in names]
    files += sorted(names - set(files))
    missing = [row for row in manifest.get("missing", []) if row.get("clip_id") not in gone]
    return {**manifest, "files": sorted(files), "missing": missing}
