"""Wan, LTX-Video and CogVideoX: how each one's latents, texts and calls look in diffusers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor

from internvid.models.generation.video_model import TextInputs


class Family:
    """What one kind of pipeline does in its own way."""

    parts: ClassVar[tuple[str, ...]] = (
        "transformer", "vae", "text_encoder", "tokenizer", "scheduler",
    )  # fmt: skip
    tokens: ClassVar[int]
    frames: ClassVar[int]
    size: ClassVar[tuple[int, int]]
    fps: ClassVar[float]
    guidance: ClassVar[float]
    least_multiple: ClassVar[int] = 8
    """That the pipeline itself demands of height and width."""
    ratios: ClassVar[tuple[str, str]] = ("vae_scale_factor_temporal", "vae_scale_factor_spatial")

    def frame_step(self, pipeline: Any) -> int:
        """Frames are a multiple of it, and one."""
        return int(getattr(pipeline, self.ratios[0]))

    def multiple(self, pipeline: Any) -> int:
        """Height and width are multiples of it."""
        patch = pipeline.transformer.config.patch_size
        side = int(patch if isinstance(patch, int) else patch[1])
        return math.lcm(int(getattr(pipeline, self.ratios[1])) * side, self.least_multiple)

    def latent_channels(self, pipeline: Any) -> int:
        """Channels of the latents of the VAE."""
        return int(pipeline.vae.config.latent_channels)

    def normalise(self, pipeline: Any, latents: Tensor) -> Tensor:
        """Latents [B, C, T, H, W] of the VAE, as the transformer sees them."""
        raise NotImplementedError

    def encode_text(self, pipeline: Any, texts: Sequence[str]) -> TextInputs:
        """What the text encoder gives."""
        states, _ = pipeline.encode_prompt(
            list(texts), do_classifier_free_guidance=False, max_sequence_length=self.tokens
        )
        return {"text": states}

    def predict(self, pipeline: Any, latents: Tensor, times: Tensor, text: TextInputs) -> Tensor:
        """What the transformer says of noisy latents [B, C, T, H, W]."""
        raise NotImplementedError


class Wan(Family):
    """Wan 2.1 and 2.2-5B."""

    tokens, frames, size, fps, guidance = 512, 81, (480, 832), 16.0, 5.0
    least_multiple = 16

    def latent_channels(self, pipeline: Any) -> int:
        """See `Family`."""
        return int(pipeline.vae.config.z_dim)

    def normalise(self, pipeline: Any, latents: Tensor) -> Tensor:
        """See `Family`."""
        mean, std = (
            torch.tensor(numbers).to(latents).view(1, -1, 1, 1, 1)
            for numbers in (pipeline.vae.config.latents_mean, pipeline.vae.config.latents_std)
        )
        return (latents - mean) / std

    def predict(self, pipeline: Any, latents: Tensor, times: Tensor, text: TextInputs) -> Tensor:
        """See `Family`."""
        if pipeline.config.expand_timesteps:
            # A time for every token: 2.2-5B was trained so, to take still pictures too.
            height, width = latents.shape[3] // 2, latents.shape[4] // 2
            times = times[:, None].expand(-1, latents.shape[2] * height * width)
        predicted: Tensor = pipeline.transformer(
            hidden_states=latents, timestep=times, encoder_hidden_states=text["text"],
            return_dict=False,
        )[0]  # fmt: skip
        return predicted


class Ltx(Family):
    """LTX-Video."""

    tokens, frames, size, fps, guidance = 128, 121, (512, 704), 25.0, 3.0
    least_multiple = 32
    ratios = ("vae_temporal_compression_ratio", "vae_spatial_compression_ratio")

    def normalise(self, pipeline: Any, latents: Tensor) -> Tensor:
        """See `Family`."""
        vae = pipeline.vae
        mean, std = (
            numbers.to(latents).view(1, -1, 1, 1, 1)
            for numbers in (vae.latents_mean, vae.latents_std)
        )
        scaled: Tensor = (latents - mean) * vae.config.scaling_factor / std
        return scaled

    def encode_text(self, pipeline: Any, texts: Sequence[str]) -> TextInputs:
        """See `Family`; with the mask, which the transformer reads."""
        states, mask, _, _ = pipeline.encode_prompt(
            list(texts), do_classifier_free_guidance=False, max_sequence_length=self.tokens
        )
        return {"text": states, "mask": mask}

    def predict(self, pipeline: Any, latents: Tensor, times: Tensor, text: TextInputs) -> Tensor:
        """See `Family`; latents go through as rows of patches."""
        frames, height, width = latents.shape[2:]
        patch = pipeline.transformer_spatial_patch_size, pipeline.transformer_temporal_patch_size
        temporal, spatial = (getattr(pipeline, name) for name in self.ratios)
        predicted = pipeline.transformer(
            hidden_states=pipeline._pack_latents(latents, *patch),  # noqa: SLF001
            encoder_hidden_states=text["text"],
            timestep=times,
            encoder_attention_mask=text["mask"],
            num_frames=frames,
            height=height,
            width=width,
            rope_interpolation_scale=(temporal / self.fps, spatial, spatial),
            return_dict=False,
        )[0]
        unpacked: Tensor = pipeline._unpack_latents(predicted, frames, height, width, *patch)  # noqa: SLF001
        return unpacked


class CogVideoX(Family):
    """CogVideoX 1.0 and 1.5."""

    tokens, frames, size, fps, guidance = 226, 49, (480, 720), 8.0, 6.0

    def frame_step(self, pipeline: Any) -> int:
        """See `Family`; latent frames come in pairs, and 1.5 joins two more."""
        return super().frame_step(pipeline) * 2 * (pipeline.transformer.config.patch_size_t or 1)

    def normalise(self, pipeline: Any, latents: Tensor) -> Tensor:
        """See `Family`."""
        factor: float = pipeline.vae.config.scaling_factor
        return latents * factor

    def encode_text(self, pipeline: Any, texts: Sequence[str]) -> TextInputs:
        """See `Family`."""
        limit = min(self.tokens, pipeline.transformer.config.max_text_seq_length)
        states, _ = pipeline.encode_prompt(
            list(texts), do_classifier_free_guidance=False, max_sequence_length=limit
        )
        return {"text": states}

    def predict(self, pipeline: Any, latents: Tensor, times: Tensor, text: TextInputs) -> Tensor:
        """See `Family`; its latents are [B, T, C, H, W], filled up in front for patches in time."""
        transformer, given = pipeline.transformer, latents.transpose(1, 2)
        over = given.shape[1] % (transformer.config.patch_size_t or 1)
        if over:
            given = torch.cat([given[:, :1], given], dim=1)
        rotary = None
        if transformer.config.use_rotary_positional_embeddings:
            factor = pipeline.vae_scale_factor_spatial
            rotary = pipeline._prepare_rotary_positional_embeddings(  # noqa: SLF001
                given.shape[3] * factor, given.shape[4] * factor, given.shape[1], given.device
            )
        predicted = transformer(
            hidden_states=given, encoder_hidden_states=text["text"], timestep=times,
            image_rotary_emb=rotary, return_dict=False,
        )[0]  # fmt: skip
        back: Tensor = predicted[:, over:].transpose(1, 2)
        return back


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {"WanPipeline": Wan(), "LTXPipeline": Ltx(), "CogVideoXPipeline": CogVideoX()}
)
"""Pipeline of diffusers -> its family."""
