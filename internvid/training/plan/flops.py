"""What a step costs: floating point operations and memory, from the shapes alone.

A multiplication with its addition counts as two. Per block and token the linear layers take
12 W^2 of them (3 for queries, keys, values, 1 out, 8 in the MLP), attention 2 N W.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from internvid.models.viclip.config import ViCLIPConfig
from internvid.models.viclip.masking import kept_count

_FLOAT_BYTES = 4
# Saved for the backward pass, bytes per token and channel, counted with saved-tensor hooks on a
# CPU (a test counts again). Korthikanti et al. 2022 (arXiv 2205.05198) give 34 for a block in 16
# bits; QuickGELU of two products and the float32 stream of autocast add ten.
_BLOCK_BYTES = {True: 44.1, False: 80.1}
# The patch embedding, and the last block, which computes the class token alone.
_EMBEDDING_BYTES = {True: 7.0, False: 8.5}
_LAST_BYTES = {True: 10.0, False: 16.5}
_BOUNDARY_BYTES = 4.0
# Blocks' worth of memory on top while the backward pass is inside one: its gradients, and with
# recomputed blocks what is made again. Measured as peak resident memory (benchmarks.step_memory).
_TRANSIENT_BLOCKS = {False: 0.7, True: 1.5}


def tower_flops(tokens: int, width: int, layers: int) -> float:
    """Forward, one sequence."""
    return 2.0 * layers * (12 * tokens * width**2 + 2 * tokens**2 * width)


@dataclass(frozen=True)
class StepCost:
    """What one clip with its text costs in training.

    Attributes:
        vision: forward FLOPs of the video tower, patches included.
        text: forward FLOPs of the text tower; 0 where embeddings are kept.
        train: of a whole step, per clip: forward, and twice that backward.
        recomputed: on top, for blocks that are computed again.
        activation_bytes: kept from forward to backward, per clip.
        transient_bytes: on top while the backward pass is in one block, per clip: its gradients,
            and what is recomputed.
        parameter_bytes: weights, gradients and moments, whatever the batch.
    """

    vision: float
    text: float
    train: float
    recomputed: float
    activation_bytes: float
    transient_bytes: float
    parameter_bytes: float


def step_cost(
    config: ViCLIPConfig, mask_ratio: float, *, freeze_text: bool, bf16: bool
) -> StepCost:
    """The cost of training on one clip.

    Args:
        config: shapes.
        mask_ratio: share of patches not embedded.
        freeze_text: whether text embeddings are read from a cache.
        bf16: whether activations are of 16 bits.
    """
    width, layers = config.vision_width, config.vision_layers
    kept = kept_count(config.tokens, mask_ratio)
    vision = tower_flops(kept + 1, width, layers) + 2.0 * kept * 3 * config.patch**2 * width
    text = (
        0.0 if freeze_text else tower_flops(config.context, config.text_width, config.text_layers)
    )
    again = min(config.checkpointed_blocks, layers)
    per_value = _BLOCK_BYTES[bf16]
    blocks = max(0, layers - 1 - again) * per_value + again * _BOUNDARY_BYTES
    last = 0.0 if again == layers else _LAST_BYTES[bf16]
    activations = (kept + 1) * width * (_EMBEDDING_BYTES[bf16] + blocks + last)
    if not freeze_text:
        activations += config.context * config.text_width * config.text_layers * per_value
    video_parameters, text_parameters = parameter_counts(config)
    trained = video_parameters + (0 if freeze_text else text_parameters)
    frozen = text_parameters if freeze_text else 0
    return StepCost(
        vision=vision,
        text=text,
        train=3 * (vision + text),
        recomputed=vision * again / layers,
        activation_bytes=float(activations),
        transient_bytes=(kept + 1) * width * per_value * _TRANSIENT_BLOCKS[again > 0],
        parameter_bytes=float(_FLOAT_BYTES * (4 * trained + frozen)),
    )


def parameter_counts(config: ViCLIPConfig) -> tuple[int, int]:
    """Parameters of the video tower and of the text tower."""

    def blocks(width: int, layers: int) -> int:
        return layers * (12 * width**2 + 13 * width)

    width, words = config.vision_width, config.text_width
    video = blocks(width, config.vision_layers) + 3 * config.patch**2 * width
    video += width * (1 + config.grid**2 + 1 + config.frames + 4 + config.embedding)
    text = blocks(words, config.text_layers)
    text += words * (config.vocabulary + config.context + 2 + config.embedding)
    return video, text


def measure_peak(device: torch.device, dtype: torch.dtype, seconds: float = 0.3) -> float:
    """FLOP per second of plain matrix products there, the best of several.

    Args:
        device: where.
        dtype: of the factors.
        seconds: how long to measure.
    """
    side = 8192 if device.type == "cuda" else 768
    # Random numbers: devices are faster on ones than on anything real.
    left = torch.randn(side, side, device=device).to(dtype)
    best, started = float("inf"), time.perf_counter()
    while time.perf_counter() - started < seconds or best == float("inf"):
        _wait(device)
        begin = time.perf_counter()
        left @ left
        _wait(device)
        best = min(best, time.perf_counter() - begin)
    return 2.0 * side**3 / best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
