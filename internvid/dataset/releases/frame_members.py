"""Takes clips out of frame shards, whose index knows where in its shard each clip lies.

New shards lie beside the old ones until the index names them: a training run that is reading sees
one or the other.
"""

from __future__ import annotations

import tarfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow as pa

from internvid.dataset.parts import commit_table, committed, discard, read_part
from internvid.dataset.releases.clip_samples import Sample

INDEX = "index.parquet"


def samples_of_frames(folder: Path) -> dict[str, Sample]:
    """What the index of frame shards says of each clip.

    Raises:
        DatasetFormatError: it is missing or damaged.
    """
    rows = read_part(folder / INDEX, ["clip_id", "shard", "source_id", "uri"]).to_pylist()
    return {
        row["clip_id"]: Sample((row["shard"],), None, row["source_id"], row["uri"]) for row in rows
    }


def without_frames(folder: Path, gone: Collection[str]) -> tuple[set[str], int]:
    """Take clips out of frame shards and their index.

    Returns:
        The names of the shards and the index, and how many clips are left.
    """
    from internvid.dataset.frame_shards import INDEX_SCHEMA  # brings decoders

    rows: list[dict[str, Any]] = read_part(folder / INDEX).to_pylist()
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
