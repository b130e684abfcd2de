"""Whether a text and a video belong together, scored by letting their tokens meet.

The paper names the loss (video-text matching, §7.3) and not the head; this one is ours, see
`docs/design/0014-fine-tuning.md`. Text tokens look at video tokens, then at one another, twice;
the end mark's token is read by one linear layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from internvid.models.viclip.blocks import Attention, Mlp, by_head
from internvid.models.viclip.config import ViCLIPConfig
from internvid.models.viclip.heads.base import Head
from internvid.models.viclip.inputs import load_clip, stack_clips
from internvid.models.viclip.masking import patchify
from internvid.models.viclip.model import ViCLIP
from internvid.models.viclip.products import Linear

_DEVIATION = 0.02


def shown_tokens(tokens_BL: Tensor) -> Tensor:
    """Which ids are the text's own: those up to the end mark. bool [B, L]."""
    last_B1 = tokens_BL.argmax(dim=-1, keepdim=True)
    return torch.arange(tokens_BL.shape[1], device=tokens_BL.device) <= last_B1


class _Fusion(nn.Module):
    """One layer: text looks at video, text looks at text, an MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln_cross = nn.LayerNorm(width)
        self.query = Linear(width, width)
        self.key_value = Linear(width, 2 * width)
        self.cross_proj = Linear(width, width)
        self.ln_self = nn.LayerNorm(width)
        self.attn = Attention(width, heads, causal=False)
        self.ln_mlp = nn.LayerNorm(width)
        self.mlp = Mlp(width)

    def forward(self, x_BLW: Tensor, shown_BL: Tensor, video_BKW: Tensor) -> Tensor:
        """[B, L, W] -> [B, L, W]."""
        query = by_head(self.query(self.ln_cross(x_BLW)), self.heads, 1)[0]
        key, value = by_head(self.key_value(video_BKW), self.heads, 2)
        seen = functional.scaled_dot_product_attention(query, key, value)
        x_BLW = x_BLW + self.cross_proj(seen.transpose(1, 2).flatten(2))
        x_BLW = x_BLW + self._among_texts(self.ln_self(x_BLW), shown_BL)
        return x_BLW + self.mlp(self.ln_mlp(x_BLW))  # type: ignore[no-any-return]

    def _among_texts(self, x_BLW: Tensor, shown_BL: Tensor) -> Tensor:
        mixed = functional.linear(x_BLW, self.attn.in_proj_weight, self.attn.in_proj_bias)
        query, key, value = by_head(mixed, self.heads, 3)
        # Padding is looked at by no one.
        seen = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=shown_BL[:, None, None]
        )
        return self.attn.out_proj(seen.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class MatchingHead(Head):
    """Text tokens that attend to video tokens; two logits at the end mark.

    Args:
        config: of the towers; the head has the text tower's width and heads.
        layers: of fusion.
    """

    kind = "matching"

    def __init__(self, config: ViCLIPConfig, layers: int = 2) -> None:
        super().__init__()
        width = config.text_width
        self.layers = layers
        self.text_in = Linear(width, width)
        self.video_in = Linear(config.vision_width, width)
        self.ln_video = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(_Fusion(width, config.text_heads) for _ in range(layers))
        self.ln_last = nn.LayerNorm(width)
        self.out = Linear(width, 2)
        if self.out.weight.device.type != "meta":
            self._initialise()

    def _initialise(self) -> None:
        for part in self.modules():
            for name, parameter in part.named_parameters(recurse=False):
                if parameter.ndim > 1:
                    nn.init.normal_(parameter, std=float(parameter.shape[1]) ** -0.5)
                elif name.endswith("bias"):
                    nn.init.zeros_(parameter)
        nn.init.normal_(self.out.weight, std=_DEVIATION)

    def describe(self) -> dict[str, Any]:
        """See `Head`."""
        return {"kind": self.kind, "layers": self.layers}

    @classmethod
    def from_mapping(cls, config: ViCLIPConfig, described: Mapping[str, Any]) -> Self:
        """See `Head`."""
        return cls(config, int(described["layers"]))

    def prepare_video(self, tokens_BKV: Tensor) -> Tensor:
        """Video tokens as the fusion takes them, once a video. [B, K, Wv] -> [B, K, W]."""
        return self.ln_video(self.video_in(tokens_BKV))  # type: ignore[no-any-return]

    def forward(
        self, text_BLW: Tensor, shown_BL: Tensor, video_CKV: Tensor, pairs_P2: Tensor
    ) -> Tensor:
        """Match logits of pairs out of a batch of texts and a batch of videos.

        Args:
            text_BLW: the text tower's last tokens.
            shown_BL: bool, see `shown_tokens`.
            video_CKV: the video tower's last tokens.
            pairs_P2: int64 (text, video), places in the batches.

        Returns:
            [P, 2]: no match, match.
        """
        video = self.prepare_video(video_CKV)
        texts, videos = pairs_P2.unbind(1)
        # Backwards, index_select adds whole rows; indexing would sort single places.
        return self.match_logits(
            text_BLW.index_select(0, texts), shown_BL[texts], video.index_select(0, videos)
        )

    def match_logits(self, text_BLW: Tensor, shown_BL: Tensor, video_BKW: Tensor) -> Tensor:
        """Logits [B, 2] (no match, match) of texts and prepared video tokens, pair by pair."""
        x_BLW = self.text_in(text_BLW)
        for block in self.blocks:
            x_BLW = block(x_BLW, shown_BL, video_BKW)
        last_B = shown_BL.sum(dim=1) - 1
        end_BW = x_BLW[torch.arange(len(x_BLW), device=x_BLW.device), last_B]
        return self.out(self.ln_last(end_BW))  # type: ignore[no-any-return]


@torch.no_grad()
def video_tokens(model: ViCLIP, clips: Sequence[Any]) -> Tensor:
    """The video tower's last tokens of clips with as many frames each.

    Args:
        model: in evaluation mode.
        clips: uint8 [T, H, W, 3] each.

    Returns:
        float32 [B, 1 + K, Wv].
    """
    frames = len(clips[0])
    loaded = [load_clip(clip, model.preprocessing, frames, frames) for clip in clips]
    pixels = stack_clips(
        [each.to(model.device) for each in loaded], model.preprocessing, model.config.resolution
    ).to(model.dtype)
    tower, grid = model.vision_encoder, model.config.grid
    patches = patchify(pixels, tower.patch, None)
    return tower.encode_all(patches, tower.positions(frames, grid, grid))[1].float()
