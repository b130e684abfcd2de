"""From decoded frames to what a feature network takes: resized, cropped, scaled; in one place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from internvid.core.errors import ConfigInvalidError

Video = npt.NDArray[Any]
HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class PixelRule:
    """How frames become pixels; all of it decides a feature, so all of it is recorded.

    Attributes:
        size: height and width in pixels; 0 leaves frames as large as they are.
        fit: `crop` scales the shorter side and takes the middle, `squash` ignores the shape.
        antialias: whether bilinear scaling averages over all pixels that it shrinks. The networks'
            original code does not, and the distances differ by more than models do.
        mean, std: taken off and divided by, per channel, after pixels are 0 to 1.
    """

    size: int = 224
    fit: Literal["crop", "squash"] = "crop"
    antialias: bool = False
    mean: tuple[float, float, float] = HALF
    std: tuple[float, float, float] = HALF

    def __post_init__(self) -> None:
        if self.size < 0 or self.fit not in ("crop", "squash"):
            raise ConfigInvalidError(
                f"size {self.size}, fit {self.fit!r}: a size is 0 or more pixels, fit is crop or "
                "squash"
            )

    def describe(self) -> dict[str, Any]:
        """The rule as plain JSON, for protocols."""
        return {
            "size": self.size or "as the frames are",
            "resize": f"bilinear, {self.fit}" if self.size else "none",
            "antialias": self.antialias,
            "mean": list(self.mean),
            "std": list(self.std),
        }

    def apply(self, videos: Sequence[Video], device: torch.device | str = "cpu") -> Tensor:
        """float32 [N, 3, T, H, W] of N videos [T, H, W, 3] with values from 0 to 255.

        Raises:
            ConfigInvalidError: see `check_video`; or videos of several lengths or, where `size` is
                0, sizes.
        """
        made = [self._one(check_video(video), device) for video in videos]
        if len({tuple(one.shape) for one in made}) > 1:
            shapes = sorted({tuple(video.shape) for video in videos})
            raise ConfigInvalidError(f"videos of several shapes in one batch: {shapes}")
        return torch.stack(made)

    def _one(self, video: Video, device: torch.device | str) -> Tensor:
        frames = torch.from_numpy(np.ascontiguousarray(video)).to(device)
        pixels = frames.permute(0, 3, 1, 2).float() / 255
        if self.size:
            pixels = self._resized(pixels)
        mean, std = (torch.tensor(v, device=pixels.device)[:, None, None]
                     for v in (self.mean, self.std))  # fmt: skip
        return ((pixels - mean) / std).transpose(0, 1)

    def _resized(self, pixels: Tensor) -> Tensor:
        height, width = pixels.shape[-2:]
        side = self.size
        target = (side, side)
        if self.fit == "crop":
            scale = side / min(height, width)
            longer = math.ceil(max(height, width) * scale)
            target = (side, longer) if height <= width else (longer, side)
        scaled = torch.nn.functional.interpolate(
            pixels, target, mode="bilinear", align_corners=False, antialias=self.antialias
        )
        top, left = ((length - side) // 2 for length in target)
        return scaled[..., top : top + side, left : left + side]


def check_video(video: Video) -> Video:
    """A video that a network may be given: [T, H, W, 3], from 0 to 255, finite.

    Raises:
        ConfigInvalidError: another shape or type, NaN, or values of another range. Numbers of 0 to
            1 where 0 to 255 is due make everything black, and every distance almost 0.
    """
    allowed = "allowed are [frames, height, width, 3] of uint8, or of floats from 0 to 255"
    if video.ndim != 4 or video.shape[-1] != 3 or not video.size:
        raise ConfigInvalidError(f"a video of shape {list(video.shape)}", hint=allowed)
    if video.dtype == np.uint8:
        return video
    if video.dtype.kind != "f":
        raise ConfigInvalidError(f"a video of {video.dtype}", hint=allowed)
    if not np.isfinite(video).all():
        raise ConfigInvalidError("a video holds NaN or infinity", hint=allowed)
    low, high = float(video.min()), float(video.max())
    if low < 0 or high > 255 or high <= 1:
        raise ConfigInvalidError(
            f"a video of floats from {low:g} to {high:g}", hint=f"{allowed}; multiply by 255"
        )
    return video.astype(np.float32)
