"""Videos and a table of them, as csv and as Parquet: Open-Sora."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from internvid.core.contracts import ExportItems
from internvid.publishing.index_files import IndexFile, WrittenVideo, folder_path
from internvid.publishing.video_files import VideoFilesExporter

_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("text", pa.string()),
        ("num_frames", pa.int64()),
        ("height", pa.int64()),
        ("width", pa.int64()),
        ("aspect_ratio", pa.float64()),
        ("resolution", pa.int64()),
        ("fps", pa.float64()),
        ("licence", pa.string()),
        ("source", pa.string()),
    ]
)


@dataclass(frozen=True)
class OpenSoraExporter(VideoFilesExporter):
    """`videos/<clip_id>.mp4`, `dataset.csv` and `dataset.parquet` with the same rows.

    `aspect_ratio` is height over width, `resolution` their product. The trainer opens `path` as it
    stands, from the folder that it is started in.

    Attributes:
        base_path: where the export will lie for the trainer; every `path` begins with it.
    """

    version: ClassVar[int] = 1

    base_path: str = ""

    def indexes(self, items: ExportItems) -> Sequence[IndexFile]:
        """`dataset.csv` and `dataset.parquet`."""
        base = folder_path(self.base_path)
        return (
            IndexFile("dataset.csv", "csv", "path", self._row, base=base),
            IndexFile("dataset.parquet", "parquet", "path", self._row, _SCHEMA, base=base),
        )

    def _row(self, video: WrittenVideo) -> dict[str, Any]:
        return {
            "path": folder_path(self.base_path) + video.path,
            "text": video.text,
            "num_frames": video.frames,
            "height": video.height,
            "width": video.width,
            "aspect_ratio": video.height / video.width,
            "resolution": video.height * video.width,
            "fps": video.fps,
            **video.rights,
        }
