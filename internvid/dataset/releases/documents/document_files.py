"""Takes clips out of an export of documents: a document goes whole, with all that was cut for it.

What is written of a clip stands among texts of its neighbours, in an order that a trainer reads; a
document without some of its texts would be another one. The manifest lists the files whose rows
name documents (`document_files`).
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from internvid.core.errors import DatasetFormatError
from internvid.dataset.parts import read_groups
from internvid.dataset.releases.clip_samples import Sample, refuse_outside
from internvid.dataset.releases.documents.document_tables import (
    CLIP_TABLE,
    DOCUMENT,
    DOCUMENT_TABLE,
    counts_of_documents,
)
from internvid.dataset.releases.index_rows import ROW_FORMS, without_rows
from internvid.dataset.releases.tar_members import without_members

DOCUMENT_FILES, FILES = "document_files", "files"
TAR = "tar"
_TABLES = (DOCUMENT_TABLE, CLIP_TABLE)


class DocumentFile(TypedDict):
    """A file whose rows name documents.

    Attributes:
        file: its name below the export's folder.
        form: `jsonl`, `json` or `parquet`; `tar`: members begin with the name of their document.
        field: of a row, with the name of the document; empty for tar files.
    """

    file: str
    form: str
    field: str


@dataclass(frozen=True)
class DocumentFiles:
    """An export of documents.

    Attributes:
        folder: of the export.
        manifest: as it was published.
    """

    folder: Path
    manifest: Mapping[str, Any]

    @functools.cached_property
    def _listed(self) -> list[DocumentFile]:
        for each in self.manifest[DOCUMENT_FILES]:
            refuse_outside(each["file"])
            if each["form"] != TAR and each["form"] not in ROW_FORMS:
                raise DatasetFormatError(
                    f"its file {each['file']} has the form {each['form']!r}, which this version of "
                    "internvid cannot take rows out of",
                    hint="take clips back with the version that published it",
                )
        return list(self.manifest[DOCUMENT_FILES])

    def samples(self) -> dict[str, Sample]:
        """What `clips.parquet` says of each clip: the files of all documents that have it."""
        files: defaultdict[str, set[str]] = defaultdict(set)
        named: dict[str, tuple[str | None, ...]] = {}
        shards = self._shards()
        for table in read_groups(self.folder / CLIP_TABLE):
            for row in table.to_pylist():
                clip_id = row["clip_id"]
                # A call that was killed may have rewritten one table and not the other.
                files[clip_id] |= {shards[row[DOCUMENT]]} if row[DOCUMENT] in shards else set()
                files[clip_id] |= set(row["files"])
                named.setdefault(clip_id, (row["video_id"], row["source_id"], row["uri"]))
        for names in files.values():
            for name in names:
                refuse_outside(name)
        return {
            clip_id: Sample(tuple(sorted(files[clip_id])), *facts)
            for clip_id, facts in named.items()
        }

    def others(self) -> set[str]:
        """Files that neither name documents nor were cut for one."""
        listed = {each["file"] for each in self._listed}
        left = set(self.manifest[FILES]) - listed - self._cut_files()
        # What a killed call deleted is none any more.
        return {name for name in left if (self.folder / name).exists()}

    def rewritten(self, doomed: Mapping[str, Sample]) -> set[str]:
        """Lists and tables; of shards those with a document that goes."""
        gone = self._documents(doomed)
        if not gone:
            return set()
        shards = self._shards()
        kept = set(shards.values()) - {shards[each] for each in gone if each in shards}
        return {each["file"] for each in self._listed} - kept

    def deleted(self, doomed: Mapping[str, Sample]) -> set[str]:
        """Files that were cut for documents that go, and for no other one."""
        gone = self._documents(doomed)
        return self._cut_files(gone) - self._cut_files(without=gone) if gone else set()

    def take_out(self, doomed: Mapping[str, Sample]) -> dict[str, Any]:
        """Rows first, what was cut next, and last the tables that say which documents go."""
        gone = self._documents(doomed)
        deleted, rewritten = self.deleted(doomed), self.rewritten(doomed)
        for each in self._listed:
            if each["file"] in rewritten - set(_TABLES):
                self._without(each, gone)
        for name in sorted(deleted):
            (self.folder / name).unlink(missing_ok=True)
        for name in _TABLES:
            without_rows(self.folder / name, "parquet", DOCUMENT, gone.__contains__)
        left = [each for each in self._listed if (self.folder / each["file"]).exists()]
        kept = {each["file"] for each in left} | self._cut_files() | self.others()
        counts = counts_of_documents(self.folder)
        counts = {name: value for name, value in counts.items() if name in self.manifest}
        names = [name for name in self.manifest[FILES] if name in kept]
        return {FILES: names, DOCUMENT_FILES: left, **counts}

    def _without(self, file: DocumentFile, gone: set[str]) -> None:
        """Takes rows out of a file; a tar file goes with its last document."""
        path = self.folder / file["file"]
        if file["form"] != TAR:
            without_rows(path, file["form"], file["field"], gone.__contains__)
        elif path.exists():  # one that a killed call removed is none any more
            without_members(path, gone)

    def _documents(self, doomed: Mapping[str, Sample]) -> set[str]:
        """Documents that have one of these clips."""
        found: set[str] = set()
        for table in read_groups(self.folder / CLIP_TABLE) if doomed else ():
            ids, documents = table["clip_id"].to_pylist(), table[DOCUMENT].to_pylist()
            found.update(
                document for clip, document in zip(ids, documents, strict=True) if clip in doomed
            )
        return found

    def _shards(self) -> dict[str, str]:
        """Document -> the file that it stands in."""
        found: dict[str, str] = {}
        for table in read_groups(self.folder / DOCUMENT_TABLE):
            pairs = zip(table[DOCUMENT].to_pylist(), table["file"].to_pylist(), strict=True)
            found.update(pairs)
        return found

    def _cut_files(self, only: set[str] | None = None, without: set[str] | None = None) -> set[str]:
        """Files that were cut for documents: all, only of some, or of all but some."""
        found: set[str] = set()
        for table in read_groups(self.folder / CLIP_TABLE):
            rows = zip(table[DOCUMENT].to_pylist(), table["files"].to_pylist(), strict=True)
            for document, names in rows:
                is_wanted = only is None or document in only
                if is_wanted and not (without and document in without):
                    found.update(names or ())
        return found
