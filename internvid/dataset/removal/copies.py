"""Copies of clips outside the dataset: where they were written, and which hold removed clips.

`exports/<digest>.json` says of each export where it lies, and has the digest of its manifest: a
folder is changed only if the manifest in it proves that this dataset wrote it. Packs of pictures
that training reads are noted too, and what was uploaded.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tarfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, TypedDict, cast

from internvid.core.config import Identity
from internvid.core.errors import DatasetFormatError, StorageError
from internvid.dataset.layout import Layout, read_json
from internvid.dataset.parts import commit_json, read_part

logger = logging.getLogger(__name__)

EXPORT, PACK, HUB = "export", "pictures", "hub"
MANIFEST, NOTES, REQUEST = "manifest.json", ".unfinished", "asked.json"
PACK_FACTS = ("picks.json", "picks.doing.json")
PURGED, REISSUE, UNTOUCHED = "purged", "reissue", "untouched"
_WEBDATASET, _FRAMES = "WebDatasetExporter", "FramesExporter"


class Copy(TypedDict, total=False):
    """A copy that the dataset knows of.

    Attributes:
        kind: export, pictures or hub. path: the folder, or the repository.
        exporter, cut, subset: what was written.
        manifests: digests of the manifest that may lie there; none while it is not whole.
    """

    kind: str
    path: str
    exporter: Identity | None
    cut: str | None
    subset: str | None
    manifests: list[str]


class CopyOutcome(TypedDict):
    """What becomes of a copy.

    Attributes:
        path: the folder, or the repository. kind: export, pictures or hub.
        action: `purged`, `reissue` (somebody has to write it again) or `untouched` (it holds
            nothing that was removed).
        clips: how many removed clips it holds; None where that is not known.
        reason: why it is not purged.
    """

    path: str
    kind: str
    action: str
    clips: int | None
    reason: str


def note_copy(layout: Layout, copy: Copy) -> bool:
    """Remember a copy. Where the dataset cannot be written to it is not, and this returns False."""
    try:
        commit_json(_place(layout, copy), copy)
    except StorageError as error:
        logger.warning("a removal of videos will not reach %s: %s", copy["path"], error.message)
        return False
    return True


def recorded_copies(layout: Layout) -> list[Copy]:
    """The copies that the dataset knows of, by where they lie."""
    read = (read_json(path) for path in sorted((layout.root / "exports").glob("*.json")))
    known = [each for each in read if isinstance(each, dict) and "path" in each]
    return cast("list[Copy]", sorted(known, key=lambda each: str(each["path"])))


def digest_of_json(value: Any) -> str:
    """Digest of a JSON file as `commit_json` writes it."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def exporter_of(copy: Copy) -> str:
    """Class name of the exporter that wrote it."""
    made = copy.get("exporter") or {}
    return str(made.get("component", "")).rpartition(".")[2].rpartition(":")[2]


def is_webdataset(copy: Copy) -> bool:
    """Whether shards hold samples that are read one after another."""
    return exporter_of(copy) == _WEBDATASET


def is_frames(copy: Copy) -> bool:
    """Whether an index says where clips lie in the shards."""
    return exporter_of(copy) == _FRAMES


def is_whole(folder: Path) -> bool:
    """Whether an export is finished: the manifest is written last."""
    return (folder / MANIFEST).is_file()


def outcome_of(copy: Copy, gone: Collection[str]) -> CopyOutcome:
    """What is to become of a copy when clips are removed; nothing is changed.

    Args:
        copy: as it was noted.
        gone: ids of the removed clips.
    """

    def outcome(action: str, clips: int | None, reason: str = "") -> CopyOutcome:
        kind = copy.get("kind", EXPORT)
        return CopyOutcome(path=copy["path"], kind=kind, action=action, clips=clips, reason=reason)

    folder = Path(copy["path"])
    if not gone:
        return outcome(UNTOUCHED, 0)
    if copy.get("kind") == HUB:
        return outcome(REISSUE, None, "it was uploaded: push it again, or delete it there")
    if copy.get("kind") == PACK:
        is_ours = any(isinstance(read_json(folder / name), dict) for name in PACK_FACTS)
        return outcome(PURGED if is_ours else UNTOUCHED, None if is_ours else 0)
    if not folder.is_dir():
        return outcome(REISSUE, None, "the folder is not there now")
    if not is_proven(copy, folder):
        return outcome(REISSUE, None, "its manifest is not the one that this dataset wrote")
    if not (is_webdataset(copy) or is_frames(copy)):
        return outcome(REISSUE, None, f"exports of {exporter_of(copy)} cannot be purged")
    try:
        clips = len(clips_in(copy, folder) & set(gone))
    except (DatasetFormatError, OSError, tarfile.TarError) as error:
        return outcome(REISSUE, None, f"it cannot be read: {error}".splitlines()[0])
    return outcome(PURGED if clips else UNTOUCHED, clips)


def is_proven(copy: Copy, folder: Path) -> bool:
    """Whether what lies in a folder is the copy that was noted."""
    if not is_whole(folder):
        request = read_json(folder / NOTES / REQUEST)
        named = ("exporter", "cut", "subset")
        return isinstance(request, dict) and request == {name: copy.get(name) for name in named}
    try:
        data = (folder / MANIFEST).read_bytes()
    except OSError:
        return False
    return hashlib.sha256(data).hexdigest() in copy.get("manifests", [])


def clips_in(copy: Copy, folder: Path) -> set[str]:
    """Ids of the clips in a finished or unfinished export.

    Raises:
        DatasetFormatError: its index is damaged.
        OSError, TarError: a shard is.
    """
    if is_frames(copy) and is_whole(folder):
        from internvid.dataset.frame_shards import INDEX  # brings decoders, which nobody needs here

        return set(read_part(folder / INDEX, ["clip_id"])["clip_id"].to_pylist())
    found: set[str] = set()
    for shard in sorted(folder.glob("shard-*.tar")):
        found.update(sample_of(name) for name in _members(shard))
    for note in sorted((folder / NOTES).glob("*.json")):
        known = read_json(note)
        rows = [] if not isinstance(known, dict) else known.get("missing", [])
        found.update(row.get("clip_id", "") for row in rows)
    manifest = read_json(folder / MANIFEST)
    if isinstance(manifest, dict):
        found.update(row.get("clip_id", "") for row in manifest.get("missing", []))
    return found


def sample_of(name: str) -> str:
    """The clip that a member of a shard belongs to."""
    return name.partition(".")[0]


def _members(shard: Path) -> Iterator[str]:
    with tarfile.open(shard) as tar:
        for member in tar:
            yield member.name


def _place(layout: Layout, copy: Copy) -> Path:
    name = hashlib.sha256(f"{copy.get('kind')}\n{copy['path']}".encode("utf-8", "surrogatepass"))
    return layout.root / "exports" / f"{name.hexdigest()[:16]}.json"
