"""I3D (Carreira and Zisserman 2017), whose logits FVD compares; any widths, read from weights.

Two published layouts of keys are known: that of pytorch-i3d (`Mixed_3b.b1a.bn.weight`; also
VideoGPT's and TATS's `i3d_pretrained_400.pt`) and that of kinetics_i3d_pytorch
(`mixed_3b.branch_1.0.batch3d.weight`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from internvid.core.errors import CheckpointMismatchError
from internvid.models.features.conv_units import Unit, build_units, same_pool

# Block -> whether and how pictures shrink before it: kernel and stride of the pool.
_BLOCKS = "3b 3c 4b 4c 4d 4e 4f 5b 5c"
_POOLS = {"3b": ((1, 3, 3), (1, 2, 2)), "4b": ((3, 3, 3), (2, 2, 2)), "5b": ((2, 2, 2), (2, 2, 2))}
_BRANCHES = ("b0", "b1a", "b1b", "b2a", "b2b", "b3b")
_STEM = ("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3")
_MIXED = tuple(f"Mixed_{block}.{branch}" for block in _BLOCKS.split() for branch in _BRANCHES)
_OTHER_BRANCHES = {
    "branch_0": "b0", "branch_1.0": "b1a", "branch_1.1": "b1b", "branch_2.0": "b2a",
    "branch_2.1": "b2b", "branch_3.1": "b3b",
}  # fmt: skip


class I3D(nn.Module):
    """The network up to its logits.

    Args:
        state: weights in either layout; their shapes say how wide it is.

    Raises:
        CheckpointMismatchError: keys are missing, or shapes do not fit one another.
    """

    layer = "logits, mean over time"
    least_frames = 9

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        known = rename(state)
        self.units = build_units(known, _STEM + _MIXED, "I3D", _stride)
        bias, weight = known.get("logits.conv3d.bias"), known.get("logits.conv3d.weight")
        if bias is None or weight is None:
            raise CheckpointMismatchError(
                "the weights lack the logits of I3D (logits.conv3d.weight and .bias)",
                hint="FVD compares logits: take weights with them, such as i3d_pretrained_400.pt",
            )
        self.logits = nn.Conv3d(weight.shape[1], weight.shape[0], 1)
        self.logits.load_state_dict({"weight": weight, "bias": bias})
        self.width = len(bias)

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits float [N, C] of pixels [N, 3, T, H, W] from -1 to 1."""
        pixels = self._unit("Conv3d_1a_7x7", pixels)
        pixels = same_pool(pixels, (1, 3, 3), (1, 2, 2))
        pixels = self._unit("Conv3d_2c_3x3", self._unit("Conv3d_2b_1x1", pixels))
        for block in _BLOCKS.split():
            if block in _POOLS:
                pixels = same_pool(pixels, *_POOLS[block])
            pixels = self._mixed(f"Mixed_{block}", pixels)
        # At 224 x 224 these are the 2 x 7 x 7 of the paper.
        pooled = nn.functional.avg_pool3d(pixels, (2, *pixels.shape[-2:]), 1)
        logits: Tensor = self.logits(pooled)
        return logits.mean(dim=(2, 3, 4))

    def _mixed(self, name: str, pixels: Tensor) -> Tensor:
        pooled = same_pool(pixels, (3, 3, 3), (1, 1, 1))
        paths = ((("b0",), pixels), (("b1a", "b1b"), pixels),
                 (("b2a", "b2b"), pixels), (("b3b",), pooled))  # fmt: skip
        outputs = []
        for branches, given in paths:
            values = given
            for branch in branches:
                values = self._unit(f"{name}.{branch}", values)
            outputs.append(values)
        return torch.cat(outputs, dim=1)

    def _unit(self, name: str, pixels: Tensor) -> Tensor:
        made: Tensor = self.units[name.replace(".", "-")](pixels)
        return made


def _stride(name: str, kernel: tuple[int, ...]) -> Unit:
    return Unit((2, 2, 2) if name == "Conv3d_1a_7x7" else (1, 1, 1), padding=None)


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights under the keys of pytorch-i3d, whichever layout they have."""
    renamed = {}
    for key, value in state.items():
        name = key.removeprefix("module.").replace(".batch3d.", ".bn.")
        name = re.sub(r"^conv3d_0c_1x1\.", "logits.", name)
        name = re.sub(r"^(conv3d|mixed)_", lambda found: found[0].capitalize(), name)
        for theirs, ours in _OTHER_BRANCHES.items():
            name = re.sub(rf"^(Mixed_\w+)\.{re.escape(theirs)}\.", rf"\1.{ours}.", name)
        renamed[name] = value
    return renamed
