"""Copies of clips outside the dataset: where they were written, and which hold removed clips.

`exports/<digest>.json` says of each export where it lies, and has the digest of its manifest: a
folder is changed only if the manifest in it proves that this dataset wrote it. Packs of pictures
that training reads are noted too, and what was uploaded.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import tarfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, cast

from internvid.core.config import Identity
from internvid.core.errors import DatasetFormatError, StorageError
from internvid.dataset.layout import Layout, read_json
from internvid.dataset.parts import commit_json, read_part
from internvid.dataset.releases.origin import cleaned_provenance
from internvid.dataset.removal.scrubbing import Needles

logger = logging.getLogger(__name__)

EXPORT, PACK, HUB = "export", "pictures", "hub"
MANIFEST, NOTES, REQUEST = "manifest.json", ".unfinished", "asked.json"
PROVENANCE = "provenance"
PACK_FACTS = ("picks.json", "picks.doing.json")
PURGED, REISSUE, UNTOUCHED = "purged", "reissue", "untouched"
# One of several samples of a clip.
_NUMBERED = re.compile(r"_[a-z]\d+$")
_WEBDATASET, _FRAMES = "WebDatasetExporter", "FramesExporter"


class Copy(TypedDict, total=False):
    """A copy that the dataset knows of.

    Attributes:
        kind: export, pictures or hub. path: the folder, or the repository.
        exporter, cut, subset, keep_paths: what was written.
        manifests: digests of the manifest that may lie there; none while it is not whole.
        earlier: those of its earlier versions, and of what lay there before, by which copies that
            lie elsewhere are known.
    """

    kind: str
    path: str
    exporter: Identity | None
    cut: str | None
    subset: str | None
    keep_paths: bool
    manifests: list[str]
    earlier: list[str]


class Sample(NamedTuple):
    """What an export says of a clip: the shard that it is in, its video, its source."""

    shard: str
    video_id: str | None
    source_id: str | None
    uri: str | None


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


def digests_of(copy: Copy) -> list[str]:
    """Digests of all manifests that it has or had."""
    return list(dict.fromkeys([*copy.get("earlier", []), *copy.get("manifests", [])]))


def copy_at(layout: Layout, folder: Path) -> Copy | None:
    """The export that was noted at a place."""
    known = read_json(_place(layout, {"kind": EXPORT, "path": str(folder.resolve())}))
    return cast("Copy", known) if isinstance(known, dict) and "path" in known else None


def settle_copy(layout: Layout, copy: Copy, digest: str) -> Copy:
    """Note that this manifest lies there now, and the others no more."""
    earlier = [each for each in digests_of(copy) if each != digest]
    settled: Copy = {**copy, "manifests": [digest], "earlier": earlier}
    if settled != copy_at(layout, Path(copy["path"])):
        note_copy(layout, settled)
    return settled


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


def outcome_of(layout: Layout, copy: Copy, gone: Collection[str], needles: Needles) -> CopyOutcome:
    """What is to become of a copy when clips are removed; nothing is changed.

    Args:
        layout: of the dataset.
        copy: as it was noted.
        gone: ids of the removed clips.
        needles: all ids that are removed, which the recipe in a manifest may name.
    """

    def outcome(action: str, clips: int | None, reason: str = "") -> CopyOutcome:
        kind = copy.get("kind", EXPORT)
        return CopyOutcome(path=copy["path"], kind=kind, action=action, clips=clips, reason=reason)

    folder = Path(copy["path"])
    if not gone and not _names(layout, copy, needles):
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
    return outcome(PURGED if clips or _names(layout, copy, needles) else UNTOUCHED, clips)


def cleaned_origin(layout: Layout, copy: Copy, known: Any, needles: Needles) -> Any:
    """What the manifest of an export may state of its origin (`provenance`)."""
    keep_paths = bool(copy.get("keep_paths"))
    return cleaned_provenance(layout, copy.get("subset"), known, needles, keep_paths=keep_paths)


def _names(layout: Layout, copy: Copy, needles: Needles) -> bool:
    """Whether the recipe in a manifest names something that is removed."""
    manifest = read_json(Path(copy["path"]) / MANIFEST)
    known = manifest.get(PROVENANCE) if isinstance(manifest, dict) else None
    return known is not None and bool(known != cleaned_origin(layout, copy, known, needles))


def is_proven(copy: Copy, folder: Path) -> bool:
    """Whether what lies in a folder is the copy that was noted."""
    if not is_whole(folder):
        request = read_json(folder / NOTES / REQUEST)
        named = {"exporter", "cut", "subset"} | (copy.keys() & {"keep_paths"})
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


def samples_in(copy: Copy, folder: Path) -> dict[str, Sample]:
    """What a finished export says of each of its clips.

    Raises:
        DatasetFormatError: its index is damaged.
        OSError, TarError, ValueError: a shard is.
    """
    if is_frames(copy):
        from internvid.dataset.frame_shards import INDEX  # brings decoders, which nobody needs here

        rows = read_part(folder / INDEX, ["clip_id", "shard", "source_id", "uri"]).to_pylist()
        return {row.pop("clip_id"): Sample(video_id=None, **row) for row in rows}
    found: dict[str, Sample] = {}
    for path in shards_of(folder):
        with tarfile.open(path) as tar:
            for member in tar:
                clip_id = sample_of(member.name)
                found.setdefault(clip_id, Sample(path.name, None, None, None))
                file = tar.extractfile(member) if member.name.endswith(".json") else None
                if file is not None:
                    row = json.loads(file.read())
                    named = (row.get(name) for name in ("video_id", "source_id", "uri"))
                    found[clip_id] = Sample(path.name, *named)
    return found


def shards_of(folder: Path) -> list[Path]:
    """The shards that a manifest names, of those that are there."""
    manifest = read_json(folder / MANIFEST)
    names = manifest.get("files", []) if isinstance(manifest, dict) else []
    return [path for path in sorted(folder.glob("shard-*.tar")) if path.name in names]


def sample_of(name: str) -> str:
    """The clip that a member of a shard belongs to."""
    return _NUMBERED.sub("", name.partition(".")[0])


def _members(shard: Path) -> Iterator[str]:
    with tarfile.open(shard) as tar:
        for member in tar:
            yield member.name


def _place(layout: Layout, copy: Copy) -> Path:
    name = hashlib.sha256(f"{copy.get('kind')}\n{copy['path']}".encode("utf-8", "surrogatepass"))
    return layout.root / "exports" / f"{name.hexdigest()[:16]}.json"
