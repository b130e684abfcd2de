"""The video tower: space-time patches, one class token, joint attention (paper §6.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from internvid.core.errors import ConfigInvalidError
from internvid.models.viclip.blocks import Transformer
from internvid.models.viclip.config import ViCLIPConfig
from internvid.models.viclip.masking import patchify
from internvid.models.viclip.products import product
from internvid.models.viclip.weights.positions import resize_spatial, resize_temporal

CHANNELS = 3


class VideoTower(nn.Module):
    """Pixels of a clip -> one embedding.

    The patch kernel is a Conv3d over (1, patch, patch) because the public weights are; it is
    applied as one matrix product over rows of patches, which is the same sum.

    Args:
        config: its shape.
    """

    def __init__(self, config: ViCLIPConfig) -> None:
        super().__init__()
        width, patch = config.vision_width, config.patch
        self.patch = patch
        self.conv1 = nn.Conv3d(
            CHANNELS, width, (1, patch, patch), stride=(1, patch, patch), bias=False
        )
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty(config.grid**2 + 1, width))
        self.temporal_positional_embedding = nn.Parameter(torch.empty(1, config.frames, width))
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(
            width,
            config.vision_layers,
            config.vision_heads,
            drop_path=config.drop_path,
            checkpointed_blocks=config.checkpointed_blocks,
        )
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.empty(width, config.embedding))

    def forward(self, pixels_BTCHW: Tensor, kept_BK: Tensor | None = None) -> Tensor:
        """Embeds clips, all their patches or only those kept.

        Args:
            pixels_BTCHW: normalised pixels; T and the size may differ from the config's,
                then positions are resized.
            kept_BK: int64 patch numbers in b (n t) order (see `draw_kept`); None keeps all.

        Returns:
            [B, E], not normalised.
        """
        _, frames, _, height, width = pixels_BTCHW.shape
        positions = self.positions(frames, height // self.patch, width // self.patch)
        return self.encode_patches(patchify(pixels_BTCHW, self.patch, kept_BK), positions, kept_BK)

    def encode_patches(
        self, patches_BKP: Tensor, positions_LW: Tensor, kept_BK: Tensor | None = None
    ) -> Tensor:
        """Embeds clips whose patches are already rows (see `patchify`).

        Args:
            patches_BKP: normalised pixels of the kept patches.
            positions_LW: of all patches, as `positions` makes them.
            kept_BK: which patches the rows are; None if they are all, in order.

        Returns:
            [B, E], not normalised.
        """
        x_BLW = self._embedded(patches_BKP, positions_LW, kept_BK)
        x_BLW = self.transformer(x_BLW, only_first=True)
        return self.ln_post(x_BLW[:, 0]) @ self.proj  # type: ignore[no-any-return]

    def encode_all(
        self, patches_BKP: Tensor, positions_LW: Tensor, kept_BK: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Embeddings, and all tokens after the last norm.

        Returns:
            [B, E], and [B, 1 + K, W] with the class token first.
        """
        x_BLW = self.transformer(self._embedded(patches_BKP, positions_LW, kept_BK))
        x_BLW = self.ln_post(x_BLW)
        return x_BLW[:, 0] @ self.proj, x_BLW

    def encode_penultimate(
        self, patches_BKP: Tensor, positions_LW: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Embeddings, and the patch tokens that the last block is given.

        In training the last block computes the class token alone, so that its patch tokens mean
        nothing; those before it are what systems on top of the tower read.

        Returns:
            [B, E], and [B, L, W] in the order (n t), the class token left out.
        """
        x_BLW = self._embedded(patches_BKP, positions_LW, None)
        *blocks, last = self.transformer.resblocks
        for block in blocks:
            x_BLW = block(x_BLW)
        first_BW = last(x_BLW, only_first=True)[:, 0]
        return self.ln_post(first_BW) @ self.proj, x_BLW[:, 1:]

    def _embedded(
        self, patches_BKP: Tensor, positions_LW: Tensor, kept_BK: Tensor | None
    ) -> Tensor:
        """[B, 1 + K, W], what the first block takes."""
        kernel = self.conv1.weight
        tokens = product(patches_BKP.to(kernel.dtype), kernel.flatten(1))
        if kept_BK is None:
            tokens = tokens + positions_LW
        else:
            tokens = tokens + functional.embedding(kept_BK, positions_LW)
        first = (self.class_embedding + self.positional_embedding[0]).to(tokens.dtype)
        x_BLW = torch.cat([first.expand(tokens.shape[0], 1, -1), tokens], dim=1)
        return self.ln_pre(x_BLW)  # type: ignore[no-any-return]

    def positions(self, frames: int, rows: int, columns: int) -> Tensor:
        """Space plus time of every patch, [rows * columns * frames, W], order (n t).

        One frame gets the mean over time, as images do in training.
        """
        space = resize_spatial(self.positional_embedding, rows, columns)[1:]
        time: Tensor = self.temporal_positional_embedding
        if frames == 1:
            time = time.mean(dim=1, keepdim=True)
        elif frames != time.shape[1]:
            time = resize_temporal(time, frames)
        return (space[:, None] + time).flatten(0, 1)


def check_pixels(pixels_BTCHW: Tensor, patch: int) -> None:
    """Refuses what the tower cannot embed.

    Raises:
        ConfigInvalidError: wrong dtype, axes, channels or size, or values that are no numbers.
    """
    shape = list(pixels_BTCHW.shape)
    expected = f"expected float [B, T, {CHANNELS}, H, W] with H and W multiples of {patch}"
    if not pixels_BTCHW.is_floating_point():
        raise ConfigInvalidError(
            f"pixels are {pixels_BTCHW.dtype} {shape}; {expected}",
            hint="encode_video takes uint8 frames and normalises them",
        )
    if len(shape) != 5 or shape[2] != CHANNELS or 0 in shape:
        raise ConfigInvalidError(f"pixels have shape {shape}; {expected}")
    if shape[3] % patch or shape[4] % patch:
        raise ConfigInvalidError(f"pixels are {shape[3]} x {shape[4]}; {expected}")
    if not bool(torch.isfinite(pixels_BTCHW).all()):
        raise ConfigInvalidError(f"pixels hold NaN or infinity; {expected}, all finite")
