"""From ViCLIP's tokens to inputs of a language model: an MLP, or a Q-Former with more queries."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from internvid.core.errors import ConfigInvalidError
from internvid.models.chat.chat_config import ConnectorConfig
from internvid.models.pretrained import import_transformers
from internvid.models.viclip.config import ViCLIPConfig

_PLACE_CHANNELS = 16


class MlpConnector(nn.Module):
    """Each frame's tokens, pooled to a few cells, and the clip's embedding, through an MLP.

    A cell is its tokens' mean and maximum; the frame's place in the video is added as sines.

    Args:
        config: of the connector.
        vision: shapes of ViCLIP.
        width: of the language model.
        scale: root mean square of the language model's own token embeddings.
    """

    def __init__(
        self, config: ConnectorConfig, vision: ViCLIPConfig, width: int, scale: float
    ) -> None:
        super().__init__()
        hidden = config.hidden or width
        if config.grid > vision.grid:
            raise ConfigInvalidError(
                f"connector.grid {config.grid} is more than the {vision.grid} patches of a side"
            )
        self.grid = config.grid
        self.norm = nn.LayerNorm(vision.vision_width)
        self.enter = nn.Linear(2 * vision.vision_width, hidden)
        self.place = nn.Linear(_PLACE_CHANNELS, hidden, bias=False)
        self.cell = nn.Parameter(0.02 * torch.randn(config.grid**2, hidden))
        self.clip = nn.Linear(vision.embedding, hidden)
        self.leave = nn.Linear(hidden, width)
        self.scaled = ScaledNorm(width, scale)

    def tokens(self, frames: int, windows: int) -> int:
        """Inputs that a video of so many windows of frames becomes."""
        return windows * (frames * self.grid**2 + 1)

    def forward(self, tokens_BTNW: Tensor, clip_BE: Tensor, places_BT: Tensor) -> Tensor:
        """Inputs of the language model.

        Args:
            tokens_BTNW: of each frame's patches.
            clip_BE: the clip's embedding.
            places_BT: of the frames in the video, from 0 to 1.

        Returns:
            [B, T * grid^2 + 1, D].
        """
        cells_BTCW = self._cells(self.norm(tokens_BTNW))
        x = self.enter(cells_BTCW) + self.place(waves(places_BT))[:, :, None] + self.cell
        clip_BH = self.clip(_unit(clip_BE))
        x_BMH = torch.cat([x.flatten(1, 2), clip_BH[:, None].to(x.dtype)], dim=1)
        return self.scaled(self.leave(functional.gelu(x_BMH)))  # type: ignore[no-any-return]

    def _cells(self, tokens_BTNW: Tensor) -> Tensor:
        batch, frames, count, width = tokens_BTNW.shape
        side = math.isqrt(count)
        maps = tokens_BTNW.reshape(batch * frames, side, side, width).permute(0, 3, 1, 2)
        pooled = [
            functional.adaptive_avg_pool2d(maps, self.grid),
            functional.adaptive_max_pool2d(maps, self.grid),
        ]
        joined = torch.cat(pooled, dim=1).flatten(2).transpose(1, 2)
        return joined.reshape(batch, frames, self.grid**2, 2 * width)


class QFormerConnector(nn.Module):
    """BLIP-2's Q-Former over the tokens of all frames, with further queries, then a linear map.

    Args:
        config: of the connector.
        vision: shapes of ViCLIP.
        width: of the language model.
        scale: root mean square of the language model's own token embeddings.
    """

    def __init__(
        self, config: ConnectorConfig, vision: ViCLIPConfig, width: int, scale: float
    ) -> None:
        super().__init__()
        hidden = config.hidden or width
        if hidden % config.heads:
            raise ConfigInvalidError(
                f"connector.hidden {hidden} cannot be shared by connector.heads {config.heads}"
            )
        transformers = import_transformers()
        shape = transformers.Blip2QFormerConfig(
            hidden_size=hidden,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            intermediate_size=4 * hidden,
            encoder_hidden_size=vision.vision_width,
            cross_attention_frequency=1,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        self.norm = nn.LayerNorm(vision.vision_width)
        self.place = nn.Linear(_PLACE_CHANNELS, vision.vision_width, bias=False)
        self.queries = nn.Parameter(0.02 * torch.randn(1, config.queries, hidden))
        # Not zeros, as the reference begins with: equal queries would stay equal.
        self.extra_queries = nn.Parameter(0.02 * torch.randn(1, config.extra_queries, hidden))
        self.qformer: Any = transformers.Blip2QFormerModel(shape)
        self.clip = nn.Linear(vision.embedding, vision.vision_width)
        self.leave = nn.Linear(hidden, width)
        self.scaled = ScaledNorm(width, scale)

    def tokens(self, frames: int, windows: int) -> int:
        """Inputs that a video of so many windows of frames becomes."""
        return windows * (self.queries.shape[1] + self.extra_queries.shape[1])

    def forward(self, tokens_BTNW: Tensor, clip_BE: Tensor, places_BT: Tensor) -> Tensor:
        """Inputs of the language model [B, queries, D]; arguments as of `MlpConnector`."""
        x = self.norm(tokens_BTNW) + self.place(waves(places_BT))[:, :, None]
        x_BLW = torch.cat([self.clip(_unit(clip_BE))[:, None].to(x.dtype), x.flatten(1, 2)], dim=1)
        queries = torch.cat([self.queries, self.extra_queries], dim=1).expand(len(x_BLW), -1, -1)
        seen = self.qformer(query_embeds=queries, encoder_hidden_states=x_BLW).last_hidden_state
        return self.scaled(self.leave(seen))  # type: ignore[no-any-return]


def _unit(clip_BE: Tensor) -> Tensor:
    """Embeddings of one length, about 1 a channel, in their own type."""
    length = clip_BE.shape[-1] ** 0.5
    unit: Tensor = functional.normalize(clip_BE.float(), dim=-1) * length
    return unit.to(clip_BE.dtype)


class ScaledNorm(nn.Module):
    """Layer norm whose outputs begin as large as the language model's own embeddings.

    Args:
        width: channels.
        scale: root mean square of the embeddings.
    """

    def __init__(self, width: int, scale: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        nn.init.constant_(self.norm.weight, scale)

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        return self.norm(x)  # type: ignore[no-any-return]


def waves(places_BT: Tensor) -> Tensor:
    """Sines and cosines of places from 0 to 1, [B, T, 16]."""
    rates = math.pi * 2.0 ** torch.arange(_PLACE_CHANNELS // 2, device=places_BT.device)
    angles = places_BT.float()[..., None] * rates
    joined: Tensor = torch.cat([angles.sin(), angles.cos()], dim=-1)
    return joined.to(places_BT.dtype)


def make_connector(
    config: ConnectorConfig, vision: ViCLIPConfig, width: int, scale: float
) -> MlpConnector | QFormerConnector:
    """A connector with fresh weights; arguments as of `MlpConnector`."""
    made = MlpConnector if config.kind == "mlp" else QFormerConnector
    return made(config, vision, width, scale)
