"""A linear head over the video embedding: which of a list of classes a clip shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from torch import Tensor, nn

from internvid.core.errors import ConfigInvalidError
from internvid.models.viclip.config import ViCLIPConfig
from internvid.models.viclip.heads.base import Head
from internvid.models.viclip.products import Linear

_DEVIATION = 0.01


class ActionHead(Head):
    """One linear layer over the normalised video embedding.

    Args:
        config: of the towers.
        classes: names, in the order of the logits.

    Raises:
        ConfigInvalidError: fewer than two classes, or one twice.
    """

    kind = "action"

    def __init__(self, config: ViCLIPConfig, classes: Sequence[str]) -> None:
        super().__init__()
        self.classes = tuple(classes)
        if len(set(self.classes)) != len(self.classes) or len(self.classes) < 2:
            raise ConfigInvalidError(
                f"a classifier needs at least two different classes, got {len(self.classes)}"
            )
        self.norm = nn.LayerNorm(config.embedding)
        self.out = Linear(config.embedding, len(self.classes))
        if self.out.weight.device.type != "meta":
            nn.init.normal_(self.out.weight, std=_DEVIATION)
            nn.init.zeros_(self.out.bias)

    def describe(self) -> dict[str, Any]:
        """See `Head`."""
        return {"kind": self.kind, "classes": list(self.classes)}

    @classmethod
    def from_mapping(cls, config: ViCLIPConfig, described: Mapping[str, Any]) -> Self:
        """See `Head`."""
        return cls(config, tuple(map(str, described["classes"])))

    def forward(self, video_BE: Tensor) -> Tensor:
        """Logits [B, C] of embeddings [B, E]."""
        return self.out(self.norm(video_BE))  # type: ignore[no-any-return]
