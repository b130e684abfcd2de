"""Guidance without a classifier: away from what the network says of another text."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from internvid.models.generation.video_model import TextInputs

Predict = Callable[[Tensor, Tensor, TextInputs], Tensor]


def guided(
    predict: Predict,
    latents: Tensor,
    times: Tensor,
    texts: tuple[TextInputs, TextInputs],
    strength: float,
) -> Tensor:
    """What the network says, pulled from the second text towards the first.

    Args:
        predict: the network.
        latents: noisy, [B, ...].
        times: of them.
        texts: the prompts', and those to stay away from.
        strength: 1 for the prompt's alone, at half the cost.
    """
    wanted, other = texts
    if strength == 1:
        return predict(latents, times, wanted)
    both = {name: torch.cat([wanted[name], other[name]]) for name in wanted}
    predicted = predict(torch.cat([latents, latents]), torch.cat([times, times]), both)
    towards, away = predicted.chunk(2)
    return away + strength * (towards - away)
