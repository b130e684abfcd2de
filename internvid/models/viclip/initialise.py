"""Fresh weights, drawn as CLIP's are."""

from __future__ import annotations

from torch import nn

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


def _initialise_blocks(transformer: Transformer) -> None:
    blocks = [block for block in transformer.resblocks if isinstance(block, ResidualBlock)]
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
