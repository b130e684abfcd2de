"""Position tables for other frame counts, resolutions and text lengths (paper §6.2)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def resize_temporal(table_1TW: Tensor, frames: int) -> Tensor:
    """Temporal positions for another frame count: cut if fewer, linearly interpolated if more.

    Args:
        table_1TW: [1, T, W].
        frames: wanted T.
    """
    have = table_1TW.shape[1]
    if frames <= have:
        return table_1TW[:, :frames]
    channels_first = table_1TW.float().transpose(1, 2)
    wider = functional.interpolate(channels_first, size=frames, mode="linear", align_corners=False)
    return wider.transpose(1, 2).to(table_1TW.dtype)


def resize_spatial(table_NW: Tensor, rows: int, columns: int) -> Tensor:
    """Spatial positions for another grid of patches, bicubic; the class token's row stays.

    Args:
        table_NW: [1 + side * side, W], the class token first.
        rows, columns: wanted grid.
    """
    side = round((table_NW.shape[0] - 1) ** 0.5)
    if (rows, columns) == (side, side):
        return table_NW
    plane = table_NW[1:].float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
    resized = functional.interpolate(
        plane, size=(rows, columns), mode="bicubic", align_corners=False, antialias=rows < side
    )
    flat = resized.permute(0, 2, 3, 1).reshape(rows * columns, -1)
    return torch.cat([table_NW[:1], flat.to(table_NW.dtype)])


def resize_context(table_LW: Tensor, context: int) -> Tensor:
    """Text positions for another length: cut, or filled with zero rows.

    Args:
        table_LW: [L, W].
        context: wanted L.
    """
    missing = context - table_LW.shape[0]
    return functional.pad(table_LW, (0, 0, 0, missing)) if missing > 0 else table_LW[:context]
