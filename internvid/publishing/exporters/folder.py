"""A flat folder of videos with a text beside each: what trainers of text-to-video models read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from internvid.publishing.video_files import VideoFilesExporter


@dataclass(frozen=True)
class FolderExporter(VideoFilesExporter):
    """`<clip_id>.mp4` and `<clip_id>.txt`, one pair a window; `<clip_id>_w00` where they slide.

    Trainers that read such a folder: finetrainers, diffusion-pipe, musubi-tuner, ai-toolkit. They
    skip a video without a text, or fail, so a clip without a caption is dropped.
    """

    version: ClassVar[int] = 2
    videos: ClassVar[str] = ""

    def beside(self, text: str) -> Mapping[str, bytes]:
        """The text, in one line."""
        return {".txt": text.encode("utf-8")}
