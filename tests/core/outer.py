"""A configuration with a field of every type."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from internvid.core.config import setting


@dataclass(frozen=True)
class Inner:
    version: ClassVar[int] = 1
    size: int = 3


@dataclass(frozen=True)
class Outer:
    version: ClassVar[int] = 1
    name: str = "x"
    ratio: float = 0.5
    flag: bool = False
    limit: int | None = None
    many: tuple[int, ...] = (1, 2)
    inner: Inner = field(default_factory=Inner)
    device: str = setting("cpu")
