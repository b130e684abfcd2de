"""Which frames of a file stand for a clip, and how many views of it there are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from internvid.core.errors import ConfigInvalidError, VideoUnreadableError
from internvid.core.types import TimeSpan
from internvid.evaluation.embedding.embedders import Frames
from internvid.video.frame_folder import read_pictures


@dataclass(frozen=True)
class ViewPlan:
    """How a clip becomes one or more stacks of frames.

    With S segments, T x S equal intervals are cut, the middle frame of each is taken, and view s
    gets every S-th from the s-th on: each view covers the whole clip, no two share a frame, and
    one decode reads them all. One segment is the reference's rule (paper §6.3).

    Attributes:
        frames: per view; None for as many as the model is for.
        sampling: `middle` of equal intervals, or `stride`: every n-th from the first.
        segments: views over time.
        crops: 1 for whole frames, 3 for squares at both ends and in the middle of the longer
            side.
    """

    frames: int | None = None
    sampling: str = "middle"
    segments: int = 1
    crops: int = 1

    def __post_init__(self) -> None:
        if self.frames is not None and self.frames < 1:
            raise ConfigInvalidError(f"frames must be at least 1, got {self.frames}")
        if self.sampling not in ("middle", "stride"):
            raise ConfigInvalidError(f"sampling is middle or stride, not {self.sampling!r}")
        if self.segments < 1 or (self.segments > 1 and self.sampling != "middle"):
            raise ConfigInvalidError(f"{self.segments} segments with sampling {self.sampling!r}")
        if self.crops not in (1, 3):
            raise ConfigInvalidError(f"crops must be 1 or 3, got {self.crops}")

    @property
    def views(self) -> int:
        """Stacks of frames per clip."""
        return self.segments * self.crops

    @property
    def words(self) -> str:
        """For protocols: `4 x 3`, segments x crops."""
        return f"{self.segments} x {self.crops}"

    def read(self, path: Path, span: TimeSpan | None, usual: int) -> list[Frames]:
        """The views of a file, or of a span of it.

        Args:
            path: a media file, or a folder of numbered pictures.
            span: seconds from the first displayed frame; None is everything.
            usual: frames where the plan leaves them to the model.

        Returns:
            `views` stacks uint8 [T, H, W, 3], segments before crops.

        Raises:
            VideoError: the file cannot be used; its reason says why.
        """
        from internvid.models.viclip.preprocess import sample_frames
        from internvid.models.viclip.video_frames import read_frames

        count = (self.frames or usual) * self.segments
        if not path.is_dir():
            return self.divide(read_frames(path, count, sampling=self.sampling, span=span).frames)
        if span is not None:
            raise VideoUnreadableError(
                f"{path.name} holds pictures without times, and a span of it is asked for",
                reason="no_times",
            )
        return self.divide(read_pictures(path, lambda n: sample_frames(n, count, self.sampling)))

    def divide(self, frames: Frames) -> list[Frames]:
        """The views of frames that were read: [T * segments, H, W, 3] each."""
        stacks = [frames[at :: self.segments] for at in range(self.segments)]
        if self.crops == 1:
            return stacks
        return [crop for stack in stacks for crop in cut_squares(stack)]


def cut_squares(frames: Frames) -> list[Frames]:
    """Three squares of the shorter side: at the start, the middle and the end of the longer."""
    height, width = frames.shape[1:3]
    side = min(height, width)
    places = [round(share * (max(height, width) - side)) for share in (0.0, 0.5, 1.0)]
    if width >= height:
        return [np.ascontiguousarray(frames[:, :, at : at + side]) for at in places]
    return [np.ascontiguousarray(frames[:, at : at + side]) for at in places]
