"""Encoded clips of the training world as real videos, worse ones as generated; tiny networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from internvid.synthetic.clips import render_clip, sample_specs
from internvid.synthetic.encode import VideoFormat, write_video
from tests.models.features.reference import TinyI3D, TinyInception, shaken
from tests.models.tiny.encoders import make_videomae

FRAMES = 10
FORMAT = VideoFormat("h264", 32, 32, Fraction(8))


def write_clips(
    folder: Path, seed: int, count: int, *, noise: float = 0, still: bool = False
) -> list[str]:
    """Clips as `0.mp4` ...; their texts."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    texts = []
    for at, spec in enumerate(sample_specs(seed, count)):
        frames = render_clip(spec, FRAMES, 32).astype(float)
        if still:
            frames = np.repeat(frames[:1], FRAMES, axis=0)
        frames += rng.normal(0, noise, frames.shape) if noise else 0
        write_video(folder / f"{at}.mp4", list(frames.clip(0, 255).astype(np.uint8)), FORMAT)
        texts.append(spec.text())
    return texts


@dataclass(frozen=True)
class Desk:
    """Folders and files of one evaluation."""

    real: Path
    good: Path
    bad: Path
    i3d: Path
    inception: Path
    videomae: Path

    def settings(self, *names: str, more: Sequence[str] = ()) -> list[str]:
        """`--set` values that name the networks."""
        networks = [f"{name}={getattr(self, name)}" for name in names]
        sizes = ["size=32", "inception_size=75", f"frames={FRAMES}", "splits=3", "singular=true"]
        return [*networks, *sizes, *more]


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    root = tmp_path_factory.mktemp("t2v")
    write_clips(root / "real", 1, 24)
    for name, noise in (("good", 0.0), ("bad", 60.0)):
        texts = write_clips(root / name, 2, 10, noise=noise)
        for at, text in enumerate(texts[:8]):
            (root / name / f"{at}.txt").write_text(text)
    torch.save(shaken(TinyI3D()).state_dict(), root / "i3d.pt")
    frames = shaken(TinyInception())
    # Unsure of its classes, as a score needs it.
    weights = frames.state_dict()
    weights["fc.weight"] *= 0.01
    torch.save(weights, root / "inception.pth")
    made = make_videomae(root / "videomae", frames=FRAMES)
    return Desk(root / "real", root / "good", root / "bad", root / "i3d.pt",
                root / "inception.pth", made)  # fmt: skip
