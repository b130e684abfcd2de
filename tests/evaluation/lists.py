"""What tests of annotation files write, and what they look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Write = Callable[[str, Any], Path]


def labels(found: Any) -> list[tuple[str, str]]:
    return [(clip.clip, clip.label) for clip in found.clips]


def texts(found: Any) -> dict[str, tuple[str, ...]]:
    return {clip.clip: clip.texts for clip in found.clips}
