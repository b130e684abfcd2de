"""How a clip is shown: which frames, which crop, mirrored or not, which patches are kept.

One draw a clip, the same for all its frames. Only kept patches leave this file, as bytes: a tenth
of the pixels is moved between processes and to the device, and nothing is normalised here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from internvid.core.errors import ConfigInvalidError, VideoUnreadableError
from internvid.models.viclip.masking import kept_count
from internvid.models.viclip.preprocess import sample_frames
from internvid.training.data.order import IntArray, generator, random_crop, random_frames
from internvid.training.data.samples import ClipSource, FramesArray
from internvid.training.views.masks import patch_content, random_kept, weighted_kept

_Box = tuple[int, int, int, int]


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
        mask_focus: how much the shown ones favour content; 0 draws them uniformly.
    """

    frames: int
    resolution: int
    patch: int
    mask_ratio: float
    mask_focus: float = 0.0

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

    def box(height: int, width: int) -> _Box:
        if not recipe.crop:
            return 0, 0, height, width
        return random_crop(rng, height, width, (recipe.least_area, recipe.most_area))

    crops_NHWC, shown_T = _crops(source.read(clip, choose), box, shape.frames)
    mirrored = rng.random() < 0.5 and may_flip and recipe.flip != "never"
    squares_NRRC = _resized(crops_NHWC, shape.resolution, recipe.interpolation)
    if not shape.mask_ratio:
        kept_K = np.arange(shape.tokens, dtype=np.int64)
    elif shape.mask_focus:
        content_L = patch_content(squares_NRRC, shown_T, shape.patch, mirrored=mirrored)
        kept_K = weighted_kept(rng, content_L, shape.kept, shape.mask_focus)
    else:
        kept_K = random_kept(rng, shape.tokens, shape.kept)
    patches_KP = _patches(
        squares_NRRC,
        shown_T[kept_K % shape.frames],
        kept_K // shape.frames,
        shape.patch,
        mirrored=mirrored,
    )
    return View(torch.from_numpy(patches_KP), torch.from_numpy(kept_K))


def _crops(
    frames: Iterable[FramesArray], box: Callable[[int, int], _Box], most: int
) -> tuple[FramesArray, IntArray]:
    """The box of every distinct frame, and which of them each of `most` frames is.

    Frames come one after another and only their boxes are kept: a decoded frame is still in the
    processor's cache when it is cut, and its memory serves the next one.
    """
    crops = np.empty((0, 0, 0, 3), np.uint8)
    shown: list[int] = []
    size, last, distinct = (0, 0), None, 0
    for frame in frames:
        if last is None:
            size = frame.shape[:2]
            top, left, height, width = box(*size)
            crops = np.empty((most, height, width, 3), np.uint8)
        if frame.shape[:2] != size:
            raise VideoUnreadableError("frames of one clip differ in size", reason="sizes_differ")
        if frame is not last:
            crops[distinct] = frame[top : top + height, left : left + width]
            last, distinct = frame, distinct + 1
        shown.append(distinct - 1)
    return crops[:distinct], np.array(shown)


def _resized(crops_NHWC: FramesArray, resolution: int, interpolation: str) -> FramesArray:
    """uint8 [N, R, R, 3]; torch's 8-bit resize wants channels last, which decoders give."""
    if crops_NHWC.shape[1:3] == (resolution, resolution):
        return crops_NHWC
    images_NCHW = torch.from_numpy(crops_NHWC).permute(0, 3, 1, 2)
    # All of a clip in one call: the weights are computed once.
    squares_NCRR = functional.interpolate(
        images_NCHW,
        (resolution, resolution),
        mode=interpolation,
        align_corners=False,
        antialias=True,
    )
    return np.ascontiguousarray(squares_NCRR.permute(0, 2, 3, 1).numpy())


def _patches(
    squares_NRRC: FramesArray,
    frame_K: IntArray,
    place_K: IntArray,
    patch: int,
    *,
    mirrored: bool,
) -> FramesArray:
    """What `patchify` gives of the kept patches [K, 3 * patch * patch], and nothing else touched.

    A line of a patch is copied as one item; mirroring takes the patch from the other side and
    turns it.
    """
    across = squares_NRRC.shape[1] // patch
    line = 3 * patch
    lines = squares_NRRC.reshape(-1, across, patch, across * line).view(f"V{line}")
    columns_K = place_K % across
    if mirrored:
        columns_K = across - 1 - columns_K
    kept_KL = lines[frame_K, place_K // across, :, columns_K]
    kept_KPPC = kept_KL.view(np.uint8).reshape(-1, patch, patch, 3)
    if mirrored:
        kept_KPPC = kept_KPPC[:, :, ::-1]
    return kept_KPPC.transpose(0, 3, 1, 2).reshape(-1, patch * line)
