"""Small TransNet V2 checkpoints for tests: random ones, and one that is set by hand."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from internvid.models.transnet import expected_shapes

SMALL = {"filters": 2, "hidden": 8}


def random_state(seed: int = 0, filters: int = 2, hidden: int = 8) -> dict[str, Tensor]:
    """A state dict whose outputs vary from frame to frame."""
    random = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in expected_shapes(filters, hidden).items():
        values = torch.randn(shape, generator=random)
        if name.endswith("running_var"):
            values = values.abs() + 0.5
        elif len(shape) > 1:
            # Small heads, so that the probabilities are not all near 0 or 1.
            gain = 0.02 if name.startswith("cls_layer") else 2.0
            values = values * (gain / values[0].numel()) ** 0.5
        state[name] = values
    return state


def histogram_state() -> dict[str, Tensor]:
    """Fires on the last frame before the colours change, by hand-set weights.

    One hidden number is 1 minus the similarity of a frame's colours to the next frame's.
    """
    state = {name: torch.zeros(shape) for name, shape in expected_shapes(**SMALL).items()}
    state["color_hist_layer.fc.weight"][0, 51] = -1
    state["color_hist_layer.fc.bias"][0] = 1
    state["fc1.weight"][0, 0] = 1
    for head in ("cls_layer1", "cls_layer2"):
        state[f"{head}.weight"][0, 0] = 30
        state[f"{head}.bias"][0] = -8
    return state


def write_weights(path: Path, state: dict[str, Tensor]) -> str:
    """Save a state dict as users' files are saved."""
    torch.save(state, path)
    return str(path)
