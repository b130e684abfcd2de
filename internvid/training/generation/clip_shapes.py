"""Which frames and which pixels of a clip a text-to-video model is shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from internvid.core.errors import ConfigInvalidError, VideoUnreadableError
from internvid.core.types import FloatArray
from internvid.models.generation.video_model import Frames, Limits
from internvid.models.viclip.video_frames import read_chosen
from internvid.publishing.trainer_presets import PRESETS
from internvid.training.data.clip_sources import FileSource, WorldSource
from internvid.training.data.samples import ClipSource, FramesArray
from internvid.training.generation.recipe import GenerationData


@dataclass(frozen=True)
class ClipShapes:
    """Frame counts, rate and sides that clips are brought to.

    Attributes:
        counts: frame counts that are taken, ascending; a clip gets the most that it has.
        fps: frames a second; None for every frame.
        multiple: of both sides.
        size: height and width of all; None keeps each clip's shape within `area`.
        area: pixels of a frame, at most.
    """

    counts: tuple[int, ...]
    fps: float | None
    multiple: int
    size: tuple[int, int] | None
    area: int

    def choose(self, times: FloatArray) -> list[int]:
        """Indices of the frames that are shown, from times in seconds; none where too few."""
        if not len(times):
            return []
        if self.fps is None:
            fitting = [count for count in self.counts if count <= len(times)]
            return list(range(fitting[-1])) if fitting else []
        # A frame stands until the next one; the last one as long as the others on average.
        last = float(times[-1] - times[0]) / max(1, len(times) - 1)
        seconds = float(times[-1] - times[0]) + last
        fitting = [count for count in self.counts if count / self.fps <= seconds + 1e-6]
        if not fitting:
            return []
        wanted = times[0] + np.arange(fitting[-1]) / self.fps
        return [int(at) for at in np.searchsorted(times, wanted + 1e-6, side="right") - 1]

    def sides(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that a clip of this size is cut to."""
        if self.size is not None:
            return self.size
        scale = min(1.0, math.sqrt(self.area / (height * width)))
        fitted = [max(1, int(side * scale) // self.multiple) * self.multiple
                  for side in (height, width)]  # fmt: skip
        return fitted[0], fitted[1]

    def read(self, source: ClipSource, clip: int) -> FramesArray:
        """A clip's frames [T, H, W, 3].

        Raises:
            VideoError: it cannot be read, or is too short.
        """
        if isinstance(source, WorldSource):
            frames = source.read(clip, lambda count: range(min(count, self.counts[-1])))
            return fitted(frames, self.sides(*frames.shape[1:3]))
        if not isinstance(source, FileSource):
            raise ConfigInvalidError(
                "text-to-video models need videos: stored pictures are too few frames",
                hint="train on a dataset, a list of files, or the world",
            )
        wanted = source.clips[clip]
        shown: list[int] = []

        def choose(times: FloatArray) -> list[int]:
            shown.append(len(times))
            return self.choose(times)

        try:
            read = read_chosen(wanted.path, choose, span=wanted.span).frames
        except VideoUnreadableError as error:
            if error.reason != "no_frames" or not shown:
                raise
            raise VideoUnreadableError(
                f"{wanted.path.name} shows {shown[-1]} frames, too few for {self.counts[0]}"
                + (f" at {self.fps:g} a second" if self.fps else ""),
                reason="too_short_for_grid",
            ) from error
        return fitted(read, self.sides(*read.shape[1:3]))


def fitted(frames: FramesArray, size: tuple[int, int]) -> FramesArray:
    """Frames [T, H, W, 3] scaled until they cover a size, and cut from the middle."""
    height, width = frames.shape[1:3]
    if (height, width) == size:
        return frames
    scale = max(size[0] / height, size[1] / width)
    inner = max(size[0], round(height * scale)), max(size[1], round(width * scale))
    pictures = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    scaled = functional.interpolate(pictures, inner, mode="bicubic", antialias=True)
    top, left = (inner[0] - size[0]) // 2, (inner[1] - size[1]) // 2
    cut = scaled[:, :, top : top + size[0], left : left + size[1]]
    return np.ascontiguousarray(cut.permute(0, 2, 3, 1).numpy())


def find_shapes(data: GenerationData, limits: Limits) -> ClipShapes:
    """What clips are brought to, for a model.

    Raises:
        ConfigInvalidError: sizes that the model cannot take, or an unknown preset.
    """
    fps, most, multiple = data.fps, data.frames or limits.frames, limits.multiple
    step, offset = limits.step, limits.offset
    if data.preset:
        if data.preset not in PRESETS:
            raise ConfigInvalidError(
                f"no preset {data.preset!r}", hint=f"known are: {', '.join(PRESETS)}"
            )
        preset = PRESETS[data.preset]
        fps = fps or preset.fps
        most = data.frames or preset.maximum_frames
        multiple = math.lcm(multiple, preset.multiple)
    counts = _counts(most, step, offset) if data.preset or step > 1 else (most,)
    limits.check(counts[-1], data.height or limits.height, data.width or limits.width)
    size = (data.height, data.width) if data.height else None
    if size is None and (limits.fixed_side or not data.preset):
        size = limits.height, limits.width
    area = data.area or limits.height * limits.width
    return ClipShapes(counts, fps or None, multiple, size, area)


def _counts(most: int, step: int, offset: int) -> tuple[int, ...]:
    """Frame counts of a grid; one frame is no video."""
    found = tuple(n for n in range(offset or step, most + 1, step) if n > 1)
    if not found:
        raise ConfigInvalidError(
            f"data.frames={most} leaves no frame count: this model takes {step}k+{offset}",
            hint=f"--set data.frames={step + offset}",
        )
    return found


def stacked(clips: Sequence[FramesArray]) -> Frames:
    """Clips of one size as [B, T, H, W, 3]."""
    together: Frames = np.stack(clips)
    return together
