"""What every text-to-video model offers: to training one side, to `TextToVideo` the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from internvid.core.errors import CheckpointError, ConfigInvalidError, MisuseError

TextInputs = dict[str, Tensor]
"""What a text encoder gives, each with the texts along its first axis."""
Frames = npt.NDArray[np.uint8]
"""RGB videos [B, T, H, W, 3]."""


@dataclass(frozen=True)
class Limits:
    """What a model can be given.

    Attributes:
        frames: of a clip where nothing is chosen.
        step: frame counts are a multiple of it, plus `offset`.
        offset: see `step`.
        most_frames: at most; 0 for no limit.
        height, width: where nothing is chosen.
        multiple: of both sides.
        tokens: of a text, at most.
        fps: at which its clips are played.
        steps: of denoising, where nothing is chosen.
        guidance: likewise; 1 for none.
        fixed_side: whether no other height and width can be made.
    """

    frames: int
    height: int
    width: int
    multiple: int
    tokens: int
    step: int = 1
    offset: int = 0
    most_frames: int = 0
    fps: float = 8.0
    steps: int = 50
    guidance: float = 7.5
    fixed_side: bool = False

    def check(self, frames: int, height: int, width: int) -> None:
        """Whether a clip of this size can be made.

        Raises:
            MisuseError: no; with what is allowed.
        """
        if frames < 1 or (frames - self.offset) % self.step or 0 < self.most_frames < frames:
            raise MisuseError(
                f"this model makes {self.frame_rule()} frames, not {frames}",
                hint=f"--frames {self._nearest(frames)}",
            )
        for name, side in (("height", height), ("width", width)):
            if side < self.multiple or side % self.multiple:
                nearest = max(1, round(side / self.multiple)) * self.multiple
                raise MisuseError(
                    f"{name} {side} is no multiple of {self.multiple}, which this model needs",
                    hint=f"{name} {nearest}",
                )
        if self.fixed_side and (height, width) != (self.height, self.width):
            raise MisuseError(
                f"this model makes {self.width}x{self.height} pixels only, not {width}x{height}",
                hint="leave --size out",
            )

    def frame_rule(self) -> str:
        """Which frame counts are allowed, in words."""
        if self.step == 1:
            return f"1 to {self.most_frames}" if self.most_frames else "any number of"
        most = f" (at most {self.most_frames})" if self.most_frames else ""
        return f"{self.step}k+{self.offset}{most}"

    def _nearest(self, frames: int) -> int:
        least = self.offset or self.step
        most = self.most_frames or max(frames, least)
        inside = min(max(frames, least), most)
        return max(least, (inside - self.offset) // self.step * self.step + self.offset)


@dataclass(frozen=True)
class Wish:
    """What is to be made.

    Attributes:
        prompts: one video each.
        seeds: of their noise, one for each prompt.
        frames, height, width: of all.
        steps: of denoising.
        guidance: how strongly the prompt pulls; 1 for as it was trained.
        negative: what to stay away from.
    """

    prompts: Sequence[str]
    seeds: Sequence[int]
    frames: int
    height: int
    width: int
    steps: int
    guidance: float
    negative: str = ""


class VideoModel(Protocol):
    """A text-to-video model, whatever is inside."""

    kind: str
    """As saved folders name it."""
    limits: Limits

    @property
    def network(self) -> nn.Module:
        """What is trained, and called by `predict`."""
        ...

    def encode(self, clips: Frames) -> Tensor:
        """Latents [B, C, T, H, W] of clips."""
        ...

    def encode_text(self, texts: Sequence[str], *, cuts: bool = False) -> TextInputs:
        """What stands for texts; with `cuts` long ones are cut.

        Raises:
            MisuseError: one is longer than the encoder reads.
        """
        ...

    def draw_times(self, count: int, frames: int, generator: torch.Generator) -> Tensor:
        """Where on the way from clean to noise training stands, [B] or [B, T]."""
        ...

    def mix(self, clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """Latents at these times."""
        ...

    def predict(self, latents: Tensor, times: Tensor, text: TextInputs) -> Tensor:
        """What the network says of noisy latents."""
        ...

    def target(self, clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """What it should say."""
        ...

    def weights(self, times: Tensor) -> Tensor:
        """How much each error counts; broadcast over the latents."""
        ...

    def sample(self, wish: Wish) -> Frames:
        """Videos, one for each prompt."""
        ...

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Those that are trained, by names that stay."""
        ...

    def save(self, folder: Path) -> None:
        """Write a folder that `TextToVideo.from_pretrained` reads."""
        ...

    def describe(self) -> dict[str, Any]:
        """What the model is, as plain JSON."""
        ...


def measure_loss(
    model: VideoModel, clean: Tensor, noise: Tensor, times: Tensor, text: TextInputs
) -> Tensor:
    """The loss [B] of samples.

    Args:
        model: that predicts.
        clean: latents [B, C, T, H, W].
        noise: that is mixed into them.
        times: how much of it, see `VideoModel.draw_times`.
        text: of the samples.
    """
    predicted = model.predict(model.mix(clean, noise, times), times, text)
    error = (predicted.float() - model.target(clean, noise, times).float()).square()
    return (error * model.weights(times)).flatten(1).mean(dim=1)


def draw_noise(seeds: Sequence[int], shape: Sequence[int]) -> Tensor:
    """Noise [B, *shape] on the CPU; each sample's depends on its own seed alone."""
    drawn = [
        torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed)) for seed in seeds
    ]
    return torch.stack(drawn)


def to_frames(pixels: Tensor) -> Frames:
    """Pixels [B, C, T, H, W] from -1 to 1 as bytes.

    Raises:
        CheckpointError: some are no numbers.
    """
    if not bool(torch.isfinite(pixels).all()):
        raise CheckpointError(
            "the model gave NaN in place of pixels",
            hint="use --dtype float32; if that gives NaN too, the weights are damaged",
        )
    scaled = (pixels.float().clamp(-1, 1) + 1).mul(127.5).round().to(torch.uint8)
    frames: Frames = scaled.permute(0, 2, 3, 4, 1).cpu().numpy()
    return frames


def to_pixels(clips: Frames, device: torch.device) -> Tensor:
    """Bytes [B, T, H, W, 3] as pixels [B, C, T, H, W] from -1 to 1.

    Raises:
        ConfigInvalidError: something else than uint8 RGB clips.
    """
    if clips.dtype != np.uint8 or clips.ndim != 5 or clips.shape[-1] != 3:
        raise ConfigInvalidError(
            f"clips are uint8 [B, T, H, W, 3], not {clips.dtype} {list(clips.shape)}"
        )
    pixels = torch.from_numpy(np.ascontiguousarray(clips)).to(device)
    return pixels.permute(0, 4, 1, 2, 3).float().div_(127.5).sub_(1)
