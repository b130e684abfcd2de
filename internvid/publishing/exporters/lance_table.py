"""A Lance dataset: clips as blobs beside all their columns, for random access and queries."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from internvid.core.contracts import ExportItem, ExportItems
from internvid.dataset.parts import discard
from internvid.dataset.releases.lance_rows import open_lance
from internvid.publishing.clip_files import write_clip_files
from internvid.publishing.cut_exporter import CutExporter
from internvid.publishing.export_summary import ExportSummary
from internvid.publishing.index_files import lance_facts
from internvid.publishing.readers.video_table import VideoTable
from internvid.publishing.shards import NOTES, dropped_clip
from internvid.publishing.source_files import ClipReader

_NAME = "clips.lance"
_VIDEO = "video"
_ROWS_AT_ONCE, _BYTES_AT_ONCE = 1024, 64 << 20


@dataclass(frozen=True)
class LanceExporter(CutExporter):
    """`clips.lance`: a row a window, with `video` (MP4, a blob) and the columns of `VideoTable`.

    Needs `internvid[lance]`. A clip without a caption has a null text. Files of Lance have random
    names and the time in them: equal exports have equal rows, not equal bytes. While it is written,
    videos lie in the folder a second time, so that an export that was killed goes on.
    """

    version: ClassVar[int] = 1
    needs_text: ClassVar[bool] = False

    def check(self, columns: Mapping[str, str]) -> None:
        """Refuse a caption, or a crop, of which clips have no column.

        Raises:
            ConfigInvalidError: no column is called so.
            DependencyMissingError: Lance is not installed.
        """
        super().check(columns)
        open_lance()

    def export(self, items: ExportItems, folder: Path) -> dict[str, Any]:
        """Write every clip whose source can be read; the others are listed with their reason."""
        lance = open_lance()
        table = VideoTable.of(items.schema)
        schema = pa.schema([*table.schema, lance.blob_field(_VIDEO)])
        summary = self.summary()
        discard(folder / _NAME)
        batches = (
            _batch(rows, table, schema, lance)
            for rows in _bounded(self._rows(items, folder / NOTES / "videos", table, summary))
        )
        reader = pa.RecordBatchReader.from_batches(schema, batches)
        lance.write_dataset(reader, str(folder / _NAME), data_storage_version="2.2")
        written = sorted(path for path in (folder / _NAME).rglob("*") if path.is_file())
        return {
            "files": [path.relative_to(folder).as_posix() for path in written],
            "indexes": [lance_facts(_NAME, "clip_id")],
            **summary.as_json(),
        }

    def _rows(
        self, items: ExportItems, staged: Path, table: VideoTable, summary: ExportSummary
    ) -> Iterator[dict[str, Any]]:
        reader = ClipReader()
        make = functools.partial(self._make, reader)
        for item, written in write_clip_files(items, staged, self.refusal, make):
            if written["missing"] is not None:
                summary.missing.append(written["missing"])
            elif written["dropped"] is not None:
                summary.drop(dropped_clip(item, written["dropped"]))
            else:
                facts, files = written["facts"], written["files"]
                windows = facts["windows"]
                summary.add(self.sample_of(item, [_NAME], windows, facts["unused_seconds"]))
                for video in self.videos_of(item, files, windows):
                    data = (staged / video.path).read_bytes()
                    yield {**table.row(video, video.path), _VIDEO: data}
        reader.close()

    def _make(
        self, reader: ClipReader, item: ExportItem
    ) -> tuple[Mapping[str, bytes], dict[str, Any]]:
        cut = self.cut_out(reader, item)
        files = {f"{window.stem}.mp4": window.data for window in cut.windows}
        windows = [window.facts for window in cut.windows]
        return files, {"windows": windows, "unused_seconds": cut.unused_seconds}


def _bounded(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Rows, as many at once as memory shall hold."""
    held: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        held.append(row)
        size += len(row[_VIDEO])
        if len(held) >= _ROWS_AT_ONCE or size >= _BYTES_AT_ONCE:
            yield held
            held, size = [], 0
    if held:
        yield held


def _batch(
    rows: list[dict[str, Any]], table: VideoTable, schema: pa.Schema, lance: Any
) -> pa.RecordBatch:
    videos = lance.blob_array([row.pop(_VIDEO) for row in rows])
    columns = pa.RecordBatch.from_pylist(rows, schema=table.schema).columns
    return pa.RecordBatch.from_arrays([*columns, videos], schema=schema)
