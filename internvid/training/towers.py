"""The towers as training calls them: bytes of patches in, embeddings out."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from internvid.models.viclip.preprocess import Preprocessing
from internvid.models.viclip.text import TextTower
from internvid.models.viclip.vision import VideoTower


class PatchTower(nn.Module):
    """A video tower that is fed bytes of the kept patches.

    The normalisation is one multiplication and one addition per value, on the device, so that
    only bytes travel.

    Args:
        tower: whose parameters are used.
        rule: mean and deviation.
        frames: of a clip.
        grid: patches along one side of a frame.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, tower: VideoTower, rule: Preprocessing, frames: int, grid: int) -> None:
        super().__init__()
        self.tower = tower
        self.frames = frames
        self.grid = grid
        mean, std = (
            torch.tensor(numbers, dtype=torch.float64) for numbers in (rule.mean, rule.std)
        )
        area = tower.patch**2
        self._keep("scale", 1 / (255 * std), area)
        self._keep("shift", -mean / std, area)

    def _keep(self, name: str, values: Tensor, area: int) -> None:
        self.register_buffer(name, values.repeat_interleave(area).float(), persistent=False)

    def forward(self, patches_BKP: Tensor, kept_BK: Tensor | None) -> Tensor:
        """Embeds clips.

        Args:
            patches_BKP: uint8.
            kept_BK: which patches they are; None if all, in order.

        Returns:
            [B, E], not normalised.
        """
        return self.tower.encode_patches(*self.prepared(patches_BKP), kept_BK)

    def prepared(self, patches_BKP: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised pixels [B, K, P] and the positions of all patches [L, W]."""
        pixels_BKP = torch.addcmul(self.shift, patches_BKP.float(), self.scale)
        return pixels_BKP, self.tower.positions(self.frames, self.grid, self.grid)


class PatchTokens(nn.Module):
    """A video tower that is fed bytes of the kept patches and gives its tokens too.

    Args:
        patches: prepares the bytes, and holds the tower whose parameters are used.
    """

    def __init__(self, patches: PatchTower) -> None:
        super().__init__()
        self.patches = patches

    def forward(self, patches_BKP: Tensor, kept_BK: Tensor | None) -> tuple[Tensor, Tensor]:
        """Embeddings [B, E] and tokens [B, 1 + K, W]; inputs as `PatchTower` takes them."""
        return self.patches.tower.encode_all(*self.patches.prepared(patches_BKP), kept_BK)


class TextTokens(nn.Module):
    """A text tower that gives its tokens too.

    Args:
        tower: whose parameters are used.
    """

    def __init__(self, tower: TextTower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, tokens_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings [B, E] and tokens [B, L, W] of texts."""
        return self.tower.encode_all(tokens_BL)


def named_parameters(
    model: nn.Module, head: nn.Module | None
) -> Iterator[tuple[str, nn.Parameter]]:
    """Those of a model, then those of its head as `head.NAME`."""
    yield from model.named_parameters()
    if head is not None:
        yield from head.named_parameters(prefix="head")
