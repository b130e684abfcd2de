"""Tiny pipelines, saved once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models.generation.tiny_parts import save_stable_diffusion, save_video_pipeline

NEEDS = "needs diffusers, peft and accelerate (internvid[generate])"


@pytest.fixture(scope="session")
def stable_diffusion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion folder."""
    pytest.importorskip("diffusers", reason=NEEDS)
    return save_stable_diffusion(tmp_path_factory.mktemp("sd") / "model")


@pytest.fixture(scope="session", params=["wan", "wan-tokens", "ltx", "cogvideox"])
def video_pipeline(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder of each kind of video transformer."""
    pytest.importorskip("diffusers", reason=NEEDS)
    pytest.importorskip("peft", reason=NEEDS)
    return save_video_pipeline(request.param, tmp_path_factory.mktemp("video") / request.param)
