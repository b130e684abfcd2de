"""The text tower: CLIP's causal transformer over 32 tokens (paper §6.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from internvid.models.viclip.blocks import Transformer
from internvid.models.viclip.config import ViCLIPConfig


class TextTower(nn.Module):
    """Token ids -> one embedding, read at the end mark.

    Args:
        config: its shape.
    """

    def __init__(self, config: ViCLIPConfig) -> None:
        super().__init__()
        width = config.text_width
        self.token_embedding = nn.Embedding(config.vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.empty(config.context, width))
        self.transformer = Transformer(width, config.text_layers, config.text_heads, causal=True)
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.empty(width, config.embedding))

    def forward(self, tokens_BL: Tensor) -> Tensor:
        """Embeds texts.

        Args:
            tokens_BL: integer ids, the end mark being the largest of each row; L may be
                shorter than the context, since no token sees what comes after it.

        Returns:
            [B, E], not normalised.
        """
        x_BLW = self._tokens(tokens_BL)
        # argmax finds the end mark: its id is the highest, and the first one counts.
        last = tokens_BL.argmax(dim=-1)
        clip = torch.arange(tokens_BL.shape[0], device=tokens_BL.device)
        return self.ln_final(x_BLW[clip, last]) @ self.text_projection  # type: ignore[no-any-return]

    def encode_all(self, tokens_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings, and all tokens after the last norm.

        Returns:
            [B, E], and [B, L, W].
        """
        x_BLW = self.ln_final(self._tokens(tokens_BL))
        clip = torch.arange(tokens_BL.shape[0], device=tokens_BL.device)
        return x_BLW[clip, tokens_BL.argmax(dim=-1)] @ self.text_projection, x_BLW

    def _tokens(self, tokens_BL: Tensor) -> Tensor:
        x_BLW = self.token_embedding(tokens_BL) + self.positional_embedding[: tokens_BL.shape[1]]
        return self.transformer(x_BLW)  # type: ignore[no-any-return]
