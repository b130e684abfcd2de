"""Makes the next version of a finished export, without some of its clips.

Killed anywhere, the next call goes on. Whoever reads an export meanwhile finds its files as they
were before, or as they are afterwards: each is replaced in one step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypedDict

from internvid.core.errors import DatasetFormatError
from internvid.dataset.layout import Layout, read_json
from internvid.dataset.left_temporaries import discard_temporaries
from internvid.dataset.parts import (
    commit_bytes,
    commit_json,
    discard,
    storage_errors,
)
from internvid.dataset.releases.checksums import (
    CHECKSUMS,
    FILES,
    REMOVED,
    SEAL,
    VERSION,
    Checksum,
    by_file,
    checksums_of,
    sealed,
)
from internvid.dataset.releases.clip_counts import COUNTS, counts_of
from internvid.dataset.releases.clip_samples import DROPPED_CLIPS, MISSING, SAMPLES, Sample
from internvid.dataset.releases.export_forms import ExportForm, form_of
from internvid.dataset.releases.origin import cleaned_origin
from internvid.dataset.releases.pages import PAGES, pages_again
from internvid.dataset.releases.removed_ids import read_removed, rows_of, write_removed
from internvid.dataset.removal.copies import (
    MANIFEST,
    NOTES,
    PROVENANCE,
    Copy,
    digest_of_json,
    note_copy,
    settle_copy,
)
from internvid.dataset.removal.scrubbing import Needles

_GOING = "reissue.json"


class ReleaseChange(TypedDict):
    """What became of an export from which clips were taken.

    Attributes:
        version: of the release now.
        removed_clips: clips that it had before and lacks now.
        rewritten: files that are new or have other bytes, the manifest too. unchanged: how many
            files have the same. deleted: files that are gone.
        before, after: `clips`, `windows` and `hours`, those of them that its manifest has.
    """

    version: int
    removed_clips: int
    rewritten: list[str]
    unchanged: int
    deleted: list[str]
    before: dict[str, float]
    after: dict[str, float]


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
        DatasetFormatError: its manifest does not say where clips are.
    """
    folder = Path(copy["path"])
    with storage_errors(folder):
        discard_temporaries(folder)
        before = read_json(folder / MANIFEST)
        change = _Change(folder, before)
        after = _manifest_left(before, gone)
        if PROVENANCE in before:
            after[PROVENANCE] = cleaned_origin(layout, copy, before[PROVENANCE], needles)
        after = change.of_files(layout, after, doomed)
        if after == before:
            discard(folder / NOTES)  # left by a kill after the manifest; it may name clips
            settle_copy(layout, copy, digest_of_json(before))
            return _described(before, before)
        after, data = sealed(change.of_pages(after))
        # First what proves the new manifest, or a kill between the two would lose the proof.
        digest = hashlib.sha256(data).hexdigest()
        copy = {**copy, "manifests": [*dict.fromkeys([*copy.get("manifests", []), digest])]}
        note_copy(layout, copy)
        commit_bytes(folder / MANIFEST, data)
        discard(folder / NOTES)
    settle_copy(layout, copy, digest)
    return _described(before, after)


def touched_by(folder: Path, manifest: Mapping[str, Any]) -> set[str]:
    """Files that a call which was killed touched, or was about to."""
    return set(_begun(folder, manifest).get("touched", ()))


def _begun(folder: Path, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a call noted that was killed."""
    known = read_json(folder / NOTES / _GOING)
    is_next = isinstance(known, dict) and known.get("version") == manifest.get(VERSION, 1) + 1
    return known if is_next else {}


class _Change:
    """One change of an export, or the rest of one that was begun."""

    def __init__(self, folder: Path, before: Mapping[str, Any]) -> None:
        form = form_of(folder, before)
        if form is None:
            raise DatasetFormatError(
                f"{folder / MANIFEST} does not say which file has which clip",
                hint="publish again, into a new folder",
            )
        self.folder, self.before, self.form = folder, before, form
        begun = _begun(folder, before)
        self.touched, self.clips = set(begun.get("touched", ())), set(begun.get("clips", ()))
        self.version = int(before.get(VERSION, 1)) + 1

    def of_files(
        self, layout: Layout, after: dict[str, Any], doomed: Mapping[str, Sample]
    ) -> dict[str, Any]:
        """Takes clips out of the files; the manifest with what it says of these."""
        form: ExportForm = self.form
        if self.clips - doomed.keys():
            # They are gone in part, whatever has come back to the dataset since.
            samples = form.samples()
            doomed = {name: samples[name] for name in self.clips & samples.keys()} | {**doomed}
        self.clips |= doomed.keys()
        self.touched |= form.rewritten(doomed) | form.deleted(doomed)
        if self.touched:
            self._note()
            rows = rows_of(layout, doomed, self.version) | read_removed(self.folder)
            if rows:
                write_removed(self.folder, rows)
            after |= form.take_out(doomed)
        return {**after, **counts_of(after)} if SAMPLES in after else after

    def of_pages(self, after: dict[str, Any]) -> dict[str, Any]:
        """Makes pages again; the manifest with its version and the checksums of all files."""
        after[VERSION] = self.version
        known = set(after.get(PAGES, ()))
        if known:
            after[FILES] = [name for name in after[FILES] if name not in known]
            later = (CHECKSUMS, SEAL, PAGES)
            shown = {name: value for name, value in after.items() if name not in later}
            pages = pages_again(shown, self.folder)
            self.touched |= known | pages.keys()
            self._note()
            for name, data in pages.items():
                commit_bytes(self.folder / name, data)
            for name in known - pages.keys():
                discard(self.folder / name)
            after |= {PAGES: list(pages), FILES: [*after[FILES], *pages]}
        if CHECKSUMS in self.before:
            after[CHECKSUMS] = self._checksums(after[FILES])
        return after

    def _checksums(self, files: Collection[str]) -> list[Checksum]:
        """Checksums after the change; those of files that it did not touch stay as they were."""
        known = by_file(self.before)
        known = {name: row for name, row in known.items() if name not in self.touched}
        there = {*files, *({REMOVED} if (self.folder / REMOVED).exists() else ())}
        fresh = checksums_of(self.folder, (there - known.keys()) | (there & {REMOVED}))
        rows = {name: row for name, row in known.items() if name in there}
        rows |= {each["file"]: each for each in fresh}
        return [rows[name] for name in sorted(rows)]

    def _note(self) -> None:
        touched, clips = sorted(self.touched), sorted(self.clips)
        note = {"version": self.version, "touched": touched, "clips": clips}
        commit_json(self.folder / NOTES / _GOING, note)


def _manifest_left(manifest: Mapping[str, Any], gone: Collection[str]) -> dict[str, Any]:
    """What a manifest states once clips are gone, but for its files."""
    left = dict(manifest)
    for name in (MISSING, DROPPED_CLIPS):
        if name in manifest or name == MISSING:
            rows = manifest.get(name, [])
            left[name] = [row for row in rows if row.get("clip_id") not in gone]
    return left


def _described(before: Mapping[str, Any], after: Mapping[str, Any]) -> ReleaseChange:
    old, new = by_file(before), by_file(after)
    same = {name for name in new if new[name] == old.get(name)}
    return ReleaseChange(
        version=int(after.get(VERSION, 1)),
        removed_clips=int(before.get("clips", 0)) - int(after.get("clips", 0)),
        rewritten=sorted(new.keys() - same | ({MANIFEST} if before != after else set())),
        unchanged=len(same) + (before == after),
        deleted=sorted(old.keys() - new.keys()),
        before={name: before[name] for name in COUNTS if name in before},
        after={name: after[name] for name in COUNTS if name in after},
    )
