"""Takes the members of clips out of tar files; members that stay keep their bytes and order."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Collection
from pathlib import Path

from internvid.dataset.parts import committed, discard
from internvid.dataset.releases.clip_samples import Sample, sample_of


def clips_of_tar(path: Path) -> set[str]:
    """Ids of the clips that have members in it.

    Raises:
        OSError, TarError: it cannot be read.
    """
    with tarfile.open(path) as tar:
        return {sample_of(member.name) for member in tar}


def samples_of_tar(path: Path) -> dict[str, Sample]:
    """What the `.json` members of a shard say of its clips.

    Raises:
        OSError, TarError, ValueError: it cannot be read.
    """
    found: dict[str, Sample] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            clip_id = sample_of(member.name)
            found.setdefault(clip_id, Sample((path.name,)))
            file = tar.extractfile(member) if member.name.endswith(".json") else None
            if file is not None:
                row = json.loads(file.read())
                named = (row.get(name) for name in ("video_id", "source_id", "uri"))
                found[clip_id] = Sample((path.name,), *named)
    return found


def without_members(path: Path, gone: Collection[str]) -> int:
    """Write a tar file anew without some clips; returns how many clips are left.

    A file that lost nothing stays as it is; one that lost all is removed.
    """
    clips = clips_of_tar(path)
    if not clips.isdisjoint(gone):
        if clips <= set(gone):
            discard(path)
            return 0
        with (
            committed(path) as temporary,
            tarfile.open(path) as old,
            tarfile.open(temporary, "w") as new,
        ):
            for member in old:
                if sample_of(member.name) not in gone:
                    new.addfile(member, old.extractfile(member))
    return len(clips - set(gone))
