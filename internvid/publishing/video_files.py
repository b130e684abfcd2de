"""What exporters of video files share: a file for each window, and files that list them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from internvid.core.contracts import ExportItem, ExportItems
from internvid.dataset.parts import commit_bytes
from internvid.publishing.clip_files import write_clip_files
from internvid.publishing.cut_exporter import CutExporter
from internvid.publishing.index_files import IndexFile, writing_indexes
from internvid.publishing.shards import dropped_clip
from internvid.publishing.source_files import ClipReader


@dataclass(frozen=True)
class VideoFilesExporter(CutExporter):
    """One MP4 for each window of each clip, and files that list them.

    What a layout adds: where videos lie (`folder_of`), files beside them (`beside`), `indexes`, and
    what says how these are read (`fixed_files`). Fields are those of `CutExporter`. A clip without
    a text is dropped.
    """

    videos: ClassVar[str] = "videos/"
    """Folder of the videos below the export's, with `/` at its end; empty for the folder itself."""

    def folder_of(self, item: ExportItem) -> str:
        """Folder of a clip's videos below the export's, with `/` at its end."""
        return self.videos

    def indexes(self, items: ExportItems) -> Sequence[IndexFile]:
        """Files that list the videos."""
        return ()

    def beside(self, text: str) -> Mapping[str, bytes]:
        """Ending -> bytes of files beside each video."""
        return {}

    def fixed_files(self) -> Mapping[str, bytes]:
        """Name -> bytes of files that name no clip, such as a note on how indexes are read."""
        return {}

    def export(self, items: ExportItems, folder: Path) -> dict[str, Any]:
        """Write every clip whose source can be read; the others are listed with their reason."""
        summary, files = self.summary(), list[str]()
        indexes = self.indexes(items)
        reader = ClipReader()
        make = functools.partial(self._make, reader)
        with writing_indexes(folder, indexes) as add:
            for item, written in write_clip_files(items, folder, self.refusal, make):
                files += written["files"]
                if written["missing"] is not None:
                    summary.missing.append(written["missing"])
                elif written["dropped"] is not None:
                    summary.drop(dropped_clip(item, written["dropped"]))
                else:
                    facts = written["facts"]
                    windows = facts["windows"]
                    left = facts["unused_seconds"]
                    summary.add(self.sample_of(item, written["files"], windows, left))
                    for video in self.videos_of(item, facts["paths"], windows):
                        add(video)
        reader.close()
        fixed = self.fixed_files()
        for name, data in fixed.items():
            commit_bytes(folder / name, data)
        return {
            "files": [*files, *(index.file for index in indexes), *fixed],
            "indexes": [index.facts() for index in indexes],
            **summary.as_json(),
        }

    def _make(
        self, reader: ClipReader, item: ExportItem
    ) -> tuple[Mapping[str, bytes], dict[str, Any]]:
        cut = self.cut_out(reader, item)
        text = self.text_of(item.row) or ""
        files: dict[str, bytes] = {}
        paths: list[str] = []
        for window in cut.windows:
            stem = self.folder_of(item) + window.stem
            paths.append(f"{stem}.mp4")
            files[paths[-1]] = window.data
            files |= {f"{stem}{ending}": data for ending, data in self.beside(text).items()}
        windows = [window.facts for window in cut.windows]
        return files, {
            "paths": paths,
            "windows": windows,
            "unused_seconds": cut.unused_seconds,
        }
