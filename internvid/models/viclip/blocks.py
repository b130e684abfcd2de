"""Transformer blocks with CLIP's parameter names: attention, MLP, and stacks of both.

Pre-norm blocks with QuickGELU (paper §6.1). Names are the published keys:
`resblocks.{i}.attn.in_proj_weight`, `.mlp.c_fc.weight` and so on. Tensors are [B, L, W].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from internvid.models.viclip.config import MLP_RATIO
from internvid.models.viclip.products import Linear, attend, product

_QUICK = 1.702
# Tokens that go through the MLP together without gradients on a CPU: their hidden values stay
# in the cache between the two products.
_CHUNK_TOKENS = 512


def quick_gelu(x: Tensor) -> Tensor:
    """`x * sigmoid(1.702 x)`, CLIP's activation."""
    return x * torch.sigmoid(_QUICK * x)


def _quick_gelu_in_place(x: Tensor) -> Tensor:
    # x * sigmoid(a x) = silu(a x) / a: two passes over memory, nothing allocated.
    return functional.silu(x.mul_(_QUICK), inplace=True).mul_(1 / _QUICK)


class Attention(nn.Module):
    """Multi-head self-attention: one product makes queries, keys and values.

    Args:
        width: channels of a token.
        heads: attention heads.
        causal: whether a token sees only itself and those before it.
    """

    def __init__(self, width: int, heads: int, *, causal: bool) -> None:
        super().__init__()
        self.heads = heads
        self.causal = causal
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = Linear(width, width)

    def forward(self, x_BLW: Tensor, *, only_first: bool = False) -> Tensor:
        """[B, L, W] -> [B, L, W], or [B, 1, W] of the first token."""
        width = x_BLW.shape[-1]
        if only_first:
            weights, biases = self.in_proj_weight, self.in_proj_bias
            query = by_head(product(x_BLW[:, :1], weights[:width], biases[:width]), self.heads, 1)
            key, value = by_head(product(x_BLW, weights[width:], biases[width:]), self.heads, 2)
            seen = attend(query[0], key, value)
        else:
            mixed = product(x_BLW, self.in_proj_weight, self.in_proj_bias)
            query, key, value = by_head(mixed, self.heads, 3)
            seen = attend(query, key, value, causal=self.causal)
        return self.out_proj(seen.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


def by_head(mixed: Tensor, heads: int, parts: int) -> Tensor:
    """[B, L, parts * W] -> [parts, B, heads, L, W / heads]."""
    return mixed.unflatten(-1, (parts, heads, -1)).permute(2, 0, 3, 1, 4)  # type: ignore[no-untyped-call, no-any-return]


class Mlp(nn.Module):
    """Two products with QuickGELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = Linear(width, MLP_RATIO * width)
        self.c_proj = Linear(MLP_RATIO * width, width)

    def forward(self, x_BLW: Tensor) -> Tensor:
        """[B, L, W] -> [B, L, W]."""
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return self.c_proj(quick_gelu(self.c_fc(x_BLW)))  # type: ignore[no-any-return]
        if x_BLW.device.type != "cpu":
            return self.c_proj(_quick_gelu_in_place(self.c_fc(x_BLW)))  # type: ignore[no-any-return]
        tokens = x_BLW.reshape(-1, x_BLW.shape[-1])
        result = torch.empty_like(tokens)
        for start in range(0, len(tokens), _CHUNK_TOKENS):
            part = slice(start, start + _CHUNK_TOKENS)
            result[part] = self.c_proj(_quick_gelu_in_place(self.c_fc(tokens[part])))
        return result.view_as(x_BLW)


class DropPath(nn.Module):
    """Leaves a branch out for whole samples in training, and scales what remains.

    Args:
        chance: of leaving it out, per sample.
    """

    def __init__(self, chance: float) -> None:
        super().__init__()
        self.chance = chance

    def forward(self, x_BLW: Tensor) -> Tensor:
        """[B, L, W] -> [B, L, W]."""
        if not self.training or self.chance == 0:
            return x_BLW
        kept = 1 - self.chance
        return x_BLW * (x_BLW.new_empty(x_BLW.shape[0], 1, 1).bernoulli_(kept) / kept)


class ResidualBlock(nn.Module):
    """`x + attention(norm(x))`, then `x + mlp(norm(x))`."""

    def __init__(self, width: int, heads: int, *, causal: bool, drop_path: float) -> None:
        super().__init__()
        self.attn = Attention(width, heads, causal=causal)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = Mlp(width)
        self.ln_2 = nn.LayerNorm(width)
        self.drop_path = DropPath(drop_path)

    def forward(self, x_BLW: Tensor, *, only_first: bool = False) -> Tensor:
        """[B, L, W] -> [B, L, W], or [B, 1, W] of the first token."""
        stream = x_BLW[:, :1] if only_first else x_BLW
        stream = stream + self.drop_path(self.attn(self.ln_1(x_BLW), only_first=only_first))
        return stream + self.drop_path(self.mlp(self.ln_2(stream)))  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """A stack of blocks.

    Args:
        width, layers, heads: its shape.
        causal: whether attention looks back only.
        drop_path: chance of leaving out the last block; earlier ones linearly less.
        checkpointed_blocks: the first so many blocks are computed again in the backward pass.
    """

    def __init__(
        self,
        width: int,
        layers: int,
        heads: int,
        *,
        causal: bool = False,
        drop_path: float = 0.0,
        checkpointed_blocks: int = 0,
    ) -> None:
        super().__init__()
        self.checkpointed_blocks = checkpointed_blocks
        self.resblocks = nn.ModuleList(
            ResidualBlock(width, heads, causal=causal, drop_path=drop_path * i / max(1, layers - 1))
            for i in range(layers)
        )

    def forward(self, x_BLW: Tensor, *, only_first: bool = False) -> Tensor:
        """[B, L, W] -> [B, L, W].

        Args:
            x_BLW: tokens.
            only_first: whether only the first token is wanted, [B, 1, W]: the last block then
                leaves out what the others would need. Not for causal stacks.
        """
        last = len(self.resblocks) - 1
        for at, block in enumerate(self.resblocks):
            first = only_first and at == last
            if at < self.checkpointed_blocks and torch.is_grad_enabled():
                x_BLW = checkpoint(block, x_BLW, use_reentrant=False, only_first=first)
            else:
                x_BLW = block(x_BLW, only_first=first)
        return x_BLW
