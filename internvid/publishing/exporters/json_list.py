"""Videos and one JSON list of them: LTX-2, DiffSynth, VideoX-Fun, EasyAnimate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from internvid.core.contracts import ExportItems
from internvid.publishing.index_files import IndexFile, WrittenVideo
from internvid.publishing.video_files import VideoFilesExporter


@dataclass(frozen=True)
class JsonListExporter(VideoFilesExporter):
    """`videos/<clip_id>.mp4` and `dataset.json`, a list with a row for each video.

    A row has the path and the text under every name that trainers look for: `video` and `caption`
    (LTX-2), `video` and `prompt` (DiffSynth), `file_path`, `text` and `type` (VideoX-Fun,
    EasyAnimate; without `type` they take a video for a picture). Paths are relative to the file.
    """

    version: ClassVar[int] = 2

    def indexes(self, items: ExportItems) -> Sequence[IndexFile]:
        """`dataset.json`."""
        return (IndexFile("dataset.json", "json", "video", _row),)


def _row(video: WrittenVideo) -> dict[str, Any]:
    return {
        "video": video.path,
        "file_path": video.path,
        "type": "video",
        "caption": video.text,
        "prompt": video.text,
        "text": video.text,
        "width": video.width,
        "height": video.height,
        "fps": video.fps,
        "num_frames": video.frames,
        "duration": video.seconds,
        **video.rights,
    }
