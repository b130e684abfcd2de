"""Takes removed clips out of exports. Killed anywhere, the next call goes on.

Whoever reads an export meanwhile finds it as it was before, or as it is afterwards: a shard is
replaced in one step. Frame shards, whose index knows where each clip lies, are written under new
names before the index names them.
"""

from __future__ import annotations

import tarfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypedDict

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
from internvid.dataset.releases.checksums import (
    CHECKSUMS,
    FILES,
    REMOVED,
    VERSION,
    Checksum,
    by_file,
    checksums_of,
    sealed,
)
from internvid.dataset.releases.removed_ids import read_removed, rows_of, write_removed
from internvid.dataset.removal.copies import (
    MANIFEST,
    NOTES,
    PACK,
    PROVENANCE,
    REQUEST,
    Copy,
    Sample,
    cleaned_origin,
    digest_of_json,
    is_frames,
    is_whole,
    note_copy,
    sample_of,
    samples_in,
    settle_copy,
    shards_of,
)
from internvid.dataset.removal.scrubbing import Needles

_LOCK = "lock"
_GOING = "reissue.json"
INDEX = "index.parquet"


class ReleaseChange(TypedDict):
    """What became of an export from which clips were taken.

    Attributes:
        version: of the release now.
        removed_clips: clips that it had before and lacks now.
        rewritten: files that are new or have other bytes, the manifest too. unchanged: how many
            files have the same. deleted: files that are gone.
    """

    version: int
    removed_clips: int
    rewritten: list[str]
    unchanged: int
    deleted: list[str]


def purge_copy(layout: Layout, copy: Copy, gone: Collection[str], needles: Needles) -> None:
    """Take clips out of a copy that a plan says is to be purged.

    Args:
        layout: of the dataset.
        copy: as it was noted; it is noted anew where its manifest changes.
        gone: ids of the removed clips.
        needles: all ids that are removed.

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
    held_clips = samples_in(copy, folder)
    doomed = {clip_id: each for clip_id, each in held_clips.items() if clip_id in gone}
    take_out(layout, copy, doomed, gone, needles)


def take_out(
    layout: Layout,
    copy: Copy,
    doomed: Mapping[str, Sample],
    gone: Collection[str],
    needles: Needles,
) -> ReleaseChange:
    """Make the next version of a finished export, without some of its clips.

    Under the dataset's write lock. A note beside the export says which files are touched, before
    one is; the digests of what is taken out are written next, and the manifest last. So a call
    that was killed is finished by the next one, to the same bytes. Where there is nothing to take
    out and nothing to finish, nothing is changed.

    Args:
        layout: of the dataset.
        copy: the export, with the digest of its manifest in it.
        doomed: the clips to take out, and what the export says of each.
        gone: ids of clips that may not stand among the missing ones either.
        needles: ids that may not stand in the recipe of the subset.

    Raises:
        StorageError: its folder cannot be written to.
    """
    folder = Path(copy["path"])
    with storage_errors(folder):
        discard_temporaries(folder)
        before = read_json(folder / MANIFEST)
        version = int(before.get(VERSION, 1)) + 1
        begun = touched_by(folder, before)
        touched = {each.shard for each in doomed.values()} | begun
        if touched and is_frames(copy):
            touched.add(INDEX)
        after = _manifest_left(before, gone)
        if PROVENANCE in before:
            after[PROVENANCE] = cleaned_origin(layout, copy, before[PROVENANCE], needles)
        if touched:
            after |= _rewrite_files(layout, copy, doomed, touched, version)
        if after == before:
            discard(folder / NOTES)  # left by a kill after the manifest; it may name clips
            settle_copy(layout, copy, digest_of_json(before))
            return _change(before, before)
        after[VERSION] = version
        if CHECKSUMS in before:
            after[CHECKSUMS] = _checksums_left(folder, before, after[FILES], touched)
        after = sealed(after)
        # First what proves the new manifest, or a kill between the two would lose the proof.
        digest = digest_of_json(after)
        copy = {**copy, "manifests": [*dict.fromkeys([*copy.get("manifests", []), digest])]}
        note_copy(layout, copy)
        commit_json(folder / MANIFEST, after)
        settle_copy(layout, copy, digest)
        discard(folder / NOTES)
    return _change(before, after)


def touched_by(folder: Path, manifest: Mapping[str, Any]) -> set[str]:
    """Files that a call which was killed touched, or was about to."""
    known = read_json(folder / NOTES / _GOING)
    is_next = isinstance(known, dict) and known.get("version") == manifest.get(VERSION, 1) + 1
    return set(known.get("touched", [])) if is_next else set()


def _rewrite_files(
    layout: Layout, copy: Copy, doomed: Mapping[str, Sample], touched: set[str], version: int
) -> dict[str, Any]:
    """Takes the clips out of the files; returns what the manifest says of these."""
    folder = Path(copy["path"])
    commit_json(folder / NOTES / _GOING, {"version": version, "touched": sorted(touched)})
    rows = rows_of(layout, doomed, version) | read_removed(folder)
    if rows:
        write_removed(folder, rows)
    purge = _frame_shards if is_frames(copy) else _sample_shards
    names, clips = purge(folder, doomed.keys())
    return {FILES: sorted(names), "clips": clips}


def _checksums_left(
    folder: Path, before: Mapping[str, Any], files: Collection[str], touched: Collection[str]
) -> list[Checksum]:
    """Checksums after a change; those of files that it did not touch stay as they were."""
    known = {name: row for name, row in by_file(before).items() if name not in touched}
    there = {*files, *({REMOVED} if (folder / REMOVED).exists() else ())}
    fresh = checksums_of(folder, (there - known.keys()) | (there & {REMOVED}))
    rows = {name: row for name, row in known.items() if name in there}
    rows |= {each["file"]: each for each in fresh}
    return [rows[name] for name in sorted(rows)]


def _change(before: Mapping[str, Any], after: Mapping[str, Any]) -> ReleaseChange:
    old, new = by_file(before), by_file(after)
    same = {name for name in new if new[name] == old.get(name)}
    return ReleaseChange(
        version=int(after.get(VERSION, 1)),
        removed_clips=int(before.get("clips", 0)) - int(after.get("clips", 0)),
        rewritten=sorted(new.keys() - same | ({MANIFEST} if before != after else set())),
        unchanged=len(same) + (before == after),
        deleted=sorted(old.keys() - new.keys()),
    )


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
        discard(folder / INDEX)


def _samples(shard: Path) -> set[str]:
    with tarfile.open(shard) as tar:
        return {sample_of(member.name) for member in tar}


def _sample_shards(folder: Path, gone: Collection[str]) -> tuple[set[str], int]:
    """Shards of samples without removed clips; returns the names, and how many clips are left."""
    clips = 0
    shards = shards_of(folder)
    for path in shards:
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
    return {path.name for path in shards if path.exists()}, clips


def _frame_shards(folder: Path, gone: Collection[str]) -> tuple[set[str], int]:
    """Shards of frames and their index likewise."""
    from internvid.dataset.frame_shards import INDEX_SCHEMA  # brings decoders

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


def _manifest_left(manifest: Any, gone: Collection[str]) -> dict[str, Any]:
    """What a manifest states once the clips are gone, but for its files."""
    missing = [row for row in manifest.get("missing", []) if row.get("clip_id") not in gone]
    return {**manifest, "missing": missing}
