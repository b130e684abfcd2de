"""Position tables for other frame counts, resolutions and text lengths (paper §6.2)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

FIRST_POSITIONS = 20
"""Text positions that stretching leaves alone."""


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


def stretch_context(table_LW: Tensor, context: int, kept: int = FIRST_POSITIONS) -> Tensor:
    """Text positions for longer texts without training: the later rows drawn apart linearly.

    The first rows are read in every text and are the best trained, so they stay (Long-CLIP, arXiv
    2403.15378, keeps 20). The last row stays the last.

    Args:
        table_LW: [L, W].
        context: wanted L; a shorter one is cut.
        kept: rows that stay as they are.
    """
    have = table_LW.shape[0]
    if context <= have:
        return table_LW[:context]
    kept = min(kept, have - 1)
    later_1WL = table_LW[kept:].float().T[None]
    wider_1WL = functional.interpolate(
        later_1WL, size=context - kept, mode="linear", align_corners=True
    )
    return torch.cat([table_LW[:kept], wider_1WL[0].T.to(table_LW.dtype)])


def resize_context(table_LW: Tensor, context: int) -> Tensor:
    """Text positions for another length: cut, or filled with zero rows.

    Args:
        table_LW: [L, W].
        context: wanted L.
    """
    missing = context - table_LW.shape[0]
    return functional.pad(table_LW, (0, 0, 0, missing)) if missing > 0 else table_LW[:context]
