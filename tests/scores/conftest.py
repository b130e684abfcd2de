"""Tiny random models of the real classes, and clips with pictures."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from internvid.core.contracts import ClipView, Pick
from internvid.core.types import Clip, TimeSpan
from tests.models.tiny import TinyModels

MakeView = Callable[..., ClipView]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return TinyModels(tmp_path_factory.mktemp("tiny"))


def picture(seed: int, size: tuple[int, int] = (48, 32)) -> bytes:
    """JPEG bytes of a few coloured blocks."""
    draw = np.random.default_rng(seed)
    blocks = draw.integers(0, 255, (4, 6, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(blocks).resize(size, PIL.Image.Resampling.NEAREST).save(buffer, "JPEG")
    return buffer.getvalue()


def make_view(
    number: int = 0,
    *,
    picks: int = 6,
    text: str | None = "a dog runs",
    source: Path | None = None,
    span: tuple[float, float] = (0.0, 3.0),
    video: str = "a" * 32,
) -> ClipView:
    """A clip with so many pictures of its own."""
    clip = Clip(f"{number:032x}", video, TimeSpan(*span), 0, 100)
    pictures = [Pick(at, at / 2, picture(100 * number + at)) for at in range(picks)]
    return ClipView(clip, {}, pictures, text, source)


def tiny_scorer_settings(name: str, models: TinyModels, folder: Path) -> list[str]:
    """What `--set` needs so that a registered scorer runs without weights of the world."""
    import torch

    found = {
        "similarity": ["model=" + models["clip"]],
        "clipscore": ["model=" + models["clip"]],
        "embedding": ["model=" + models["siglip"]],
        "safety": ["model=" + models["classifier"]],
        "aesthetic": ["model=" + models["clip"], f"head={folder / 'head.pth'}"],
    }
    torch.save({"weight": torch.ones(1, 12), "bias": torch.zeros(1)}, folder / "head.pth")
    return found.get(name, [])
