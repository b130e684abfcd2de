"""One video, no dataset: its shots."""

from __future__ import annotations

from pathlib import Path

from internvid.core import registry
from internvid.core.contracts import Detector
from internvid.core.errors import SourceMissingError, VideoError
from internvid.core.types import Shot
from internvid.pipeline.recipe import scan_for
from internvid.scan.scan import ScanRecipe, scan_video


def detect_shots(video: str | Path, detector: Detector | str = "default") -> list[Shot]:
    """The shots of one video.

    Args:
        video: a media file.
        detector: a detector or the name of one.

    Raises:
        SourceMissingError: there is no such file.
        VideoError: the video cannot be read.
    """
    if not Path(video).exists():
        raise SourceMissingError(f"there is no file {video}")
    chosen: Detector = (
        registry.create("detector", detector) if isinstance(detector, str) else detector
    )
    scan = scan_for(chosen, ScanRecipe(observers=("content", "luma", "transitions"), audio=False))
    try:
        timeline = scan_video(Path(video), scan).timeline
    except VideoError as error:
        raise type(error)(
            f"{video}: {error.message}", reason=error.reason, hint=error.hint
        ) from error
    return chosen.detect(timeline)
