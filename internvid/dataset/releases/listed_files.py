"""Takes clips out of an export whose manifest lists them: `samples`, and `indexes` of their files.

- A file of `samples` goes with the last clip that has it.
- From an index go the rows with a path of such a file; a tar file loses the members of a clip, a
  Lance dataset its rows.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from internvid.core.errors import DatasetFormatError
from internvid.dataset.parts import sync_folder
from internvid.dataset.releases.clip_samples import SAMPLES, Sample, listed_samples, refuse_outside
from internvid.dataset.releases.index_rows import ROW_FORMS, without_rows
from internvid.dataset.releases.lance_rows import open_lance, without_lance_rows
from internvid.dataset.releases.tar_members import without_members

INDEXES, FILES = "indexes", "files"
TAR, LANCE = "tar", "lance"
_FORMS = frozenset({*ROW_FORMS, TAR, LANCE})


@dataclass(frozen=True)
class ListedFiles:
    """An export whose manifest has `samples`.

    Attributes:
        folder: of the export.
        manifest: as it was published.
    """

    folder: Path
    manifest: Mapping[str, Any]

    @functools.cached_property
    def _samples(self) -> dict[str, Sample]:
        return listed_samples(self.manifest)

    @functools.cached_property
    def _indexes(self) -> list[dict[str, Any]]:
        indexes = self.manifest.get(INDEXES, [])
        for index in indexes:
            refuse_outside(index["file"])
            if index["form"] not in _FORMS:
                raise DatasetFormatError(
                    f"its index {index['file']} has the form {index['form']!r}, which this version "
                    f"of internvid cannot take rows out of; it can of: {', '.join(sorted(_FORMS))}",
                    hint="take clips back with the version that published it",
                )
            if index["form"] == LANCE:
                open_lance()
        return list(indexes)

    @property
    def _tables(self) -> tuple[str, ...]:
        """What the names of files inside of Lance datasets begin with."""
        return tuple(f"{each['file']}/" for each in self._indexes if each["form"] == LANCE)

    def samples(self) -> dict[str, Sample]:
        """What `samples` says of each clip.

        Raises:
            DatasetFormatError: it, or `indexes`, is damaged.
            DependencyMissingError: an index needs a package that is not installed.
        """
        assert self._indexes is not None
        return self._samples

    def others(self) -> set[str]:
        """Files that are neither a clip's nor an index."""
        known = {name for each in self._samples.values() for name in each.files}
        known |= {index["file"] for index in self._indexes}
        names = set(self.manifest[FILES]) - known
        return {name for name in names if not name.startswith(self._tables)}

    def rewritten(self, doomed: Mapping[str, Sample]) -> set[str]:
        """The indexes, with all files of Lance datasets; of tar files those with such a clip."""
        if not doomed:
            return set()
        held = {name for each in doomed.values() for name in each.files}
        indexes = (each for each in self._indexes if each["form"] != TAR or each["file"] in held)
        inside = (name for name in self.manifest[FILES] if name.startswith(self._tables))
        return {*(index["file"] for index in indexes), *inside}

    def deleted(self, doomed: Mapping[str, Sample]) -> set[str]:
        """Files that no other clip has, and no index is."""
        left = (each for clip_id, each in self._samples.items() if clip_id not in doomed)
        kept = {name for each in left for name in each.files}
        kept |= {index["file"] for index in self._indexes}
        return {name for each in doomed.values() for name in each.files} - kept

    def take_out(self, doomed: Mapping[str, Sample]) -> dict[str, Any]:
        """Rows first, so that no index ever names a file that is not there."""
        deleted = self.deleted(doomed)
        indexes = [index for index in self._indexes if self._is_left(index, deleted, doomed)]
        gone = deleted | {index["file"] for index in self._indexes if index not in indexes}
        _delete(self.folder, deleted)
        left = [name for name in self.manifest[FILES] if name not in gone]
        return {
            FILES: [
                *self._files_of_tables(),
                *(name for name in left if not name.startswith(self._tables)),
            ],
            SAMPLES: [row for row in self.manifest[SAMPLES] if row["clip_id"] not in doomed],
            **({INDEXES: indexes} if INDEXES in self.manifest else {}),
        }

    def _is_left(
        self, index: Mapping[str, Any], deleted: Collection[str], doomed: Mapping[str, Sample]
    ) -> bool:
        """Takes rows out of an index; says whether the file is still there."""
        path = self.folder / index["file"]
        if index["form"] == TAR:
            # One that a killed call removed is none any more.
            return path.exists() and without_members(path, doomed.keys()) > 0
        if index["form"] == LANCE:
            without_lance_rows(path, index["path_field"], doomed.keys())
            return True
        # Some layouts name a video without its ending, or by its clip.
        names = {*deleted, *doomed, *(str(PurePosixPath(name).with_suffix("")) for name in deleted)}
        root, base = index.get("root", ""), index.get("base", "")
        without_rows(
            path,
            index["form"],
            index["path_field"],
            lambda value: root + value.removeprefix(base) in names,
        )
        return True

    def _files_of_tables(self) -> list[str]:
        paths = [path for name in self._tables for path in (self.folder / name).rglob("*")]
        files = (path for path in paths if path.is_file())
        return sorted(path.relative_to(self.folder).as_posix() for path in files)


def _delete(folder: Path, names: Collection[str]) -> None:
    """Remove files below a folder, and folders in which nothing is left."""
    parents = {(folder / name).parent for name in names}
    for parent in parents:
        if not parent.resolve().is_relative_to(folder.resolve()):
            raise DatasetFormatError(
                f"{parent} is a link that leads out of the export",
                hint="put the folder itself in its place",
            )
    for name in sorted(names):
        (folder / name).unlink(missing_ok=True)
    for parent in sorted(parents, key=lambda path: len(path.parts), reverse=True):
        if not parent.is_dir():
            continue
        sync_folder(parent)
        for each in (parent, *parent.parents):
            if each == folder or any(each.iterdir()):
                break
            each.rmdir()
