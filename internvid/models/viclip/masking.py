"""Which space-time patches training keeps, and pixels as rows of patches.

Patches of a clip are numbered b (n t): `index = place * frames + frame`, places row by row
(paper §6.1). Nothing here waits for the device: sizes are known, indices are gathered.
"""

from __future__ import annotations

import torch
from torch import Tensor

from internvid.core.errors import ConfigInvalidError


def kept_count(tokens: int, mask_ratio: float) -> int:
    """How many of `tokens` patches stay when `int(mask_ratio * tokens)` are dropped.

    Raises:
        ConfigInvalidError: the ratio lies outside [0, 1), or nothing would stay.
    """
    if not 0 <= mask_ratio < 1:
        raise ConfigInvalidError(f"mask_ratio must lie in [0, 1), got {mask_ratio}")
    return tokens - int(mask_ratio * tokens)


def draw_kept(
    batch: int,
    tokens: int,
    mask_ratio: float,
    *,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """A uniform random set of kept patches for each clip, in ascending order.

    Args:
        batch: clips.
        tokens: patches of a clip, all frames.
        mask_ratio: share that is dropped; the count is `int(mask_ratio * tokens)` for all.
        generator: where the numbers come from; on the same device.
        device: where the indices are made.

    Returns:
        int64 [batch, kept].
    """
    kept = kept_count(tokens, mask_ratio)
    noise = torch.rand(batch, tokens, generator=generator, device=device)
    return noise.topk(kept, dim=1, sorted=False).indices.sort(dim=1).values


def patchify(pixels_BTCHW: Tensor, patch: int, kept_BK: Tensor | None = None) -> Tensor:
    """Pixels as one row per patch, the order of the patch kernel's weights: (C, p, p).

    Args:
        pixels_BTCHW: any dtype, so that uint8 frames can be normalised after the choice.
        patch: side of a patch; divides H and W.
        kept_BK: int64 patch numbers; only those are copied. All if None.

    Returns:
        [B, K, C * patch * patch]; K is all patches, or those kept.
    """
    batch, frames, channels, height, width = pixels_BTCHW.shape
    rows, columns = height // patch, width // patch
    blocks = pixels_BTCHW.reshape(batch, frames, channels, rows, patch, columns, patch)
    blocks = blocks.permute(0, 3, 5, 1, 2, 4, 6)
    if kept_BK is None:
        return blocks.reshape(batch, rows * columns * frames, channels * patch * patch)
    clip = torch.arange(batch, device=kept_BK.device)[:, None]
    place, frame = kept_BK // frames, kept_BK % frames
    chosen = blocks[clip, place // columns, place % columns, frame]
    return chosen.reshape(batch, kept_BK.shape[1], channels * patch * patch)
