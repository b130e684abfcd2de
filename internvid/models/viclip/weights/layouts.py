"""The layouts in which ViCLIP and CLIP weights are published, turned into the public ViCLIP one.

Public keys are those of paper §6.6; they are also the names of this package's parameters.
CLIP weights become a ViCLIP to start from as in paper §6.2: kernels get a time axis of one,
text positions are cut, temporal positions are zero.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from internvid.core.errors import CheckpointMismatchError
from internvid.models.viclip.config import ViCLIPConfig

State = dict[str, Tensor]
VISION, TEXT = "vision_encoder.", "text_encoder."
TEMPORAL = VISION + "temporal_positional_embedding"
HEAD_CHANNELS = 64
"""Channels of a head in every CLIP; shapes do not tell."""
_USUAL_FRAMES = 8
_USUAL_CONTEXT = 32
# What other layouts hold beside weights.
_NOT_WEIGHTS = re.compile(
    r"(^|\.)(position_ids|input_resolution|context_length|vocab_size|attn_mask)$"
)
_WRAPPERS = ("module.", "_orig_mod.")

# transformers' CLIPModel; q, k and v are joined apart.
_TRANSFORMERS = (
    (r"^vision_model\.embeddings\.class_embedding$", VISION + "class_embedding"),
    (r"^vision_model\.embeddings\.patch_embedding\.weight$", VISION + "conv1.weight"),
    (r"^vision_model\.embeddings\.position_embedding\.weight$", VISION + "positional_embedding"),
    (r"^vision_model\.pre_layrnorm\.", VISION + "ln_pre."),
    (r"^vision_model\.post_layernorm\.", VISION + "ln_post."),
    (r"^visual_projection\.weight$", VISION + "proj"),
    (r"^text_model\.embeddings\.token_embedding\.weight$", TEXT + "token_embedding.weight"),
    (r"^text_model\.embeddings\.position_embedding\.weight$", TEXT + "positional_embedding"),
    (r"^text_model\.final_layer_norm\.", TEXT + "ln_final."),
    (r"^text_projection\.weight$", TEXT + "text_projection"),
    (r"^vision_model\.encoder\.layers\.", VISION + "transformer.resblocks."),
    (r"^text_model\.encoder\.layers\.", TEXT + "transformer.resblocks."),
    (r"\.self_attn\.out_proj\.", ".attn.out_proj."),
    (r"\.self_attn\.q_proj\.(\w+)$", r".attn.in_proj_\1.0"),
    (r"\.self_attn\.k_proj\.(\w+)$", r".attn.in_proj_\1.1"),
    (r"\.self_attn\.v_proj\.(\w+)$", r".attn.in_proj_\1.2"),
    (r"\.layer_norm([12])\.", r".ln_\1."),
    (r"\.mlp\.fc1\.", ".mlp.c_fc."),
    (r"\.mlp\.fc2\.", ".mlp.c_proj."),
)
_TRANSPOSED = (VISION + "proj", TEXT + "text_projection")


def name_layout(keys: Mapping[str, object]) -> str:
    """Which layout a state dict has: `viclip`, `clip`, `transformers` or `unknown`.

    `clip` is OpenAI's and open_clip's, with the text tower at the top or under `text.`.
    """
    if any(key.startswith(VISION) for key in keys):
        return "viclip"
    if "visual.conv1.weight" in keys:
        return "clip"
    if "vision_model.embeddings.patch_embedding.weight" in keys:
        return "transformers"
    return "unknown"


def to_public(state: Mapping[str, Tensor]) -> tuple[State, str]:
    """A state dict in the public ViCLIP layout, and the name of the layout it had.

    Raises:
        CheckpointMismatchError: no known layout; the message names keys that were found.
    """
    bare = {_unwrapped(key): value for key, value in state.items() if not _NOT_WEIGHTS.search(key)}
    layout = name_layout(bare)
    if layout == "viclip":
        return bare, layout
    if layout == "unknown":
        raise CheckpointMismatchError(
            f"these are no ViCLIP or CLIP weights: {len(state)} keys, such as "
            f"{', '.join(repr(key) for key in list(state)[:3]) or 'none'}",
            hint="known are the public ViCLIP layout, OpenAI's and open_clip's CLIP with a ViT, "
            "and transformers' CLIPModel",
        )
    renamed = _from_clip(bare) if layout == "clip" else _from_transformers(bare)
    return _started_from_clip(renamed), layout


def text_positions(state: Mapping[str, Tensor]) -> Tensor | None:
    """All text positions [L, W] that a state dict of any layout holds: CLIP has 77.

    A ViCLIP is made of the first 32; the others serve whoever needs longer texts.
    """
    names = (
        TEXT + "positional_embedding",
        "positional_embedding",
        "text.positional_embedding",
        "text_model.embeddings.position_embedding.weight",
    )
    bare = {_unwrapped(key): value for key, value in state.items()}
    tables = (bare[name] for name in names if name in bare)
    return next((table for table in tables if table.ndim == 2), None)


def read_shapes(
    state: Mapping[str, Tensor], known: Mapping[str, int] | None = None
) -> ViCLIPConfig:
    """The config that a public state dict's shapes tell.

    Args:
        state: in the public layout.
        known: fields that shapes cannot tell (heads; else 64 channels a head, as in CLIP).

    Raises:
        CheckpointMismatchError: a tensor that the shapes are read from is missing.
    """
    try:
        kernel = state[VISION + "conv1.weight"].shape
        places = state[VISION + "positional_embedding"].shape[0]
        frames = state[TEMPORAL].shape[1]
        vocabulary, text_width = state[TEXT + "token_embedding.weight"].shape
        context = state[TEXT + "positional_embedding"].shape[0]
        embedding = state[VISION + "proj"].shape[1]
    except (KeyError, IndexError, ValueError) as error:
        raise CheckpointMismatchError(
            f"the weights' shapes cannot be read: {error} is missing or has other axes"
        ) from error
    values = {
        "vision_width": kernel[0],
        "vision_layers": _count_blocks(state, VISION),
        "vision_heads": max(1, kernel[0] // HEAD_CHANNELS),
        "patch": kernel[-1],
        "resolution": round((places - 1) ** 0.5) * kernel[-1],
        "frames": frames,
        "text_width": text_width,
        "text_layers": _count_blocks(state, TEXT),
        "text_heads": max(1, text_width // HEAD_CHANNELS),
        "context": context,
        "vocabulary": vocabulary,
        "embedding": embedding,
    }
    return ViCLIPConfig.from_mapping({**values, **(known or {})})


def _count_blocks(state: Mapping[str, Tensor], tower: str) -> int:
    pattern = re.compile(re.escape(tower) + r"transformer\.resblocks\.(\d+)\.")
    return 1 + max((int(m.group(1)) for key in state if (m := pattern.match(key))), default=0)


def _unwrapped(key: str) -> str:
    while wrapper := next((w for w in _WRAPPERS if key.startswith(w)), ""):
        key = key.removeprefix(wrapper)
    return key


def _from_clip(state: Mapping[str, Tensor]) -> State:
    renamed: State = {}
    for key, value in state.items():
        if key.startswith("visual."):
            renamed[VISION + key.removeprefix("visual.")] = value
        elif key in ("logit_scale", "logit_bias"):
            renamed[key] = value
        else:
            renamed[TEXT + key.removeprefix("text.")] = value
    return renamed


def _from_transformers(state: Mapping[str, Tensor]) -> State:
    renamed: State = {}
    for key, value in state.items():
        name = key
        for pattern, replacement in _TRANSFORMERS:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value.T if name in _TRANSPOSED else value
    joined: State = {}
    for name, value in renamed.items():
        if (part := re.match(r"(.*\.in_proj_\w+)\.([012])$", name)) is None:
            joined[name] = value
        elif all(f"{part[1]}.{at}" in renamed for at in range(3)):
            joined[part[1]] = torch.cat([renamed[f"{part[1]}.{at}"] for at in range(3)])
    return joined


def _started_from_clip(state: State) -> State:
    kernel = state.get(VISION + "conv1.weight")
    if kernel is not None and kernel.ndim == 4:
        state[VISION + "conv1.weight"] = kernel[:, :, None]
    places = state.get(VISION + "positional_embedding")
    if places is not None:
        state[TEMPORAL] = places.new_zeros(1, _USUAL_FRAMES, places.shape[-1])
    context = state.get(TEXT + "positional_embedding")
    if context is not None:
        state[TEXT + "positional_embedding"] = context[:_USUAL_CONTEXT]
    if (scale := state.pop("logit_scale", None)) is not None:
        state["temp"] = (-scale.float()).exp().reshape(())
    return state
