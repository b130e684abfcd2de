"""What every head beside the towers must do: say what it is, and be made again from that."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from torch import nn

from internvid.models.viclip.config import ViCLIPConfig


class Head(nn.Module, ABC):
    """A network on top of the towers, saved beside the model.

    Attributes:
        kind: name under which `head.json` records it.
    """

    kind: ClassVar[str]

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What `from_mapping` needs to make it again, in plain JSON; `kind` is part of it."""

    @classmethod
    @abstractmethod
    def from_mapping(cls, config: ViCLIPConfig, described: Mapping[str, Any]) -> Self:
        """A head with fresh weights.

        Args:
            config: of the towers.
            described: what `describe` returned.
        """
