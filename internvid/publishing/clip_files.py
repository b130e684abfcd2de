"""A folder with the files of each clip, of which a rerun writes only what is not there."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypedDict, cast

from internvid.core.contracts import ExportItem
from internvid.core.errors import InternvidError, VideoError
from internvid.dataset.parts import commit_bytes, commit_json, storage_errors
from internvid.publishing.shards import (
    NOTES,
    ClipDroppedError,
    MissingClip,
    Refuse,
    key_of,
    missing_clip,
)
from internvid.publishing.source_files import Sources

_OURS = re.compile(r"[0-9a-f]{32}(_w\d{2,})?\.[a-z0-9]+")


class FilesOfClip(TypedDict):
    """What became of a clip.

    Attributes:
        key: names the clip with its columns and its source.
        files: names of what was written, in order.
        facts: what the exporter wants to know of them, as plain JSON values.
        dropped: why the format does not take it; None where it does.
        missing: why it could not be written; None where it was, or was dropped.
    """

    key: str
    files: list[str]
    facts: dict[str, Any]
    dropped: str | None
    missing: MissingClip | None


Make = Callable[[ExportItem], tuple[Mapping[str, bytes], dict[str, Any]]]
"""Name -> bytes of each file of a clip, and facts about them."""


def write_clip_files(
    items: Iterable[ExportItem], folder: Path, refuse: Refuse, make: Make
) -> Iterator[tuple[ExportItem, FilesOfClip]]:
    """Writes the files of each clip, passing over clips that are there already.

    Each file appears whole or not at all. When the clips are through, files of clips that a run
    before this one wrote and that are no more due are removed, wherever they lie below the folder.

    Args:
        items: the clips.
        folder: where files go; notes go to `.unfinished` in it.
        refuse: whether a clip is dropped.
        make: reads one clip; `ClipDroppedError` from it drops the clip, a VideoError lists it as
            missing. It is given clips whose source is there and has the bytes that were scanned.
    """
    sources = Sources()
    written: set[str] = set()
    for item in items:
        name = item.clip.clip_id
        note, key = folder / NOTES / "clips" / name[:2] / f"{name}.json", key_of([item])
        known = _read(note, key)
        if known is None or not all((folder / file).is_file() for file in known["files"]):
            known = _write(item, folder, refuse, make, sources)
            known["key"] = key
            commit_json(note, known)
        written.update(known["files"])
        yield item, known
    _sweep(folder, written)


def _write(
    item: ExportItem, folder: Path, refuse: Refuse, make: Make, sources: Sources
) -> FilesOfClip:
    outcome: FilesOfClip = {"key": "", "files": [], "facts": {}, "dropped": None, "missing": None}
    reason = refuse(item)
    if reason is not None:
        outcome["dropped"] = reason
        return outcome
    files: Mapping[str, bytes] = {}
    while True:
        outcome["missing"] = outcome["dropped"] = None
        files, outcome["facts"] = {}, {}
        try:
            files, outcome["facts"] = make(sources.check(item))
        except ClipDroppedError as error:
            outcome["dropped"] = str(error)
        except VideoError as error:
            outcome["missing"] = missing_clip(item, error.reason, error.message)
        except (OSError, InternvidError):
            raise  # of the folder that is written to
        except Exception as error:  # noqa: BLE001 - one clip must not end the export of all others
            text = f"{type(error).__name__}: {error}"
            outcome["missing"] = missing_clip(item, "bug", text)
        # Another try leaves the clip out if its source changed meanwhile.
        if not sources.changed_since():
            break
    for name, data in files.items():
        commit_bytes(folder / name, data)
    outcome["files"] = list(files)
    return outcome


def _read(note: Path, key: str) -> FilesOfClip | None:
    try:
        known: Any = json.loads(note.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    is_same = isinstance(known, dict) and known.get("key") == key
    return cast("FilesOfClip", known) if is_same else None


def _sweep(folder: Path, written: Collection[str]) -> None:
    with storage_errors(folder):
        for parent, folders, names in os.walk(folder):
            if NOTES in folders:
                folders.remove(NOTES)
            for path in (Path(parent, name) for name in names if _OURS.fullmatch(name)):
                if path.relative_to(folder).as_posix() not in written:
                    path.unlink()
