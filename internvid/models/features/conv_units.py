"""Convolutions with batch norm, built from the shapes of weights; TensorFlow's "same" padding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from internvid.core.errors import CheckpointMismatchError

_NORM = ("weight", "bias", "running_mean", "running_var")
_SHOWN = 5


@dataclass(frozen=True)
class Unit:
    """How a convolution steps.

    Attributes:
        stride: per dimension.
        padding: per dimension, on both sides; None for as much as TensorFlow's "same" takes.
    """

    stride: tuple[int, ...]
    padding: tuple[int, ...] | None


class ConvUnit(nn.Module):
    """Convolution without bias, batch norm, ReLU.

    Args:
        conv: weights [out, in, kernel ...].
        norm: the four tensors of the batch norm.
        unit: how it steps.
    """

    def __init__(self, conv: Tensor, norm: Mapping[str, Tensor], unit: Unit) -> None:
        super().__init__()
        self.unit = unit
        self.conv = nn.Parameter(conv.float(), requires_grad=False)
        for name in _NORM:
            self.register_buffer(name, norm[name].float())

    def forward(self, pixels: Tensor) -> Tensor:
        """The unit's output."""
        padding: tuple[int, ...] | int = 0
        if self.unit.padding is None:
            pixels = pad_same(pixels, tuple(self.conv.shape[2:]), self.unit.stride)
        else:
            padding = self.unit.padding
        convolve = nn.functional.conv3d if self.conv.ndim == 5 else nn.functional.conv2d
        made = convolve(pixels, self.conv, stride=self.unit.stride, padding=padding)
        mean, var, weight, bias = (
            self.get_buffer(name) for name in ("running_mean", "running_var", "weight", "bias")
        )
        normed = nn.functional.batch_norm(made, mean, var, weight, bias, eps=1e-3)
        return nn.functional.relu(normed)


def build_units(
    state: Mapping[str, Tensor],
    names: Iterable[str],
    network: str,
    stepping: Callable[[str, tuple[int, ...]], Unit],
    *,
    conv: str = "conv3d",
) -> nn.ModuleDict:
    """Units by name (dots become dashes).

    Args:
        state: holds `NAME.CONV.weight` and `NAME.bn.*`.
        names: of the units.
        network: for messages.
        stepping: from name and kernel to how the unit steps.
        conv: what the convolution is called in the keys.

    Raises:
        CheckpointMismatchError: keys are missing or of other shapes.
    """
    units: dict[str, nn.Module] = {}
    missing: list[str] = []
    for name in names:
        keys = [f"{name}.{conv}.weight", *(f"{name}.bn.{part}" for part in _NORM)]
        lacking = [key for key in keys if key not in state]
        missing += lacking
        if lacking:
            continue
        weight = state[keys[0]]
        norm = {part: state[f"{name}.bn.{part}"] for part in _NORM}
        if any(each.shape != weight.shape[:1] for each in norm.values()):
            raise CheckpointMismatchError(f"the batch norm of {name} does not fit its convolution")
        units[name.replace(".", "-")] = ConvUnit(
            weight, norm, stepping(name, tuple(weight.shape[2:]))
        )
    if missing:
        raise CheckpointMismatchError(
            f"the weights are not those of {network}: {len(missing)} keys are missing, such as "
            f"{', '.join(missing[:_SHOWN])}; they have {', '.join(sorted(state)[:_SHOWN])}",
            hint="docs/generation.md says which files fit",
        )
    return nn.ModuleDict(units)


def pad_same(pixels: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Zeros around, so that the output is ceil(length / stride) long; the odd one at the end."""
    padding: list[int] = []
    for length, size, step in zip(
        reversed(pixels.shape[2:]), reversed(kernel), reversed(stride), strict=True
    ):
        whole = max((-(-length // step) - 1) * step + size - length, 0)
        padding += [whole // 2, whole - whole // 2]
    return nn.functional.pad(pixels, padding)


def same_pool(pixels: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """The largest values, after `pad_same`; zeros change nothing behind a ReLU."""
    padded = pad_same(pixels, kernel, stride)
    pooled: Tensor = torch.nn.functional.max_pool3d(padded, kernel, stride)
    return pooled
