"""The shots of one video, without a dataset and what it takes to import one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from internvid.core import registry
from internvid.core.contracts import Detector, WatchingDetector
from internvid.core.errors import SourceMissingError, VideoError
from internvid.core.types import Shot
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
        # Its name is identity enough: the bytes need not be read twice to hash them.
        timeline = scan_video(Path(video), scan, video_id=Path(video).name).timeline
    except VideoError as error:
        raise type(error)(
            f"{video}: {error.message}", reason=error.reason, hint=error.hint
        ) from error
    return chosen.detect(timeline)


def scan_for(detector: Detector, scan: ScanRecipe) -> ScanRecipe:
    """The scan with the observers that a detector asks for added.

    Raises:
        InternvidError: the detector cannot run as it is configured.
    """
    if not isinstance(detector, WatchingDetector):
        return scan
    missing = tuple(made for made in detector.observers() if made not in scan.observers)
    return replace(scan, observers=scan.observers + missing)
