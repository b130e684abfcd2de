"""The networks once more, as modules whose keys are the published ones: tiny and random."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Cell3d(nn.Module):
    """A unit of pytorch-i3d, padded by the arithmetic of TensorFlow's documentation."""

    def __init__(self, inside: int, out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inside, out, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(out, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        (kernel, *_), (stride, *_) = self.conv3d.kernel_size, self.conv3d.stride
        return torch.relu(self.bn(self.conv3d(same(x, [kernel] * 3, [stride] * 3))))


def same(x: Tensor, kernels: list[int], strides: list[int]) -> Tensor:
    shape = list(x.shape[2:])
    full = [
        max(0, (math.ceil(n / s) - 1) * s + k - n)
        for n, k, s in zip(shape, kernels, strides, strict=True)
    ]
    larger = x.new_zeros(*x.shape[:2], *(n + more for n, more in zip(shape, full, strict=True)))
    t, h, w = (more // 2 for more in full)
    larger[:, :, t : t + shape[0], h : h + shape[1], w : w + shape[2]] = x
    return larger


class Mixed(nn.Module):
    def __init__(self, inside: int) -> None:
        super().__init__()
        self.b0 = Cell3d(inside, 2, 1)
        self.b1a, self.b1b = Cell3d(inside, 3, 1), Cell3d(3, 4, 3)
        self.b2a, self.b2b = Cell3d(inside, 2, 1), Cell3d(2, 2, 3)
        self.b3b = Cell3d(inside, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = nn.functional.max_pool3d(same(x, [3] * 3, [1] * 3), 3, 1)
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)),
                          self.b3b(pooled)], 1)  # fmt: skip


class Logits(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(10, classes, 1)


class TinyI3D(nn.Module):
    """pytorch-i3d with a few channels."""

    def __init__(self, classes: int = 6) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = Cell3d(3, 5, 7, 2)
        self.Conv3d_2b_1x1 = Cell3d(5, 4, 1)
        self.Conv3d_2c_3x3 = Cell3d(4, 6, 3)
        for at, block in enumerate(["3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c"]):
            self.add_module(f"Mixed_{block}", Mixed(10 if at else 6))
        self.logits = Logits(classes)

    def forward(self, x: Tensor) -> Tensor:
        pools = {"3b": ([1, 3, 3], [1, 2, 2]), "4b": ([3] * 3, [2] * 3), "5b": ([2] * 3, [2] * 3)}
        x = self.Conv3d_1a_7x7(x)
        x = nn.functional.max_pool3d(same(x, [1, 3, 3], [1, 2, 2]), (1, 3, 3), (1, 2, 2))
        x = self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x))
        for block in ["3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c"]:
            if block in pools:
                kernel, stride = pools[block]
                x = nn.functional.max_pool3d(same(x, kernel, stride), kernel, stride)
            x = self.get_submodule(f"Mixed_{block}")(x)
        x = nn.functional.avg_pool3d(x, (2, x.shape[3], x.shape[4]), 1)
        logits: Tensor = self.logits.conv3d(x)
        return logits.mean((2, 3, 4))


class Cell2d(nn.Module):
    def __init__(self, inside: int, out: int, kernel: tuple[int, int], stride: int, pad: bool):
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2) if pad else 0
        self.conv = nn.Conv2d(inside, out, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.bn(self.conv(x)))


def cell(inside: int, kernel: tuple[int, int], stride: int = 1) -> Cell2d:
    return Cell2d(inside, 2, kernel, stride, stride == 1)


class Block(nn.Module):
    """Any of Inception's blocks: named units, wired in `forward` by kind."""

    def __init__(self, inside: int, kind: str, last: bool = False, ported: bool = True) -> None:
        super().__init__()
        self.kind, self.last, self.ported = kind, last, ported
        one, three, row, column = (1, 1), (3, 3), (1, 7), (7, 1)
        parts: dict[str, tuple[tuple[int, int], int]] = {
            "A": {"1x1": (one, 1), "5x5_1": (one, 1), "5x5_2": ((5, 5), 1), "3x3dbl_1": (one, 1),
                  "3x3dbl_2": (three, 1), "3x3dbl_3": (three, 1), "_pool": (one, 1)},
            "B": {"3x3": (three, 2), "3x3dbl_1": (one, 1), "3x3dbl_2": (three, 1),
                  "3x3dbl_3": (three, 2)},
            "C": {"1x1": (one, 1), "7x7_1": (one, 1), "7x7_2": (row, 1), "7x7_3": (column, 1),
                  "7x7dbl_1": (one, 1), "7x7dbl_2": (column, 1), "7x7dbl_3": (row, 1),
                  "7x7dbl_4": (column, 1), "7x7dbl_5": (row, 1), "_pool": (one, 1)},
            "D": {"3x3_1": (one, 1), "3x3_2": (three, 2), "7x7x3_1": (one, 1),
                  "7x7x3_2": (row, 1), "7x7x3_3": (column, 1), "7x7x3_4": (three, 2)},
            "E": {"1x1": (one, 1), "3x3_1": (one, 1), "3x3_2a": ((1, 3), 1),
                  "3x3_2b": ((3, 1), 1), "3x3dbl_1": (one, 1), "3x3dbl_2": (three, 1),
                  "3x3dbl_3a": ((1, 3), 1), "3x3dbl_3b": ((3, 1), 1), "_pool": (one, 1)},
        }[kind]  # fmt: skip
        firsts = {"1x1", "5x5_1", "3x3dbl_1", "_pool", "7x7_1", "7x7dbl_1", "3x3_1", "7x7x3_1"}
        for name, (kernel, stride) in parts.items():
            first = name in firsts or (kind == "B" and name == "3x3")
            self.add_module(f"branch{name}", cell(inside if first else 2, kernel, stride))

    def run(self, x: Tensor, *names: str) -> Tensor:
        for name in names:
            x = self.get_submodule(f"branch{name}")(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        pooled = nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=not self.ported)
        if self.ported and self.last:
            pooled = nn.functional.max_pool2d(x, 3, 1, 1)
        if self.kind == "A":
            made = [
                self.run(x, "1x1"),
                self.run(x, "5x5_1", "5x5_2"),
                self.run(x, "3x3dbl_1", "3x3dbl_2", "3x3dbl_3"),
                self.run(pooled, "_pool"),
            ]
        elif self.kind == "B":
            made = [
                self.run(x, "3x3"),
                self.run(x, "3x3dbl_1", "3x3dbl_2", "3x3dbl_3"),
                nn.functional.max_pool2d(x, 3, 2),
            ]
        elif self.kind == "C":
            made = [
                self.run(x, "1x1"),
                self.run(x, "7x7_1", "7x7_2", "7x7_3"),
                self.run(x, *(f"7x7dbl_{at}" for at in range(1, 6))),
                self.run(pooled, "_pool"),
            ]
        elif self.kind == "D":
            made = [
                self.run(x, "3x3_1", "3x3_2"),
                self.run(x, *(f"7x7x3_{at}" for at in range(1, 5))),
                nn.functional.max_pool2d(x, 3, 2),
            ]
        else:
            three, double = self.run(x, "3x3_1"), self.run(x, "3x3dbl_1", "3x3dbl_2")
            made = [self.run(x, "1x1"), self.run(three, "3x3_2a"), self.run(three, "3x3_2b"),
                    self.run(double, "3x3dbl_3a"), self.run(double, "3x3dbl_3b"),
                    self.run(pooled, "_pool")]  # fmt: skip
        return torch.cat(made, 1)


class TinyInception(nn.Module):
    """Inception-v3 with two channels a branch; `ported`: with TensorFlow's pools."""

    def __init__(self, classes: int = 5, *, ported: bool = True) -> None:
        super().__init__()
        one, three = (1, 1), (3, 3)
        self.Conv2d_1a_3x3 = Cell2d(3, 2, three, 2, False)
        self.Conv2d_2a_3x3 = Cell2d(2, 2, three, 1, False)
        self.Conv2d_2b_3x3 = Cell2d(2, 2, three, 1, True)
        self.Conv2d_3b_1x1 = Cell2d(2, 2, one, 1, True)
        self.Conv2d_4a_3x3 = Cell2d(2, 2, three, 1, False)
        width = 2
        self.blocks = []
        for name, kind in zip(
            ["5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"],
            "AAABCCCCDEE",
            strict=True,
        ):
            block = Block(width, kind, last=name == "7c", ported=ported)
            self.add_module(f"Mixed_{name}", block)
            self.blocks.append(f"Mixed_{name}")
            width = {"A": 8, "B": width + 4, "C": 8, "D": width + 4, "E": 12}[kind]
        if not ported:
            self.AuxLogits = nn.Linear(1, 1)
        self.fc = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(nn.functional.max_pool2d(x, 3, 2)))
        x = nn.functional.max_pool2d(x, 3, 2)
        for name in self.blocks:
            x = self.get_submodule(name)(x)
        pooled = nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)
        return pooled, self.fc(pooled) - self.fc.bias


def shaken(module: nn.Module, seed: int = 0) -> nn.Module:
    """Weights and statistics that let signals through all layers, in evaluation mode."""
    maker = torch.Generator().manual_seed(seed)
    for each in module.modules():
        if isinstance(each, (nn.BatchNorm2d, nn.BatchNorm3d)):
            each.running_mean = torch.rand(each.num_features, generator=maker) - 0.6
            each.running_var = torch.rand(each.num_features, generator=maker) + 0.05
        if isinstance(each, (nn.Conv2d, nn.Conv3d, nn.Linear)):
            fan = each.weight[0].numel()
            each.weight.data = torch.randn(each.weight.shape, generator=maker) * (2 / fan) ** 0.5
    return module.eval().requires_grad_(False)
