"""How clips lie in an export, and how they are taken out, by what its manifest says.

No exporter is named here. An export is in one of these forms:

- its manifest has `samples`, with the files of each clip, and `indexes`, which list them;
- frame shards: `index.parquet` says where each clip lies in which tar file;
- tar files alone: members are named after their clips;
- its manifest has `document_files`: rows of several clips each, see `documents.document_files`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from internvid.dataset.releases.clip_samples import SAMPLES, Sample, refuse_outside
from internvid.dataset.releases.documents.document_files import DOCUMENT_FILES, DocumentFiles
from internvid.dataset.releases.frame_members import INDEX, samples_of_frames, without_frames
from internvid.dataset.releases.listed_files import FILES, ListedFiles
from internvid.dataset.releases.tar_members import samples_of_tar, without_members


class ExportForm(Protocol):
    """A finished export in one of the forms."""

    def samples(self) -> dict[str, Sample]:
        """What the export says of each of its clips.

        Raises:
            DatasetFormatError: its manifest or its index is damaged.
            OSError, TarError, ValueError: a shard is.
        """
        ...

    def others(self) -> set[str]:
        """Files of which the form does not know what is in them."""
        ...

    def rewritten(self, doomed: Mapping[str, Sample]) -> set[str]:
        """Files that lose something when clips are taken out, but are not gone."""
        ...

    def deleted(self, doomed: Mapping[str, Sample]) -> set[str]:
        """Files that go with clips."""
        ...

    def take_out(self, doomed: Mapping[str, Sample]) -> dict[str, Any]:
        """Take clips out of the files; returns what the manifest says of these now."""
        ...


@dataclass(frozen=True)
class TarFiles:
    """Tar files in which members are named after their clips.

    Attributes:
        folder: of the export.
        manifest: as it was published.
    """

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def _shards(self) -> list[Path]:
        """Those that are there: one that lost all its clips is not."""
        names = sorted(name for name in self.manifest[FILES] if _is_tar(name))
        for name in names:
            refuse_outside(name)
        return [self.folder / name for name in names if (self.folder / name).is_file()]

    def samples(self) -> dict[str, Sample]:
        """What `.json` members say of each clip."""
        found: dict[str, Sample] = {}
        for path in self._shards:
            for clip_id, each in samples_of_tar(path).items():
                name = path.relative_to(self.folder).as_posix()
                found[clip_id] = each._replace(files=(name,))
        return found

    def others(self) -> set[str]:
        """Files that are no tar files."""
        return {name for name in self.manifest[FILES] if not _is_tar(name)}

    def rewritten(self, doomed: Mapping[str, Sample]) -> set[str]:
        """The shards; one in which nothing is left goes."""
        return {name for each in doomed.values() for name in each.files}

    def deleted(self, doomed: Mapping[str, Sample]) -> set[str]:
        """None beyond these."""
        return set()

    def take_out(self, doomed: Mapping[str, Sample]) -> dict[str, Any]:
        """One shard after another."""
        shards = self._shards
        clips = sum(without_members(path, doomed.keys()) for path in shards)
        left = [path.relative_to(self.folder).as_posix() for path in shards if path.exists()]
        return {FILES: sorted([*left, *self.others()]), "clips": clips}


@dataclass(frozen=True)
class FrameFiles:
    """Frame shards and their index.

    Attributes:
        folder: of the export.
        manifest: as it was published.
    """

    folder: Path
    manifest: Mapping[str, Any]

    def samples(self) -> dict[str, Sample]:
        """What the index says of each clip."""
        return samples_of_frames(self.folder)

    def others(self) -> set[str]:
        """Files that are neither tar files nor the index."""
        return {name for name in self.manifest[FILES] if name != INDEX and not _is_tar(name)}

    def rewritten(self, doomed: Mapping[str, Sample]) -> set[str]:
        """Shards, under new names, and the index."""
        shards = {name for each in doomed.values() for name in each.files}
        return shards | {INDEX} if shards else shards

    def deleted(self, doomed: Mapping[str, Sample]) -> set[str]:
        """None beyond these."""
        return set()

    def take_out(self, doomed: Mapping[str, Sample]) -> dict[str, Any]:
        """New shards, the index, then the old shards go."""
        names, clips = without_frames(self.folder, doomed.keys())
        return {FILES: sorted({*names, *self.others()}), "clips": clips}


def form_of(folder: Path, manifest: Mapping[str, Any]) -> ExportForm | None:
    """The form of a finished export; None where its manifest does not say where clips are."""
    if SAMPLES in manifest:
        return ListedFiles(folder, manifest)
    if DOCUMENT_FILES in manifest:
        return DocumentFiles(folder, manifest)
    names = set(manifest.get(FILES, ()))
    tars = {name for name in names if _is_tar(name)}
    # Without a clip there is no shard.
    if INDEX in names and (tars or names == {INDEX}):
        return FrameFiles(folder, manifest)
    return TarFiles(folder, manifest) if tars or not manifest.get("clips") else None


def _is_tar(name: str) -> bool:
    return name.endswith(".tar")
