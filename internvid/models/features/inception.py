"""Inception-v3, whose pooled features FID compares and whose logits the Inception Score reads.

Weights in the keys of torchvision: those ported from TensorFlow for FID
(`pt_inception-2015-12-05-6726825d.pth`), or torchvision's own, which have `AuxLogits` and pool
otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from internvid.core.errors import CheckpointMismatchError
from internvid.models.features.conv_units import Unit, build_units

_POOLED = "pool"
# Block -> paths of units, each applied one after another; a pair in brackets is put side by side.
_A = ("1x1", "5x5_1 5x5_2", "3x3dbl_1 3x3dbl_2 3x3dbl_3", _POOLED)
_B = ("3x3", "3x3dbl_1 3x3dbl_2 3x3dbl_3", "")
_C = ("1x1", "7x7_1 7x7_2 7x7_3", "7x7dbl_1 7x7dbl_2 7x7dbl_3 7x7dbl_4 7x7dbl_5", _POOLED)
_D = ("3x3_1 3x3_2", "7x7x3_1 7x7x3_2 7x7x3_3 7x7x3_4", "")
_E = ("1x1", "3x3_1 3x3_2a|3x3_2b", "3x3dbl_1 3x3dbl_2 3x3dbl_3a|3x3dbl_3b", _POOLED)
_BLOCKS = {
    "5b": _A, "5c": _A, "5d": _A, "6a": _B, "6b": _C, "6c": _C, "6d": _C, "6e": _C,
    "7a": _D, "7b": _E, "7c": _E,
}  # fmt: skip
_STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
_UNPADDED = frozenset({"Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_4a_3x3"})
_HALVING = frozenset(
    {"Conv2d_1a_3x3", "Mixed_6a.branch3x3", "Mixed_6a.branch3x3dbl_3", "Mixed_7a.branch3x3_2",
     "Mixed_7a.branch7x7x3_4"}
)  # fmt: skip


def _names() -> list[str]:
    names = list(_STEM)
    for block, paths in _BLOCKS.items():
        parts = [part for path in paths for part in path.replace("|", " ").split()]
        names += [f"Mixed_{block}.{_branch(part)}" for part in parts]
    return names


def _branch(part: str) -> str:
    return "branch_pool" if part == _POOLED else f"branch{part}"


class InceptionV3(nn.Module):
    """Pooled features and logits.

    Args:
        state: weights; their shapes say how wide it is.

    Raises:
        CheckpointMismatchError: keys are missing.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        known = {key.removeprefix("module."): value for key, value in state.items()}
        self.is_ported = not any(key.startswith("AuxLogits.") for key in known)
        self.units = build_units(known, _names(), "Inception-v3", _stepping, conv="conv")
        if "fc.weight" not in known:
            raise CheckpointMismatchError("the weights of Inception-v3 lack fc.weight")
        # Without the bias, as in the first Inception Score.
        self.classes = nn.Parameter(known["fc.weight"].float(), requires_grad=False)
        self.width = self.classes.shape[1]

    @property
    def layer(self) -> str:
        """What is compared, in words."""
        pools = "TensorFlow's pools" if self.is_ported else "torchvision's pools"
        return f"mean of the last map; logits without bias; {pools}"

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Features [N, D] and logits [N, C] of pixels [N, 3, H, W] from -1 to 1."""
        pool = nn.functional.max_pool2d
        for name in _STEM:
            pixels = self._unit(name, pixels)
            if name in ("Conv2d_2b_3x3", "Conv2d_4a_3x3"):
                pixels = pool(pixels, 3, 2)
        for block, paths in _BLOCKS.items():
            pixels = torch.cat([self._path(block, path, pixels) for path in paths], dim=1)
        features = pixels.mean(dim=(2, 3))
        return features, features @ self.classes.T

    def _path(self, block: str, path: str, pixels: Tensor) -> Tensor:
        if not path:
            return nn.functional.max_pool2d(pixels, 3, 2)
        if path == _POOLED:
            if self.is_ported and block == "7c":
                pixels = nn.functional.max_pool2d(pixels, 3, 1, 1)
            else:
                pixels = nn.functional.avg_pool2d(
                    pixels, 3, 1, 1, count_include_pad=not self.is_ported
                )
        for step in path.split():
            sides = [self._unit(f"Mixed_{block}.{_branch(p)}", pixels) for p in step.split("|")]
            pixels = torch.cat(sides, dim=1)
        return pixels

    def _unit(self, name: str, pixels: Tensor) -> Tensor:
        made: Tensor = self.units[name.replace(".", "-")](pixels)
        return made


def _stepping(name: str, kernel: tuple[int, ...]) -> Unit:
    halves = name in _HALVING
    padded = not halves and name not in _UNPADDED
    padding = tuple(size // 2 if padded else 0 for size in kernel)
    return Unit((2, 2) if halves else (1, 1), padding)
