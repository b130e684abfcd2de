"""A U-Net of pictures made to see videos: paper §9.1, after Tune-A-Video.

Frames are folded into the batch, so that each 3x3 convolution works as 1x3x3. Spatial attention
takes keys from the frame before too, and after each transformer block frames look at each other,
place by place. Key names of the picture's weights stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from internvid.core.errors import ConfigInvalidError

KeyFrames = Literal["previous", "first"]


@dataclass
class Folded:
    """How many frames are folded into the batch; shared by all that must know.

    Attributes:
        frames: consecutive rows of the batch that are one clip.
    """

    frames: int = 1


class TemporalAttention(nn.Module):
    """Attention among the frames of a clip at each place; begins as nothing.

    Args:
        width: channels.
        heads: of attention.
        folded: how many frames there are.
    """

    def __init__(self, width: int, heads: int, folded: Folded) -> None:
        super().__init__()
        self.heads = heads
        self.folded = folded
        self.norm = nn.LayerNorm(width)
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(width, width, bias=False)
        self.to_v = nn.Linear(width, width, bias=False)
        self.to_out = nn.Linear(width, width)
        nn.init.zeros_(self.to_out.weight)
        nn.init.zeros_(self.to_out.bias)

    def forward(self, rows_NLC: Tensor) -> Tensor:
        """Rows of B*T frames with L places each, and what they took from each other added."""
        frames = self.folded.frames
        if frames == 1:
            return rows_NLC
        clips = rows_NLC.reshape(-1, frames, *rows_NLC.shape[1:])
        places = clips.transpose(1, 2)
        normed = self.norm(places.flatten(0, 1))
        query, key, value = (
            part(normed).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.to_q, self.to_k, self.to_v)
        )
        seen = functional.scaled_dot_product_attention(query, key, value)
        seen = self.to_out(seen.transpose(1, 2).flatten(2))
        seen = seen.reshape(places.shape).transpose(1, 2).flatten(0, 1)
        mixed: Tensor = rows_NLC + seen
        return mixed


class FramePairAttention:
    """Spatial attention whose keys and values are those of another frame and of the own.

    Args:
        folded: how many frames there are.
        keys: the other frame: the one before, or the first of the clip.
    """

    def __init__(self, folded: Folded, keys: KeyFrames) -> None:
        self.folded = folded
        self.keys = keys

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        **options: Any,
    ) -> Tensor:
        """The call of an attention processor of diffusers, inside a transformer block."""
        del encoder_hidden_states, attention_mask, temb, options
        own = hidden_states.reshape(-1, self.folded.frames, *hidden_states.shape[1:])
        if self.keys == "previous":
            # The first frame has none before it and sees itself twice.
            other = torch.cat([own[:, :1], own[:, :-1]], dim=1)
        else:
            other = own[:, :1].expand_as(own)
        both = torch.cat([other, own], dim=2).flatten(0, 1)
        query, key, value = (
            part(rows).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for part, rows in ((attn.to_q, hidden_states), (attn.to_k, both), (attn.to_v, both))
        )
        seen = functional.scaled_dot_product_attention(query, key, value)
        mixed = seen.transpose(1, 2).flatten(2).to(hidden_states.dtype)
        out: Tensor = attn.to_out[1](attn.to_out[0](mixed))
        return out


@dataclass(frozen=True)
class Inflated:
    """What was added to a U-Net.

    Attributes:
        temporal: the temporal attention, by the name of the block that it follows.
        folded: how many frames the next call has.
        hooks: that call it; `remove` takes the U-Net back to what it was.
    """

    temporal: nn.ModuleDict
    folded: Folded
    hooks: list[Any] = field(default_factory=list, repr=False)


def inflate(unet: Any, keys: KeyFrames = "previous") -> Inflated:
    """Makes a `UNet2DConditionModel` see videos, in place; its own parameters stay as they are.

    Raises:
        ConfigInvalidError: it has no transformer blocks, or attention of another kind.
    """
    from diffusers.models.attention import BasicTransformerBlock

    if keys not in ("previous", "first"):
        raise ConfigInvalidError(f"keys is previous or first, not {keys!r}")
    folded, temporal, hooks = Folded(), nn.ModuleDict(), []
    for name, block in unet.named_modules():
        if not isinstance(block, BasicTransformerBlock):
            continue
        attention = block.attn1
        if block.only_cross_attention or attention.added_kv_proj_dim is not None:
            raise ConfigInvalidError(f"{name} has no spatial attention that frames could share")
        if attention.norm_q is not None or attention.rescale_output_factor != 1:
            raise ConfigInvalidError(f"the attention of {name} is of a kind that is not known here")
        width = attention.to_q.in_features
        added = TemporalAttention(width, attention.heads, folded)
        added.to(attention.to_q.weight.device, attention.to_q.weight.dtype)
        # Dots would be parts of a path.
        temporal[name.replace(".", "-")] = added
        attention.set_processor(FramePairAttention(folded, keys))
        hooks.append(block.register_forward_hook(_after(added)))
    if not temporal:
        raise ConfigInvalidError(
            "this U-Net has no transformer blocks that frames could be joined in",
            hint="take one of Stable Diffusion's type",
        )
    return Inflated(temporal, folded, hooks)


def _after(added: TemporalAttention) -> Any:
    def follow(block: nn.Module, given: Any, rows: Tensor) -> Tensor:
        del block, given
        seen: Tensor = added(rows)
        return seen

    return follow


class InflatedUNet(nn.Module):
    """The U-Net with what was added: latents of clips in, predictions out.

    Args:
        unet: of pictures; it is changed in place.
        keys: see `inflate`.
    """

    def __init__(self, unet: Any, keys: KeyFrames = "previous") -> None:
        super().__init__()
        self.keys = keys
        inflated = inflate(unet, keys)
        self.unet = unet
        self.temporal = inflated.temporal
        self.folded = inflated.folded

    def forward(self, latents_BCTHW: Tensor, times_B: Tensor, text_BLE: Tensor) -> Tensor:
        """Predictions [B, C, T, H, W].

        Args:
            latents_BCTHW: noisy.
            times_B: steps of the scheduler.
            text_BLE: the text encoder's last states.
        """
        count, _, frames = latents_BCTHW.shape[:3]
        self.folded.frames = frames
        pictures = latents_BCTHW.transpose(1, 2).flatten(0, 1)
        predicted = self.unet(
            pictures,
            times_B.repeat_interleave(frames),
            encoder_hidden_states=text_BLE.repeat_interleave(frames, dim=0),
        ).sample
        back: Tensor = predicted.unflatten(0, (count, frames)).transpose(1, 2)
        return back
