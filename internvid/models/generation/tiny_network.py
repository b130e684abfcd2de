"""A small U-Net that denoises short clips; every frame may have a noise level of its own.

Space and time are convolved in turn. Between the two stands a gate that time and text drive: what
is shifted from frame to frame is thereby chosen by the words, which is how a direction is obeyed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class TinyShape:
    """Sizes of the network.

    Attributes:
        frames: of a clip.
        side: height and width in pixels, a multiple of four.
        width: channels at a half of the resolution.
        inner: channels at a quarter.
        condition: numbers that describe the text and the noise level to each block.
        blocks: at each of the two resolutions, on the way down; one fewer on the way up.
        heads: of attention.
    """

    frames: int = 8
    side: int = 32
    width: int = 48
    inner: int = 64
    condition: int = 128
    blocks: int = 2
    heads: int = 4


class TinyVideoNetwork(nn.Module):
    """Predicts the clean clip from a noisy one.

    Args:
        shape: sizes.
        vocabulary: how many words there are; word 0 stands for those that are not known.
    """

    def __init__(self, shape: TinyShape, vocabulary: int) -> None:
        super().__init__()
        self.shape = shape
        width, inner, size = shape.width, shape.inner, shape.condition
        self.words = nn.Embedding(vocabulary, size)
        self.empty = nn.Parameter(torch.zeros(size))
        self.text = nn.Sequential(nn.Linear(size, size), nn.SiLU(), nn.Linear(size, size))
        self.time = nn.Sequential(nn.Linear(64, size), nn.SiLU(), nn.Linear(size, size))
        half, quarter = shape.side // 2, shape.side // 4
        self.place = nn.Parameter(0.02 * torch.randn(width, half, half))
        self.inner_place = nn.Parameter(0.02 * torch.randn(inner, quarter, quarter))
        self.frame_place = nn.Parameter(torch.zeros(shape.frames, inner, 1, 1))
        self.enter = nn.Conv2d(12, width, 3, padding=1)
        self.down = nn.ModuleList(SpaceTimeBlock(width, size) for _ in range(shape.blocks))
        self.shrink = nn.Conv2d(width, inner, 2, stride=2)
        self.middle = nn.ModuleList()
        for _ in range(shape.blocks):
            self.middle += [SpaceTimeBlock(inner, size), Attention(inner, shape.heads)]
        self.middle.append(SpaceTimeBlock(inner, size))
        self.over_time = Attention(inner, shape.heads)
        self.grow = nn.Conv2d(inner, 4 * width, 1)
        self.join = nn.Conv2d(2 * width, width, 1)
        self.up = nn.ModuleList(SpaceTimeBlock(width, size) for _ in range(shape.blocks))
        self.leave = nn.Conv2d(width, 12, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, noisy_BTCHW: Tensor, levels_BT: Tensor, words_BL: Tensor) -> Tensor:
        """Predicts clean clips.

        Args:
            noisy_BTCHW: pixels from -1 to 1, mixed with noise.
            levels_BT: of each frame, from 0 (noise) to 1 (clean).
            words_BL: numbers of the words; -1 fills up, and a row of -1 alone is no text.

        Returns:
            Pixels [B, T, C, H, W].
        """
        count, frames = noisy_BTCHW.shape[:2]
        condition = (self.time(_waves(levels_BT)) + self._read(words_BL)[:, None]).flatten(0, 1)
        noisy = functional.pixel_unshuffle(noisy_BTCHW.flatten(0, 1), 2)
        state = self.enter(noisy) + self.place
        for block in self.down:
            state = block(state, condition, frames)
        kept, state = state, self.shrink(state) + self.inner_place
        if frames > 1:
            state = state + self.frame_place.repeat(count, 1, 1, 1)
        for block in self.middle:
            state = block(state, condition, frames)
        state = self._attend_over_time(state, count)
        state = functional.pixel_shuffle(self.grow(state), 2)
        state = self.join(torch.cat([state, kept], dim=1))
        for block in self.up:
            state = block(state, condition, frames)
        clean = self.leave(functional.silu(state)) + noisy * levels_BT.reshape(-1, 1, 1, 1)
        shuffled = functional.pixel_shuffle(clean, 2)
        return shuffled.reshape(noisy_BTCHW.shape)

    def _read(self, words_BL: Tensor) -> Tensor:
        known = (words_BL >= 0)[..., None].float()
        summed = (self.words(words_BL.clamp(min=0)) * known).sum(dim=1)
        empty = known.sum(dim=1) == 0
        chosen: Tensor = self.text(torch.where(empty, self.empty, summed))
        return chosen

    def _attend_over_time(self, state_NCHW: Tensor, count: int) -> Tensor:
        channels, height, width = state_NCHW.shape[1:]
        clips = state_NCHW.reshape(count, -1, channels, height, width)
        rows = clips.permute(0, 3, 4, 1, 2)
        seen = self.over_time.attend(rows.flatten(0, 2))
        back = seen.reshape(count, height, width, -1, channels).permute(0, 3, 4, 1, 2)
        return back.flatten(0, 1)

    def plain(self) -> dict[str, Any]:
        """Its sizes as plain JSON."""
        return {**vars(self.shape), "vocabulary": self.words.num_embeddings}


class SpaceTimeBlock(nn.Module):
    """A convolution over space, a gate, one over time; the way past them is open.

    Args:
        width: channels.
        condition: numbers that drive the gate.
    """

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        groups = 8
        self.first_norm = nn.GroupNorm(groups, width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second_norm = nn.GroupNorm(groups, width)
        self.drive = nn.Linear(condition, 4 * width)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.over_time = nn.Conv1d(width, width, 3, padding=1)
        for each in (self.second, self.over_time):
            nn.init.zeros_(each.weight)
            nn.init.zeros_(each.bias)  # type: ignore[arg-type]

    def forward(self, state_NCHW: Tensor, condition_NE: Tensor, frames: int) -> Tensor:
        """See the class; N is clips times frames."""
        drive = self.drive(functional.silu(condition_NE))[..., None, None]
        scale, shift, gate, lift = drive.chunk(4, dim=1)
        inner = self.first(functional.silu(self.first_norm(state_NCHW)))
        inner = functional.silu(self.second_norm(inner) * (1 + scale) + shift)
        state = state_NCHW + self.second(inner)
        if frames == 1:
            # A single picture has no neighbours; what the middle of the filter does stays.
            weight = self.over_time.weight[..., 1:2, None]
            gated = inner * (1 + gate) + lift
            alone: Tensor = state + functional.conv2d(gated, weight, self.over_time.bias)
            return alone
        moved: Tensor = state + self._along_time(inner * (1 + gate) + lift, frames)
        return moved

    def _along_time(self, inner_NCHW: Tensor, frames: int) -> Tensor:
        # As a convolution over [T, H*W] with a filter of [3, 1].
        channels, height, width = inner_NCHW.shape[1:]
        clips = inner_NCHW.reshape(-1, frames, channels, height * width).transpose(1, 2)
        weight, bias = self.over_time.weight[..., None], self.over_time.bias
        moved = functional.conv2d(clips, weight, bias, padding=(1, 0))
        return moved.transpose(1, 2).reshape(-1, channels, height, width)


class Attention(nn.Module):
    """Attention among places of a frame, or among frames; begins at nothing.

    Args:
        width: channels.
        heads: of attention.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.inward = nn.Linear(width, 3 * width)
        self.outward = nn.Linear(width, width)
        nn.init.zeros_(self.outward.weight)
        nn.init.zeros_(self.outward.bias)

    def forward(self, state_NCHW: Tensor, condition_NE: Tensor, frames: int) -> Tensor:
        """Among the places of each frame."""
        del condition_NE, frames
        seen = self.attend(state_NCHW.flatten(2).transpose(1, 2))
        return seen.transpose(1, 2).reshape(state_NCHW.shape)

    def attend(self, rows_NLC: Tensor) -> Tensor:
        """The rows, with what they took from each other added."""
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.inward(self.norm(rows_NLC)).chunk(3, dim=-1)
        )
        seen = functional.scaled_dot_product_attention(query, key, value)
        mixed: Tensor = rows_NLC + self.outward(seen.transpose(1, 2).flatten(2))
        return mixed


def _waves(levels: Tensor, count: int = 64) -> Tensor:
    """Sines and cosines of noise levels, [..., count]."""
    rates = torch.exp(torch.linspace(0, math.log(200.0), count // 2, device=levels.device))
    angles = levels[..., None].float() * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
