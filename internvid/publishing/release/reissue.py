"""The next version of an export, without the clips that its dataset has no more."""

from __future__ import annotations

import dataclasses
import hashlib
import tarfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from internvid.core.errors import DatasetFormatError, MisuseError, SourceMissingError
from internvid.dataset.layout import Layout, read_json
from internvid.dataset.parts import commit_bytes, storage_errors
from internvid.dataset.releases.checksums import (
    CHECKSUMS,
    FILES,
    REMOVED,
    VERSION,
    by_file,
    checksum_of,
    checksums_of,
    sealed,
)
from internvid.dataset.releases.clip_samples import Sample, unwritten_clips
from internvid.dataset.releases.export_forms import ExportForm, form_of
from internvid.dataset.releases.origin import travelling_uri
from internvid.dataset.releases.pages import trouble_with_others
from internvid.dataset.releases.take_out import ReleaseChange, take_out, touched_by
from internvid.dataset.removal.copies import (
    EXPORT,
    MANIFEST,
    Copy,
    copy_at,
    digests_of,
    exporter_of,
    note_copy,
    recorded_copies,
    settle_copy,
    without_removal,
)
from internvid.dataset.removal.pending import Removed
from internvid.dataset.removal.purging import writing
from internvid.dataset.removal.scrubbing import Needles
from internvid.dataset.removal.tombstones import (
    SOURCE,
    URI,
    read_tombstones,
    tombstones_path,
)
from internvid.dataset.store import Dataset


def reissue(dataset: Dataset, folder: Path) -> ReleaseChange:
    """Take out of a finished export what its dataset, or its subset, has no more.

    Files without such clips keep their bytes. Where nothing has to go, nothing is changed, except
    that checksums are added to a manifest that has none. A call that was killed is finished by
    the next one, to the same bytes.

    Args:
        dataset: that it was published from.
        folder: of the export, or of a copy of it: its manifest is one that the dataset noted.

    Raises:
        SourceMissingError: there is no finished export.
        MisuseError: it is not one of this dataset, or its cut or subset is gone.
        DatasetFormatError: a file that has to be changed is damaged, or one is missing.
        DatasetBusyError: another process writes to the dataset.
    """
    if not (folder / MANIFEST).is_file():
        raise SourceMissingError(
            f"{folder} holds no finished export (no {MANIFEST} in it)",
            hint="name the folder of an export, or finish it first: internvid publish",
        )
    layout = dataset.layout
    with writing(layout):
        dataset.refresh()
        copy = without_removal(_known_copy(layout, folder))
        manifest = read_json(folder / MANIFEST)
        form = form_of(folder, manifest)
        if form is None:
            raise MisuseError(
                f"exports of {exporter_of(copy)} cannot be reissued: their manifest does not say "
                "which file has which clip",
                hint="publish again, into a new folder",
            )
        samples = _samples(form, folder)
        published = _as_published(dataset, copy)
        current = _Current(published, copy.get("subset"))
        doomed = {name: each for name, each in samples.items() if current.lacks(name, each)}
        gone = (unwritten_clips(manifest) - current.rows.keys()) | doomed.keys()
        _refuse_trouble(folder, manifest, form, doomed)
        copy, is_sealed_now = _with_checksums(layout, copy, folder, manifest)
        done = take_out(layout, copy, doomed, gone, Needles.of(Removed()))
    if is_sealed_now and not done["rewritten"]:
        done["rewritten"] = [MANIFEST]
    return done


def _known_copy(layout: Layout, folder: Path) -> Copy:
    """What was noted of an export, or of the one that it is a copy of.

    Raises:
        MisuseError: nothing was.
    """
    try:
        digest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    except OSError as error:
        raise MisuseError(f"{folder / MANIFEST} cannot be read: {error.strerror}") from error
    here = copy_at(layout, folder)
    for copy in ([here] if here else []) + recorded_copies(layout):
        if copy.get("kind") != EXPORT or digest not in digests_of(copy):
            continue
        path = str(folder.resolve())
        if copy["path"] == path:
            return {**copy, "manifests": [*dict.fromkeys([*copy["manifests"], digest])]}
        # Another folder: its own history begins here.
        elsewhere: Copy = {**copy, "path": path, "manifests": [digest]}
        elsewhere.pop("earlier", None)
        return elsewhere
    raise MisuseError(
        f"{folder} is no export of {layout.root}: its manifest is none that this dataset noted",
        hint="name the dataset that it was published from; if the manifest was changed, restore it",
    )


def _with_checksums(
    layout: Layout, copy: Copy, folder: Path, manifest: Mapping[str, Any]
) -> tuple[Copy, bool]:
    """Adds checksums to a manifest of an earlier version; says whether it had none."""
    if CHECKSUMS in manifest:
        return copy, False
    with storage_errors(folder):
        names = [*manifest[FILES], *([REMOVED] if (folder / REMOVED).exists() else [])]
        rows = checksums_of(folder, names)
        added = {VERSION: manifest.get(VERSION, 1), CHECKSUMS: rows}
        _, data = sealed({**manifest, **added})
        digest = hashlib.sha256(data).hexdigest()
        copy = {**copy, "manifests": [*dict.fromkeys([*copy["manifests"], digest])]}
        note_copy(layout, copy)
        commit_bytes(folder / MANIFEST, data)
    return settle_copy(layout, copy, digest), True


def _samples(form: ExportForm, folder: Path) -> dict[str, Sample]:
    try:
        return form.samples()
    except DatasetFormatError as error:
        raise _damaged(folder, error.message) from error
    except (OSError, ValueError, tarfile.TarError) as error:
        raise _damaged(folder, f"a shard cannot be read: {error}") from error


def _refuse_trouble(
    folder: Path, manifest: Mapping[str, Any], form: ExportForm, doomed: Mapping[str, Sample]
) -> None:
    """What is rewritten must be what was published: damage is not to be given new checksums."""
    begun = touched_by(folder, manifest)
    for name in manifest[FILES]:
        if name not in begun and not (folder / name).is_file():
            raise _damaged(folder, f"{name} is missing")
    known = by_file(manifest)
    for name in sorted((form.rewritten(doomed) & known.keys()) - begun):
        if checksum_of(folder, name) != known[name]:
            raise _damaged(folder, f"{name} has other bytes than were published")
    trouble = trouble_with_others(manifest, folder, form.others(), doomed.keys())
    if trouble:
        raise MisuseError(
            f"{folder} cannot be reissued: {trouble}",
            hint="install what wrote it, or publish again, into a new folder",
        )


def _damaged(folder: Path, what: str) -> DatasetFormatError:
    return DatasetFormatError(
        f"{folder} is damaged: {what}",
        hint="restore it from a copy, or publish again, into a new folder",
    )


def _as_published(dataset: Dataset, copy: Copy) -> Dataset:
    """The dataset with the cut of an export.

    Raises:
        MisuseError: it has that cut no more.
    """
    cut = copy.get("cut")
    if cut == dataset.record.cut:
        return dataset
    if cut not in dataset.record.cuts:
        raise MisuseError(
            f"the export is of the cut {cut}, which {dataset.root} has no more",
            hint="publish again, into a new folder",
        )
    return Dataset(dataset.layout, dataclasses.replace(dataset.record, cut=cut))


class _Current:
    """What a dataset has now of what was published."""

    def __init__(self, dataset: Dataset, subset: str | None) -> None:
        with dataset.reading():
            rows = dataset.clips_relation(subset).select("clip_id, video_id")
            self.rows = dict(rows.fetchall())
            self._tombstones = read_tombstones(tombstones_path(dataset.layout))
            self._names: dict[str, set[str | None]] = defaultdict(set)
            if self._tombstones is not None:
                found = "select video_id, uri from videos where status in ('ok', 'duplicate')"
                for video_id, uri in dataset.sql(found).fetchall():
                    self._names[video_id].add(travelling_uri(uri))

    def lacks(self, clip_id: str, sample: Sample) -> bool:
        """Whether a clip is gone, or stands in an export with a source that was removed."""
        if clip_id not in self.rows:
            return True
        if self._tombstones is None:
            return False
        named = [(SOURCE, sample.source_id), (URI, sample.uri)]
        if any(self._tombstones.holds(kind, [text])[0] for kind, text in named):
            return True
        # Of a local source only the name travelled, which no digest of a whole path can meet.
        uri = sample.uri
        is_name = uri is not None and "/" not in uri
        return is_name and uri not in self._names[self.rows[clip_id]]
