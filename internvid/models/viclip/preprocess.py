"""From frames to normalised pixels: named, explicit, and recorded with every result.

Published models were trained with ImageNet's constants and squashed frames (paper §6.3), while
other users of the same weights take CLIP's; the choice moves scores, so it has a name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from internvid.core.config import plain
from internvid.core.errors import ConfigInvalidError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
_CHOICES = {
    "fit": ("squash", "crop"),
    "interpolation": ("bicubic", "bilinear"),
    "sampling": ("middle", "stride"),
    "rounding": ("once", "each_pass"),
}
# 256 MB of float32: large frames are resized a few at a time.
_VALUES_AT_ONCE = 2**26
# Rules of which 0.1.0 rounded each pass on a CPU, and the code that they are named after does not.
_ROUNDED_ONCE = ("reference", "reference-aliased")


@dataclass(frozen=True)
class Preprocessing:
    """How frames become pixels.

    Attributes:
        name: what it is called in records.
        fit: `squash` resizes to the square whatever the aspect; `crop` resizes the short side
            and takes the centre.
        interpolation: `bicubic` or `bilinear`.
        antialias: whether shrinking averages over the source pixels, as Pillow does.
        sampling: `middle` takes the middle frame of equal intervals; `stride` every n-th from
            the first.
        mean: of red, green, blue, in [0, 1].
        std: likewise.
        rounding: to 8 bits: `once` after both passes, as torchvision's transforms of tensors do
            since they compute in float32; `each_pass`: columns, then rows, as Pillow does.
    """

    name: str = "reference"
    fit: str = "squash"
    interpolation: str = "bicubic"
    antialias: bool = True
    sampling: str = "middle"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    rounding: str = "once"

    def __post_init__(self) -> None:
        for field, allowed in _CHOICES.items():
            if getattr(self, field) not in allowed:
                raise ConfigInvalidError(
                    f"{field} is one of {', '.join(allowed)}, not {getattr(self, field)!r}"
                )
        for field in ("mean", "std"):
            numbers = getattr(self, field)
            if len(numbers) != 3 or not all(np.isfinite(numbers)):
                raise ConfigInvalidError(f"{field} must be 3 finite numbers, got {numbers}")
        if min(self.std) <= 0:
            raise ConfigInvalidError(f"std must be above 0, got {self.std}")

    def __call__(self, frames_BTHWC: Tensor, resolution: int) -> Tensor:
        """Pixels of frames, on the same device.

        Args:
            frames_BTHWC: uint8 RGB.
            resolution: side of the square, in pixels.

        Returns:
            float32 [B, T, 3, resolution, resolution], normalised.
        """
        batch, frames = frames_BTHWC.shape[:2]
        images = self.resize(frames_BTHWC.flatten(0, 1).permute(0, 3, 1, 2), resolution)
        # The order of these operations is the reference's: other orders round differently.
        pixels = (images.float() / 255 - self._row(self.mean, images)) / self._row(self.std, images)
        return pixels.view(batch, frames, *pixels.shape[1:])

    def resize(self, images_NCHW: Tensor, resolution: int) -> Tensor:
        """Images at the wanted square, whole levels from 0 to 255, the same on every device.

        Args:
            images_NCHW: uint8.
            resolution: side of the square, in pixels.
        """
        height, width = images_NCHW.shape[-2:]
        target = (resolution, resolution)
        if self.fit == "crop":
            short = min(height, width)
            target = (int(resolution * height / short), int(resolution * width / short))
        if (height, width) != target:
            images_NCHW = self._resample(images_NCHW, target)
        top, left = (round((side - resolution) / 2) for side in target)
        return images_NCHW[..., top : top + resolution, left : left + resolution]

    def _resample(self, images_NCHW: Tensor, size: tuple[int, int]) -> Tensor:
        if self.rounding == "once":
            at_once = max(1, _VALUES_AT_ONCE // images_NCHW[0].numel())
            parts = torch.split(images_NCHW, at_once)
            return torch.cat([self._interpolated(part.float(), size) for part in parts])
        if images_NCHW.device.type == "cpu":
            # Torch's own 8-bit resize: the same to a level, and ten times as fast.
            return functional.interpolate(
                images_NCHW,
                size,
                mode=self.interpolation,
                align_corners=False,
                antialias=self.antialias,
            )
        return self._in_passes(images_NCHW, size)

    def _in_passes(self, images_NCHW: Tensor, size: tuple[int, int]) -> Tensor:
        wide = self._interpolated(images_NCHW.float(), (images_NCHW.shape[-2], size[1]))
        return self._interpolated(wide, size)

    def _interpolated(self, images_NCHW: Tensor, size: tuple[int, int]) -> Tensor:
        resized = functional.interpolate(
            images_NCHW,
            size,
            mode=self.interpolation,
            align_corners=False,
            antialias=self.antialias,
        )
        return resized.round_().clamp_(0, 255)

    def sample(self, available: int, wanted: int) -> list[int]:
        """Which of `available` frames stand for a clip; the last is repeated if they are few."""
        return sample_frames(available, wanted, self.sampling)

    def describe(self) -> dict[str, Any]:
        """The fields as plain JSON; without the rounding where it is that of older records."""
        found = {field.name: plain(getattr(self, field.name)) for field in fields(self)}
        if self.rounding == "each_pass":
            del found["rounding"]
        return found

    @property
    def fingerprint(self) -> str:
        """16 hex digits of every field but the name."""
        values = {key: value for key, value in self.describe().items() if key != "name"}
        text = json.dumps(values, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Preprocessing:
        """The preprocessing that `describe` wrote.

        Raises:
            ConfigInvalidError: a key is no field, or a value cannot be taken.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ConfigInvalidError(
                f"a preprocessing has no field {unknown[0]!r}; it has: {', '.join(sorted(known))}"
            )
        given: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        older = "once" if given.get("name", "reference") in _ROUNDED_ONCE else "each_pass"
        return cls(**{"rounding": older, **given})

    @staticmethod
    def _row(numbers: tuple[float, ...], images: Tensor) -> Tensor:
        return torch.tensor(numbers, dtype=torch.float32, device=images.device)[:, None, None]


PREPROCESSINGS = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            Preprocessing(),
            Preprocessing("reference-aliased", antialias=False),
            Preprocessing("reference-8bit", rounding="each_pass"),
            Preprocessing("clip", fit="crop", mean=CLIP_MEAN, std=CLIP_STD, rounding="each_pass"),
            Preprocessing(
                "demo", interpolation="bilinear", antialias=False, sampling="stride",
                rounding="each_pass",
            ),
        )
    }
)  # fmt: skip
"""The named ones: `reference` (evaluation of the public code with today's torchvision),
`reference-aliased` (the same with torchvision before 0.17), `reference-8bit` (what internvid
0.1.0 called `reference` on a CPU, and Pillow's resize), `clip` (CLIP's own), `demo` (the public
demo)."""


def find_preprocessing(name: str | Preprocessing) -> Preprocessing:
    """The preprocessing of that name; one is returned as it is.

    Raises:
        ConfigInvalidError: there is none of that name.
    """
    if isinstance(name, Preprocessing):
        return name
    if name not in PREPROCESSINGS:
        raise ConfigInvalidError(
            f"no preprocessing is called {name!r}; there are: {', '.join(PREPROCESSINGS)}"
        )
    return PREPROCESSINGS[name]


def sample_frames(available: int, wanted: int, sampling: str = "middle") -> list[int]:
    """Indices of the frames that stand for a clip (paper §6.3).

    `middle`: the frames are cut into `wanted` intervals as equal as whole frames allow, and of
    each the middle one is taken (the earlier of two). `stride`: every (available // wanted)-th
    from the first. Where fewer frames exist than are wanted, the last index is repeated.

    Args:
        available: frames there are, at least 1.
        wanted: frames requested, at least 1.
        sampling: `middle` or `stride`.

    Raises:
        ConfigInvalidError: there is no frame, or none is requested.
    """
    if available < 1 or wanted < 1:
        raise ConfigInvalidError(f"cannot take {wanted} of {available} frames")
    if sampling == "stride":
        chosen = list(range(0, available, max(1, available // wanted)))[:wanted]
    else:
        edges = np.linspace(0, available, min(wanted, available) + 1).astype(int)
        chosen = [int(start + end - 1) // 2 for start, end in pairwise(edges)]
    return chosen + [chosen[-1]] * (wanted - len(chosen))
