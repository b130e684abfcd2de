"""The learning rate of a step."""

from __future__ import annotations

import math


def learning_rate(step: int, *, peak: float, total: int, warmup: int, floor: float) -> float:
    """Linear warm-up, then a cosine to the floor; never below it, as in the reference.

    Args:
        step: of the stage, from 0.
        peak: largest value.
        total: steps of the stage.
        warmup: of them, until the peak.
        floor: least value, as a share of the peak.
    """
    if step < warmup:
        share = step / warmup
    else:
        done = (step - warmup) / max(1, total - warmup)
        share = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return peak * max(floor, share)
