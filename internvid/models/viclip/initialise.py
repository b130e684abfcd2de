"""Fresh weights: drawn as CLIP's are, or so that a small model learns from nothing quickly."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from internvid.models.viclip.blocks import ResidualBlock, Transformer
from internvid.models.viclip.text import TextTower
from internvid.models.viclip.vision import VideoTower


def initialise_vision(tower: VideoTower) -> None:
    """Draw a video tower's weights; temporal positions start at zero."""
    scale = float(tower.proj.shape[0]) ** -0.5
    for table in (tower.class_embedding, tower.positional_embedding, tower.proj):
        nn.init.normal_(table, std=scale)
    nn.init.zeros_(tower.temporal_positional_embedding)
    _initialise_blocks(tower.transformer)


def initialise_text(tower: TextTower) -> None:
    """Draw a text tower's weights."""
    nn.init.normal_(tower.token_embedding.weight, std=0.02)
    nn.init.normal_(tower.positional_embedding, std=0.01)
    nn.init.normal_(tower.text_projection, std=float(tower.text_projection.shape[0]) ** -0.5)
    _initialise_blocks(tower.transformer)


def _blocks(transformer: Transformer) -> list[ResidualBlock]:
    return [block for block in transformer.resblocks if isinstance(block, ResidualBlock)]


def _initialise_blocks(transformer: Transformer) -> None:
    blocks = _blocks(transformer)
    for block in blocks:
        width = float(block.ln_1.weight.shape[0])
        into_stream = width**-0.5 * (2 * len(blocks)) ** -0.5
        nn.init.normal_(block.attn.in_proj_weight, std=width**-0.5)
        nn.init.normal_(block.attn.out_proj.weight, std=into_stream)
        nn.init.normal_(block.mlp.c_fc.weight, std=(2 * width) ** -0.5)
        nn.init.normal_(block.mlp.c_proj.weight, std=into_stream)
        for bias in (
            block.attn.in_proj_bias,
            block.attn.out_proj.bias,
            block.mlp.c_fc.bias,
            block.mlp.c_proj.bias,
        ):
            nn.init.zeros_(bias)


@torch.no_grad()
def initialise_sincos(video: VideoTower, text: TextTower) -> None:
    """Draw both towers so that place and time are distinguished from the first step on.

    What moves where is a product of place and time. With tables near zero its gradient is of
    second order at the start, and direction stays at chance for long; with sines and cosines of
    x, y and time in channels of their own, as large as the patches' contents, it does not.
    """
    width = float(video.proj.shape[0])
    nn.init.normal_(video.conv1.weight, std=math.prod(video.conv1.weight.shape[1:]) ** -0.5)
    nn.init.normal_(video.class_embedding, std=1.0)
    nn.init.normal_(video.proj, std=width**-0.5)
    _initialise_places(video)
    nn.init.normal_(text.token_embedding.weight, std=0.5)
    nn.init.normal_(text.positional_embedding, std=0.2)
    nn.init.normal_(text.text_projection, std=float(text.text_projection.shape[0]) ** -0.5)
    for transformer in (video.transformer, text.transformer):
        _initialise_blocks(transformer)
        blocks = _blocks(transformer)
        for block in blocks:
            fan_in, fan_out = block.mlp.c_fc.in_features, block.mlp.c_proj.in_features
            nn.init.normal_(block.mlp.c_fc.weight, std=fan_in**-0.5)
            nn.init.normal_(block.mlp.c_proj.weight, std=(2 * len(blocks) * fan_out) ** -0.5)


_PLACE_SCALE = 0.7
_LONGEST_WAVE = 2.0


def _initialise_places(video: VideoTower) -> None:
    """Thirds of the channels for x, y and time; the root mean square of each table is 0.7."""
    tokens, width = video.positional_embedding.shape
    grid, frames = math.isqrt(tokens - 1), video.temporal_positional_embedding.shape[1]
    third = width // 6 * 2
    axis = _waves(grid, third) * (width / (2 * third)) ** 0.5
    space = torch.zeros(grid, grid, width)
    space[..., :third] = axis[None, :, :]
    space[..., third : 2 * third] = axis[:, None, :]
    video.positional_embedding.zero_()
    video.positional_embedding[1:] = _PLACE_SCALE * space.flatten(0, 1)
    rest = width - 2 * third
    video.temporal_positional_embedding.zero_()
    times = _waves(frames, rest) * (width / rest) ** 0.5
    video.temporal_positional_embedding[0, :, 2 * third :] = _PLACE_SCALE * times


def _waves(count: int, channels: int) -> Tensor:
    """Sines and cosines about the middle, [count, channels], mean square 1, mean 0.

    Wave lengths go from twice the axis down to four steps, evenly on a logarithmic scale.
    """
    half = channels // 2
    slowest, quickest = 2 * math.pi / (_LONGEST_WAVE * count), math.pi / 2
    speeds = torch.linspace(math.log(slowest), math.log(quickest), half).exp()
    angles = (torch.arange(count) - (count - 1) / 2)[:, None] * speeds
    waves = torch.cat([angles.sin(), angles.cos()], dim=1)
    waves = functional.pad(waves - waves.mean(0), (0, channels - 2 * half))
    return waves / waves.square().mean().sqrt()
