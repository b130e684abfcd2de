"""Small models with random weights, biases and temporal positions included."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from internvid.models.viclip import ViCLIP, ViCLIPConfig


def random_model(config: str | ViCLIPConfig, seed: int = 0) -> ViCLIP:
    """A model none of whose tensors is zero or one all over."""
    torch.manual_seed(seed)
    model = ViCLIP(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1 or "temporal" in name:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model


@pytest.fixture(scope="session")
def shared_tiny() -> ViCLIP:
    return random_model("tiny")


@pytest.fixture
def tiny(shared_tiny: ViCLIP) -> Iterator[ViCLIP]:
    """The tiny model; tests only read it."""
    before = shared_tiny.vision_encoder.proj.sum().item()
    yield shared_tiny
    assert shared_tiny.vision_encoder.proj.sum().item() == before


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small products on many threads mostly wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
