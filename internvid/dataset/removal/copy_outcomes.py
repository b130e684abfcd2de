"""What is to become of copies when clips are removed; nothing is changed here."""

from __future__ import annotations

import tarfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypedDict

from internvid.core.errors import DatasetFormatError, DependencyMissingError
from internvid.dataset.layout import Layout, read_json
from internvid.dataset.releases.checksums import by_file, checksum_of
from internvid.dataset.releases.clip_samples import Sample, unwritten_clips
from internvid.dataset.releases.export_forms import ExportForm, form_of
from internvid.dataset.releases.origin import cleaned_origin
from internvid.dataset.releases.pages import trouble_with_others
from internvid.dataset.releases.take_out import touched_by
from internvid.dataset.releases.unfinished import clips_of_unfinished
from internvid.dataset.removal.copies import (
    EXPORT,
    HUB,
    MANIFEST,
    PACK,
    PROVENANCE,
    PURGED,
    REISSUE,
    UNTOUCHED,
    Copy,
    exporter_of,
    is_proven,
    is_whole,
)
from internvid.dataset.removal.scrubbing import Needles

_PACK_FACTS = ("picks.json", "picks.doing.json")


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


def outcome_of(layout: Layout, copy: Copy, gone: Collection[str], needles: Needles) -> CopyOutcome:
    """What is to become of a copy.

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
        is_ours = any(isinstance(read_json(folder / name), dict) for name in _PACK_FACTS)
        return outcome(PURGED if is_ours else UNTOUCHED, None if is_ours else 0)
    if not folder.is_dir():
        return outcome(REISSUE, None, "the folder is not there now")
    if not is_proven(copy, folder):
        return outcome(REISSUE, None, "its manifest is not the one that this dataset wrote")
    try:
        if not is_whole(folder):
            clips = len(clips_of_unfinished(folder) & set(gone))
            return outcome(PURGED if clips else UNTOUCHED, clips)
        manifest = read_json(folder / MANIFEST)
        form = form_of(folder, manifest)
        if form is None:
            exporter = exporter_of(copy)
            return outcome(REISSUE, None, f"{exporter} does not say which file has which clip")
        doomed = {name: each for name, each in form.samples().items() if name in gone}
        found = doomed.keys() | (unwritten_clips(manifest) & set(gone))
        if not found and not _names(layout, copy, needles):
            return outcome(UNTOUCHED, 0)
        trouble = _trouble(folder, manifest, form, doomed)
    except DependencyMissingError as error:
        return outcome(REISSUE, None, error.message)
    except (DatasetFormatError, OSError, ValueError, tarfile.TarError) as error:
        return outcome(REISSUE, None, f"it cannot be read: {error}".splitlines()[0])
    return outcome(REISSUE if trouble else PURGED, len(found), trouble)


def _trouble(folder: Path, manifest: Any, form: ExportForm, doomed: Mapping[str, Sample]) -> str:
    """Why clips cannot be taken out of a finished export; empty where they can."""
    known, begun = by_file(manifest), touched_by(folder, manifest)
    for name in sorted((form.rewritten(doomed) & known.keys()) - begun):
        if checksum_of(folder, name) != known[name]:
            return f"{name} has other bytes than were published"
    return trouble_with_others(manifest, folder, form.others(), doomed.keys())


def _names(layout: Layout, copy: Copy, needles: Needles) -> bool:
    """Whether the recipe in a manifest names something that is removed."""
    manifest = read_json(Path(copy["path"]) / MANIFEST)
    known = manifest.get(PROVENANCE) if isinstance(manifest, dict) else None
    return known is not None and bool(known != cleaned_origin(layout, copy, known, needles))
