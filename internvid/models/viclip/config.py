"""The shapes of a ViCLIP, and the named ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from internvid.core.config import plain, setting
from internvid.core.errors import ConfigInvalidError

VOCABULARY = 49408
"""Entries of CLIP's vocabulary: 2 x 256 bytes, 48,894 merges, two marks."""

MLP_RATIO = 4


@dataclass(frozen=True)
class ViCLIPConfig:
    """Every number that shapes the two towers (paper §6.1).

    Attributes:
        vision_width: channels of a video token.
        vision_layers: blocks of the video tower.
        vision_heads: attention heads of each.
        patch: side of a square patch, in pixels.
        resolution: side of the square input, in pixels; a multiple of `patch`.
        frames: frames per clip that the temporal positions are for.
        text_width: channels of a text token.
        text_layers: blocks of the text tower.
        text_heads: attention heads of each.
        context: tokens per text, marks included.
        vocabulary: rows of the token table; the last id is the end mark.
        embedding: size of the space that both towers map into.
        drop_path: chance of leaving out the last video block in training; block i of n has
            i / (n - 1) of it.
        checkpointed_blocks: the first so many video blocks keep no activations in training
            and are computed again; a setting that changes memory and time only.
    """

    vision_width: int = 1024
    vision_layers: int = 24
    vision_heads: int = 16
    patch: int = 14
    resolution: int = 224
    frames: int = 8
    text_width: int = 768
    text_layers: int = 12
    text_heads: int = 12
    context: int = 32
    vocabulary: int = VOCABULARY
    embedding: int = 768
    drop_path: float = 0.1
    checkpointed_blocks: int = setting(0)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "drop_path":
                allowed, low = 0 <= value < 1, "in [0, 1)"
            elif field.name == "checkpointed_blocks":
                allowed, low = value >= 0, "at least 0"
            else:
                allowed, low = value >= 1, "at least 1"
            if not allowed:
                raise ConfigInvalidError(f"{field.name} must be {low}, got {value}")
        for tower in ("vision", "text"):
            width, heads = getattr(self, f"{tower}_width"), getattr(self, f"{tower}_heads")
            if width % heads:
                raise ConfigInvalidError(
                    f"{tower}_width {width} cannot be shared by {tower}_heads {heads}"
                )
        if self.resolution % self.patch:
            raise ConfigInvalidError(
                f"resolution {self.resolution} is not a multiple of patch {self.patch}"
            )

    @property
    def grid(self) -> int:
        """Patches along one side of a frame."""
        return self.resolution // self.patch

    @property
    def tokens(self) -> int:
        """Space-time patches of one clip, the class token not counted."""
        return self.grid**2 * self.frames

    def shapes(self) -> dict[str, Any]:
        """The fields as plain JSON, settings left out."""
        return {
            field.name: plain(getattr(self, field.name))
            for field in dataclasses.fields(self)
            if not field.metadata.get("setting")
        }

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> ViCLIPConfig:
        """The config of a JSON object.

        Raises:
            ConfigInvalidError: a key is no field, or a value cannot be taken.
        """
        fields = {field.name: field for field in dataclasses.fields(cls)}
        for name, value in values.items():
            if name not in fields:
                raise ConfigInvalidError(
                    f"a ViCLIP config has no field {name!r}; it has: {', '.join(fields)}"
                )
            kinds = (int, float) if name == "drop_path" else (int,)
            if not isinstance(value, kinds) or isinstance(value, bool):
                raise ConfigInvalidError(f"{name} must be a number, got {value!r}")
        return cls(**dict(values))


CONFIGS = MappingProxyType(
    {
        "b16": ViCLIPConfig(
            vision_width=768,
            vision_layers=12,
            vision_heads=12,
            patch=16,
            text_width=512,
            text_heads=8,
            embedding=512,
        ),
        "l14": ViCLIPConfig(),
        "tiny": ViCLIPConfig(
            vision_width=128,
            vision_layers=2,
            vision_heads=2,
            patch=16,
            resolution=64,
            frames=4,
            text_width=64,
            text_layers=2,
            text_heads=1,
            embedding=64,
        ),
        "small": ViCLIPConfig(
            vision_width=192,
            vision_layers=6,
            vision_heads=3,
            patch=16,
            resolution=96,
            text_width=128,
            text_layers=4,
            text_heads=2,
            embedding=128,
        ),
    }
)
"""Shapes with a name: the two published ones, one for tests, one to train on a CPU."""


def find_config(name: str | ViCLIPConfig) -> ViCLIPConfig:
    """The config of that name; a config is returned as it is.

    Raises:
        ConfigInvalidError: there is none of that name.
    """
    if isinstance(name, ViCLIPConfig):
        return name
    if name not in CONFIGS:
        raise ConfigInvalidError(f"no ViCLIP is called {name!r}; there are: {', '.join(CONFIGS)}")
    return CONFIGS[name]
