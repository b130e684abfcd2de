"""ViCLIP from the paper's equations in plain numpy: slow, independent, one loop after another.

Frame by frame as the text of the paper's appendix and the public description have it: a class
token in front of every frame, spatial positions, then one class token a video, temporal positions
on patches, tokens in the order (n t).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
EPSILON = 1e-5


def layer_norm(x: Array, weights: Mapping[str, Array], name: str) -> Array:
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    scaled = (x - mean) / np.sqrt(variance + EPSILON)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def softmax(x: Array) -> Array:
    power = np.exp(x - x.max(-1, keepdims=True))
    return power / power.sum(-1, keepdims=True)


def attention(x: Array, weights: Mapping[str, Array], name: str, heads: int, causal: bool) -> Array:
    """One sequence [L, W]."""
    length, width = x.shape
    size = width // heads
    query, key, value = np.split(weights[f"{name}.in_proj_weight"], 3)
    bias_q, bias_k, bias_v = np.split(weights[f"{name}.in_proj_bias"], 3)
    q, k, v = x @ query.T + bias_q, x @ key.T + bias_k, x @ value.T + bias_v
    outputs = []
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        scores = q[:, part] @ k[:, part].T / np.sqrt(np.asarray(size, x.dtype))
        if causal:
            scores = np.where(np.tri(length, dtype=bool), scores, -np.inf)
        outputs.append(softmax(scores) @ v[:, part])
    joined = np.concatenate(outputs, axis=-1)
    return joined @ weights[f"{name}.out_proj.weight"].T + weights[f"{name}.out_proj.bias"]


def mlp(x: Array, weights: Mapping[str, Array], name: str) -> Array:
    hidden = x @ weights[f"{name}.c_fc.weight"].T + weights[f"{name}.c_fc.bias"]
    hidden = hidden * (1 / (1 + np.exp(-1.702 * hidden)))
    return hidden @ weights[f"{name}.c_proj.weight"].T + weights[f"{name}.c_proj.bias"]


def transformer(
    x: Array, weights: Mapping[str, Array], tower: str, layers: int, heads: int, causal: bool
) -> Array:
    for at in range(layers):
        name = f"{tower}.transformer.resblocks.{at}"
        x = x + attention(
            layer_norm(x, weights, f"{name}.ln_1"), weights, f"{name}.attn", heads, causal
        )
        x = x + mlp(layer_norm(x, weights, f"{name}.ln_2"), weights, f"{name}.mlp")
    return x


def embed_video(pixels: Array, weights: Mapping[str, Array], layers: int, heads: int) -> Array:
    """One clip [T, 3, H, W] -> [E], not normalised."""
    tower = "vision_encoder"
    kernel = weights[f"{tower}.conv1.weight"]
    patch = kernel.shape[-1]
    frames, _, height, width = pixels.shape
    rows, columns = height // patch, width // patch
    flat = kernel.reshape(len(kernel), -1)
    classed = []
    for frame in pixels:
        tokens = [weights[f"{tower}.class_embedding"]]
        for row in range(rows):
            for column in range(columns):
                square = frame[
                    :, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch
                ]
                tokens.append(flat @ square.reshape(-1))
        classed.append(np.stack(tokens) + weights[f"{tower}.positional_embedding"])
    first = classed[0][0]
    time = weights[f"{tower}.temporal_positional_embedding"][0]
    if frames == 1:
        time = time.mean(0, keepdims=True)
    sequence = [first]
    for place in range(rows * columns):
        for frame_at in range(frames):
            sequence.append(classed[frame_at][1 + place] + time[frame_at])
    x = layer_norm(np.stack(sequence), weights, f"{tower}.ln_pre")
    x = transformer(x, weights, tower, layers, heads, causal=False)
    return layer_norm(x[0], weights, f"{tower}.ln_post") @ weights[f"{tower}.proj"]


def embed_text(
    ids: npt.NDArray[np.int64], weights: Mapping[str, Array], layers: int, heads: int
) -> Array:
    """One row of ids -> [E], not normalised."""
    tower = "text_encoder"
    x = weights[f"{tower}.token_embedding.weight"][ids] + weights[f"{tower}.positional_embedding"]
    x = transformer(x, weights, tower, layers, heads, causal=True)
    x = layer_norm(x, weights, f"{tower}.ln_final")
    return x[int(ids.argmax())] @ weights[f"{tower}.text_projection"]
