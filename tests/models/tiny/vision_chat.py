"""Vision chat models: SmolVLM, LLaVA, LLaVA-OneVision, Qwen3-VL, InternVL, Gemma 3."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.models.tiny.language import VISION_TOKENS
from tests.models.tiny.parts import end_ids, make_tokenizer, quiet, random_model, save, speaking

_SIZE = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
}  # fmt: skip
_VISION = {**_SIZE, "image_size": 32, "patch_size": 8}


def make_smolvlm(folder: Path, seed: int = 0) -> Path:
    """SmolVLM2: pictures cut into tiles of 32 pixels, 4 tokens each. Its processor wants a video
    processor and the package num2words."""
    tiles = tuple(f"<row_{row}_col_{column}>" for row in (1, 2, 3) for column in (1, 2, 3))
    specials = ("<fake_token_around_image>", "<image>", "<global-img>", "<end_of_utterance>")
    transformers, tokenizer = _parts((*specials, *tiles), "<image>")
    named = tokenizer.convert_tokens_to_ids
    config = transformers.SmolVLMConfig(
        text_config=_text(tokenizer, "llama"), vision_config=_VISION, scale_factor=2,
        image_token_id=named("<image>"), pad_token_id=0,
    )  # fmt: skip
    model = random_model(transformers.SmolVLMForConditionalGeneration, config, seed)
    images = transformers.SmolVLMImageProcessor(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 32}
    )
    save(folder, speaking(model, tokenizer, named("<end_of_utterance>")), images, tokenizer)
    return _with_settings(folder, "SmolVLMProcessor", image_seq_len=4)


def make_llava(folder: Path, seed: int = 0) -> Path:
    """LLaVA with a CLIP."""
    transformers, tokenizer = _parts(("<image>",), "<image>")
    config = transformers.LlavaConfig(
        vision_config={"model_type": "clip_vision_model", **_VISION, "projection_dim": 16},
        text_config=_text(tokenizer, "llama"), vision_feature_layer=-2,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    model = random_model(transformers.LlavaForConditionalGeneration, config, seed)
    size = {"height": 32, "width": 32}
    processor = transformers.LlavaProcessor(
        transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=size), tokenizer,
        patch_size=8, vision_feature_select_strategy="default", num_additional_image_tokens=1,
        chat_template=tokenizer.chat_template,
    )  # fmt: skip
    return save(folder, speaking(model, tokenizer), processor)


def make_llava_onevision(folder: Path, seed: int = 0) -> Path:
    """LLaVA-OneVision: with a video processor."""
    transformers, tokenizer = _parts(("<image>", "<video>"), "<image>")
    named, grid = tokenizer.convert_tokens_to_ids, [[32, 32], [64, 64]]
    config = transformers.LlavaOnevisionConfig(
        vision_config={"model_type": "siglip_vision_model", **_VISION},
        text_config=_text(tokenizer, "qwen2"), image_token_index=named("<image>"),
        video_token_index=named("<video>"), image_grid_pinpoints=grid, vision_feature_layer=-1,
        vision_feature_select_strategy="full",
    )  # fmt: skip
    model = random_model(transformers.LlavaOnevisionForConditionalGeneration, config, seed)
    images = transformers.LlavaOnevisionImageProcessor(
        size={"height": 32, "width": 32}, image_grid_pinpoints=grid
    )
    save(folder, speaking(model, tokenizer), images, tokenizer)
    return _with_settings(
        folder, "LlavaOnevisionProcessor", num_image_tokens=16,
        vision_feature_select_strategy="full",
    )  # fmt: skip


def make_qwen3_vl(folder: Path, seed: int = 0) -> Path:
    """Qwen3-VL: with a video processor."""
    transformers = quiet()
    tokenizer = make_tokenizer(VISION_TOKENS, chat=True)
    named = tokenizer.convert_tokens_to_ids
    rope = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10000.0}
    config = transformers.Qwen3VLConfig(
        text_config={
            **_text(tokenizer, "qwen3_vl_text"), "head_dim": 8, "rope_parameters": rope,
        },
        vision_config={
            "depth": 2, "hidden_size": 16, "num_heads": 2, "patch_size": 4,
            "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": 16,
            "intermediate_size": 32, "num_position_embeddings": 64, "deepstack_visual_indexes": [0],
        },
        image_token_id=named("<|image_pad|>"), video_token_id=named("<|video_pad|>"),
        vision_start_token_id=named("<|vision_start|>"),
        vision_end_token_id=named("<|vision_end|>"),
    )  # fmt: skip
    model = random_model(transformers.Qwen3VLForConditionalGeneration, config, seed)
    images = transformers.Qwen2VLImageProcessor(
        patch_size=4, merge_size=2, temporal_patch_size=2,
        size={"shortest_edge": 256, "longest_edge": 1024},
    )  # fmt: skip
    return save(folder, speaking(model, tokenizer, named("<|im_end|>")), images, tokenizer)


def make_internvl(folder: Path, seed: int = 0) -> Path:
    """InternVL 3: with a video processor."""
    specials = ("<IMG_CONTEXT>", "<img>", "</img>", "<video>")
    transformers, tokenizer = _parts(specials, "<IMG_CONTEXT>")
    config = transformers.InternVLConfig(
        text_config=_text(tokenizer, "qwen2"), image_seq_length=4, downsample_ratio=0.5,
        vision_config={**_VISION, "image_size": [32, 32], "patch_size": [8, 8]},
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
    )  # fmt: skip
    model = random_model(transformers.InternVLForConditionalGeneration, config, seed)
    images = transformers.GotOcr2ImageProcessor(
        size={"height": 32, "width": 32}, crop_to_patches=False
    )
    save(folder, speaking(model, tokenizer), images, tokenizer)
    _name_tokens(
        folder, start_image_token="<img>", end_image_token="</img>",
        context_image_token="<IMG_CONTEXT>", video_token="<video>",
    )  # fmt: skip
    return _with_settings(folder, "InternVLProcessor", image_seq_length=4)


def make_gemma3(folder: Path, seed: int = 0) -> Path:
    """Gemma 3: pictures of 4 tokens."""
    specials = ("<image_soft_token>", "<start_of_image>", "<end_of_image>")
    transformers, tokenizer = _parts(specials, "<start_of_image>")
    named = tokenizer.convert_tokens_to_ids
    config = transformers.Gemma3Config(
        text_config={**_text(tokenizer, "gemma3_text"), "head_dim": 8, "sliding_window": 64},
        vision_config={
            "model_type": "siglip_vision_model", **_VISION, "vision_use_head": False,
        },
        image_token_index=named("<image_soft_token>"), mm_tokens_per_image=4,
        boi_token_index=named("<start_of_image>"), eoi_token_index=named("<end_of_image>"),
    )  # fmt: skip
    model = random_model(transformers.Gemma3ForConditionalGeneration, config, seed)
    images = transformers.Gemma3ImageProcessor(size={"height": 32, "width": 32})
    save(folder, speaking(model, tokenizer), images, tokenizer)
    _name_tokens(
        folder, image_token="<image_soft_token>", boi_token="<start_of_image>",
        eoi_token="<end_of_image>",
    )  # fmt: skip
    return _with_settings(folder, "Gemma3Processor", image_seq_length=4)


def _parts(specials: tuple[str, ...], image: str) -> tuple[Any, Any]:
    """The package, and a tokenizer with a chat template that writes pictures as that token."""
    transformers, tokenizer = quiet(), make_tokenizer(specials)
    tokenizer.chat_template = (
        "{% for message in messages %}{{ message['role'] }}: "
        "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
        + image
        + "{% else %} {{ part['text'] }}{% endif %}{% endfor %} {% endfor %}"
        "{% if add_generation_prompt %}assistant:{% endif %}"
    )
    return transformers, tokenizer


def _text(tokenizer: Any, model_type: str) -> dict[str, Any]:
    return {
        "model_type": model_type, **_SIZE, "num_key_value_heads": 1,
        "max_position_embeddings": 2048, "vocab_size": len(tokenizer), **end_ids(tokenizer),
    }  # fmt: skip


def _with_settings(folder: Path, kind: str, **settings: Any) -> Path:
    text = json.dumps({"processor_class": kind, **settings})
    (folder / "processor_config.json").write_text(text)
    return folder


def _name_tokens(folder: Path, **tokens: str) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **tokens}))
