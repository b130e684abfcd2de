"""Takes removed clips out of an export that is not finished: whoever goes on writes the rest."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from internvid.core.errors import DatasetBusyError
from internvid.dataset.layout import read_json
from internvid.dataset.left_temporaries import discard_temporaries
from internvid.dataset.parts import discard, held
from internvid.dataset.releases.clip_samples import is_of_a_clip, sample_of
from internvid.dataset.releases.tar_members import clips_of_tar
from internvid.dataset.removal.copies import NOTES, REQUEST

_LOCK = "lock"
_TAR = ".tar"


def clips_of_unfinished(folder: Path) -> set[str]:
    """Ids of the clips that an unfinished export has files of, or notes about.

    Raises:
        OSError, TarError: a shard is damaged.
    """
    found: set[str] = set()
    for path in _written(folder):
        if path.suffix == _TAR:
            found |= clips_of_tar(path)
        elif is_of_a_clip(path.name):
            found.add(sample_of(path.name))
    for note in _notes(folder):
        found |= _clips_of_note(note)
    return found


def purge_unfinished(folder: Path, gone: Collection[str]) -> None:
    """Take clips out of an unfinished export.

    Shards with such clips go whole, and so do files that list all clips: they are made again when
    the export goes on.

    Raises:
        DatasetBusyError: it is being written.
        StorageError: its folder cannot be written to.
    """
    busy = DatasetBusyError(
        f"the export {folder} is being written, and holds removed clips",
        hint="wait until it ends, then: internvid remove DATASET",
    )
    gone = set(gone)
    with held(folder / NOTES / _LOCK, busy):
        discard_temporaries(folder)
        for path in list(_written(folder)):
            note = folder / NOTES / f"{path.relative_to(folder).as_posix()}.json"
            is_shard = path.suffix == _TAR
            # Without its note a shard is written anew; members may be named after documents.
            if is_shard and note.exists():
                if (clips_of_tar(path) | _clips_of_note(note)).isdisjoint(gone):
                    continue
            elif is_of_a_clip(path.name) and sample_of(path.name) not in gone:
                continue
            # The note first: with it, the file would count as written.
            discard(note)
            discard(path)
        for note in list(_notes(folder)):
            if not _clips_of_note(note).isdisjoint(gone):
                discard(note)


def _written(folder: Path) -> Iterator[Path]:
    """Files of the export, in order, without the notes."""
    for parent, folders, names in os.walk(folder):
        if NOTES in folders:
            folders.remove(NOTES)
        folders.sort()
        yield from (Path(parent, name) for name in sorted(names))


def _notes(folder: Path) -> Iterator[Path]:
    """Notes about shards and clips, and files of clips that wait beside them."""
    found = sorted((folder / NOTES).rglob("*"))
    return (path for path in found if path.name not in (REQUEST, _LOCK) and path.is_file())


def _clips_of_note(path: Path) -> set[str]:
    """Clips that a note is about."""
    if is_of_a_clip(path.name):
        return {sample_of(path.name)}
    known: Any = read_json(path)
    if not isinstance(known, dict):
        return set()
    rows = [*known.get("clips", ()), *known.get("missing", ())]
    return {str(row.get("clip_id", "")) for row in rows if isinstance(row, dict)}
