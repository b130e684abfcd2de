"""What people give as a video becomes windows of frames with times; images are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from internvid.core.errors import SourceMissingError, VideoUnreadableError
from internvid.core.types import FrameBatch, TimeSpan
from internvid.models.viclip.inputs import IMAGE_SUFFIXES, Video, check_frames
from internvid.models.viclip.preprocess import sample_frames
from internvid.models.viclip.video_frames import read_frames


@dataclass(frozen=True)
class SampledVideo:
    """Frames of one video.

    Attributes:
        frames: uint8 [N, H, W, 3].
        seconds: when each is shown; None where it is not known.
    """

    frames: Tensor
    seconds: tuple[float, ...] | None

    @property
    def places(self) -> tuple[float, ...]:
        """Place of each frame in the video, from 0 to 1."""
        return places_of(len(self.frames))


def places_of(frames: int) -> tuple[float, ...]:
    """Middles of so many equal parts of 0 to 1."""
    return tuple((at + 0.5) / frames for at in range(frames))


def sample_video(video: Video, frames: int, span: TimeSpan | None = None) -> SampledVideo:
    """The frames that stand for a video: middles of equal intervals.

    Args:
        video: a path, a FrameBatch, or uint8 [T, H, W, 3] (numpy or torch).
        frames: so many; the last is repeated if there are fewer.
        span: of a file: the part to look at.

    Raises:
        SourceMissingError: the path names nothing.
        VideoError: the file cannot be decoded; `image` where it is a still image.
        ConfigInvalidError: it is no video.
    """
    if isinstance(video, (str, Path)):
        path = Path(video)
        if not path.is_file():
            raise SourceMissingError(f"there is no file {str(path)!r}")
        if path.suffix.lower() in IMAGE_SUFFIXES:
            raise _image(path.name)
        video = read_frames(path, frames, span=span)
        return SampledVideo(torch.from_numpy(video.frames), _seconds(video.pts_seconds.tolist()))
    if isinstance(video, Image.Image) or getattr(video, "ndim", 4) == 3:
        raise _image("what was given")
    frames_THWC = check_frames(video)
    chosen = sample_frames(len(frames_THWC), frames)
    seconds = None
    if isinstance(video, FrameBatch):
        seconds = _seconds(video.pts_seconds[chosen].tolist())
    return SampledVideo(frames_THWC[chosen], seconds)


def _seconds(times: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(float(each), 3) for each in times)


def _image(name: str) -> VideoUnreadableError:
    return VideoUnreadableError(
        f"{name} is an image, and a chat is about a video",
        reason="image",
        hint="give a video file, or frames as uint8 [T, H, W, 3]",
    )
