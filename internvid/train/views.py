"""How a clip is shown: which frames, which crop, mirrored or not, which patches are kept.

One draw a clip, the same for all its frames. Only kept patches leave this file, as bytes: a tenth
of the pixels is moved between processes and to the device, and nothing is normalised here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from internvid.core.errors import ConfigInvalidError
from internvid.models.viclip.masking import kept_count, patchify
from internvid.models.viclip.preprocess import sample_frames
from internvid.train.order import generator, random_crop, random_frames, random_kept
from internvid.train.samples import ClipSource, FramesArray


@dataclass(frozen=True)
class ViewRecipe:
    """How frames become what the tower is shown (paper §6.3).

    Attributes:
        frames: `random`, one of each equal interval, or `middle` of each.
        crop: whether a random box is cut out; without, the frame is squashed to the square.
        least_area, most_area: of the box, as shares of the frame.
        flip: mirrors half of the clips: `always`, `unsided` (never where the caption names a
            side) or `never`. The reference mirrors always.
        interpolation: `bicubic` or `bilinear`.
    """

    frames: Literal["random", "middle"] = "random"
    crop: bool = True
    least_area: float = 0.5
    most_area: float = 1.0
    flip: Literal["always", "unsided", "never"] = "unsided"
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"

    def __post_init__(self) -> None:
        if not 0 < self.least_area <= self.most_area <= 1:
            raise ConfigInvalidError(
                f"least_area {self.least_area} and most_area {self.most_area} must lie in (0, 1], "
                "in order"
            )


@dataclass(frozen=True)
class ViewShape:
    """Sizes of what the tower is shown.

    Attributes:
        frames: of a clip.
        resolution: side of the square, in pixels.
        patch: side of a patch, in pixels.
        mask_ratio: share of patches that is not shown.
    """

    frames: int
    resolution: int
    patch: int
    mask_ratio: float

    @property
    def tokens(self) -> int:
        """Patches of a clip."""
        return (self.resolution // self.patch) ** 2 * self.frames

    @property
    def kept(self) -> int:
        """Patches that are shown."""
        return kept_count(self.tokens, self.mask_ratio)


@dataclass(frozen=True)
class View:
    """One showing of one clip.

    Attributes:
        patches: uint8 [K, 3 * patch * patch].
        kept: int64 [K], which patches they are, ascending.
    """

    patches: Tensor
    kept: Tensor


def show(
    source: ClipSource,
    clip: int,
    key: tuple[int, int, int],
    shape: ViewShape,
    recipe: ViewRecipe,
    *,
    may_flip: bool = True,
) -> View:
    """Reads a clip and shows it as its key says.

    Args:
        source: where it is.
        clip: its place in the source's table.
        key: (seed, epoch, sample): decides everything that is random.
        shape: sizes.
        recipe: what is random, and how much.
        may_flip: False where the caption names a side and the recipe minds.

    Raises:
        VideoError: the clip cannot be read.
    """
    rng = generator(*key)

    def choose(available: int) -> list[int]:
        if recipe.frames == "middle":
            return sample_frames(available, shape.frames)
        return random_frames(rng, available, shape.frames)

    frames = source.read(clip, choose)
    if recipe.crop:
        box = random_crop(
            rng, frames.shape[1], frames.shape[2], (recipe.least_area, recipe.most_area)
        )
        frames = frames[:, box[0] : box[0] + box[2], box[1] : box[1] + box[3]]
    square_TCHW = _resized(frames, shape.resolution, recipe.interpolation)
    flips = rng.random() < 0.5
    if flips and may_flip and recipe.flip != "never":
        square_TCHW = square_TCHW.flip(-1)
    kept = (
        random_kept(rng, shape.tokens, shape.kept)
        if shape.mask_ratio
        else np.arange(shape.tokens, dtype=np.int64)
    )
    kept_K = torch.from_numpy(kept)
    patches_BKP = patchify(square_TCHW[None], shape.patch, kept_K[None])
    return View(patches_BKP[0], kept_K)


def _resized(frames_THWC: FramesArray, resolution: int, interpolation: str) -> Tensor:
    """uint8 [T, 3, R, R]; torch's 8-bit resize wants channels last, which decoders give."""
    images_TCHW = torch.from_numpy(np.ascontiguousarray(frames_THWC)).permute(0, 3, 1, 2)
    if images_TCHW.shape[-2:] == (resolution, resolution):
        return images_TCHW
    return functional.interpolate(
        images_TCHW,
        (resolution, resolution),
        mode=interpolation,
        align_corners=False,
        antialias=True,
    )
