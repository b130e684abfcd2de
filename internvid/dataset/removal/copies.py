"""Copies of clips outside the dataset: where they were written, and how they are known.

`exports/<digest>.json` says of each export where it lies, and has the digest of its manifest: a
folder is changed only if the manifest in it proves that this dataset wrote it. Packs of pictures
that training reads are noted too, and what was uploaded.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any, TypedDict, cast

from internvid.core.config import Identity
from internvid.core.errors import StorageError
from internvid.dataset.layout import Layout, read_json
from internvid.dataset.parts import commit_json, json_pieces

logger = logging.getLogger(__name__)

EXPORT, PACK, HUB = "export", "pictures", "hub"
MANIFEST, NOTES, REQUEST = "manifest.json", ".unfinished", "asked.json"
PROVENANCE = "provenance"
PURGED, REISSUE, UNTOUCHED = "purged", "reissue", "untouched"


class Copy(TypedDict, total=False):
    """A copy that the dataset knows of.

    Attributes:
        kind: export, pictures or hub. path: the folder, or the repository.
        exporter, cut, subset, keep_paths: what was written.
        manifests: digests of the manifest that may lie there; none while it is not whole.
        earlier: those of its earlier versions, and of what lay there before, by which copies that
            lie elsewhere are known.
        removal, reason: what the last removal that concerned it did: `purged`, or `reissue`, until
            it is written again or reissued.
    """

    kind: str
    path: str
    exporter: Identity | None
    cut: str | None
    subset: str | None
    keep_paths: bool
    manifests: list[str]
    earlier: list[str]
    removal: str
    reason: str


class CopyState(TypedDict):
    """How a copy is.

    Attributes:
        path: the folder, or the repository. kind: export, pictures or hub.
        state: `whole`, `unfinished` or `absent`; None of what lies elsewhere.
        removal: `purged`, or `reissue` where somebody has to write it again, for the `reason`; None
            where no removal concerned it.
    """

    path: str
    kind: str
    state: str | None
    removal: str | None
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


def copy_states(layout: Layout) -> list[CopyState]:
    """How the copies are that the dataset knows of, by where they lie."""
    return [
        {
            "path": copy["path"],
            "kind": copy.get("kind", EXPORT),
            "state": _state_of(copy),
            "removal": copy.get("removal"),
            "reason": copy.get("reason", ""),
        }
        for copy in recorded_copies(layout)
    ]


def _state_of(copy: Copy) -> str | None:
    folder = Path(copy["path"])
    if copy.get("kind", EXPORT) == HUB:
        return None
    if not folder.is_dir():
        return "absent"
    return "unfinished" if copy.get("kind") == EXPORT and not is_whole(folder) else "whole"


def note_removal(layout: Layout, copy: Copy, action: str, reason: str) -> None:
    """Remember what a removal did to a copy; what has to be written again stays so."""
    if copy.get("removal") != REISSUE:
        note_copy(layout, {**copy, "removal": action, "reason": reason})


def without_removal(copy: Copy) -> Copy:
    """A copy that lacks nothing of what earlier removals should have done."""
    left: Copy = {**copy}
    left.pop("removal", None)
    left.pop("reason", None)
    return left


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
    digest = hashlib.sha256()
    for piece in json_pieces(value, "surrogatepass"):
        digest.update(piece)
    return digest.hexdigest()


def exporter_of(copy: Copy) -> str:
    """Class name of the exporter that wrote it."""
    made = copy.get("exporter") or {}
    return str(made.get("component", "")).rpartition(".")[2].rpartition(":")[2]


def is_whole(folder: Path) -> bool:
    """Whether an export is finished: the manifest is written last."""
    return (folder / MANIFEST).is_file()


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


def _place(layout: Layout, copy: Copy) -> Path:
    name = hashlib.sha256(f"{copy.get('kind')}\n{copy['path']}".encode("utf-8", "surrogatepass"))
    return layout.root / "exports" / f"{name.hexdigest()[:16]}.json"
