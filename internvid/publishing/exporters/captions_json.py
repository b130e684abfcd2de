"""Videos and `videos2caption.json`: FastVideo, Open-Sora Plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from internvid.core.contracts import ExportItems
from internvid.core.errors import ConfigInvalidError
from internvid.publishing.index_files import IndexFile, WrittenVideo, folder_path
from internvid.publishing.video_files import VideoFilesExporter

_INDEX = "videos2caption.json"


@dataclass(frozen=True)
class CaptionsJsonExporter(VideoFilesExporter):
    """`videos/<clip_id>.mp4`, `videos2caption.json`, and `data.txt`, which names both.

    FastVideo opens the folder and takes paths from `videos/` on. Open-Sora Plan, and FastVideo's
    earlier script, are given `data.txt`: a line with a folder and the list of its videos. Some
    releases of Open-Sora Plan fail on a row without `crop` (left, right, top, bottom).

    Attributes:
        base_path: where the export will lie for the trainer, which `data.txt` begins its paths
            with; empty where it is started in the export's folder.
    """

    version: ClassVar[int] = 1

    base_path: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if "," in self.base_path:
            raise ConfigInvalidError(
                f"base_path={self.base_path!r} has a comma, which parts the two paths of data.txt",
                hint="give the folder another name, or start the trainer in it",
            )

    def indexes(self, items: ExportItems) -> Sequence[IndexFile]:
        """`videos2caption.json`."""
        return (IndexFile(_INDEX, "json", "path", self._row, root=self.videos),)

    def fixed_files(self) -> Mapping[str, bytes]:
        """`data.txt`."""
        base = folder_path(self.base_path)
        return {"data.txt": f"{base}{self.videos.rstrip('/')},{base}{_INDEX}\n".encode()}

    def _row(self, video: WrittenVideo) -> dict[str, Any]:
        return {
            "path": video.path.removeprefix(self.videos),
            "cap": video.text,
            "fps": video.fps,
            "num_frames": video.frames,
            "resolution": {"height": video.height, "width": video.width},
            "duration": video.seconds,
            "cut": [0, video.frames],
            "crop": [0, video.width, 0, video.height],
            **video.rights,
        }
