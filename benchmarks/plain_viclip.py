"""A ViCLIP training step as it is usually written: what the training benchmark measures against.

Embeds all patches with a convolution, then drops nine tenths of them with a boolean index;
`nn.MultiheadAttention`; every block recomputed; the frozen text tower run each step; the whole
matrix of similarities. It takes the package's weights, so that both steps can be compared.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from internvid.models.viclip.config import ViCLIPConfig


class QuickGELU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.gelu = QuickGELU()
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(self.gelu(self.c_fc(x)))


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = Mlp(width)
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, width: int, layers: int, heads: int, *, recompute: bool) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.recompute = recompute

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for block in self.resblocks:
            if self.recompute and torch.is_grad_enabled():
                x = checkpoint(block, x, use_reentrant=False)
            else:
                x = block(x, mask)
        return x


class Vision(nn.Module):
    def __init__(self, config: ViCLIPConfig, *, recompute: bool) -> None:
        super().__init__()
        width, patch = config.vision_width, config.patch
        self.conv1 = nn.Conv3d(3, width, (1, patch, patch), (1, patch, patch), bias=False)
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty(config.grid**2 + 1, width))
        self.temporal_positional_embedding = nn.Parameter(torch.empty(1, config.frames, width))
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(
            width, config.vision_layers, config.vision_heads, recompute=recompute
        )
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.empty(width, config.embedding))

    def forward(self, pixels: Tensor, kept: Tensor) -> Tensor:
        x = self.conv1(pixels.transpose(1, 2)).flatten(3).permute(0, 3, 2, 1)  # b n t m
        x = x + self.positional_embedding[1:, None] + self.temporal_positional_embedding
        x = x.flatten(1, 2)
        x = x[kept].view(x.shape[0], -1, x.shape[-1])
        first = (self.class_embedding + self.positional_embedding[0]).to(x.dtype)
        x = torch.cat([first.expand(x.shape[0], 1, -1), x], dim=1)
        x = self.transformer(self.ln_pre(x))
        return self.ln_post(x[:, 0]) @ self.proj


class Text(nn.Module):
    def __init__(self, config: ViCLIPConfig) -> None:
        super().__init__()
        width = config.text_width
        self.token_embedding = nn.Embedding(config.vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.empty(config.context, width))
        self.transformer = Transformer(
            width, config.text_layers, config.text_heads, recompute=False
        )
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.empty(width, config.embedding))

    def forward(self, tokens: Tensor) -> Tensor:
        length = tokens.shape[1]
        ones = torch.ones(length, length, dtype=torch.bool, device=tokens.device)
        x = self.token_embedding(tokens) + self.positional_embedding
        x = self.ln_final(self.transformer(x, ones.triu(1)))
        rows = torch.arange(len(tokens), device=tokens.device)
        return x[rows, tokens.argmax(dim=-1)] @ self.text_projection


class PlainViCLIP(nn.Module):
    """Both towers; `state_dict` has the package's keys."""

    def __init__(self, config: ViCLIPConfig, *, recompute: bool) -> None:
        super().__init__()
        self.vision_encoder = Vision(config, recompute=recompute)
        self.text_encoder = Text(config)
        self.temp = nn.Parameter(torch.tensor(0.01))

    def loss(self, frames_BTCHW: Tensor, kept: Tensor, tokens: Tensor, mean_std: Tensor) -> Tensor:
        pixels = (frames_BTCHW.float() / 255 - mean_std[0]) / mean_std[1]
        video = functional.normalize(self.vision_encoder(pixels, kept).float(), dim=-1)
        with torch.no_grad():
            text = functional.normalize(self.text_encoder(tokens).float(), dim=-1)
        similar = video @ text.T / self.temp.clamp(min=0.01)
        targets = torch.arange(len(similar), device=similar.device)
        return (
            functional.cross_entropy(similar, targets)
            + functional.cross_entropy(similar.T, targets)
        ) / 2


def random_mask(batch: int, tokens: int, kept: int, device: torch.device) -> Tensor:
    """bool [B, L], drawn on the CPU by sorting noise, as the reference does each step."""
    order = torch.rand(batch, tokens).argsort(dim=1)
    return (order < kept).to(device)
