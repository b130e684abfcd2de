"""Models that answer in words to words, pictures or sound: T5, Llama, Qwen-VL, Whisper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.models.tiny.parts import (
    EOS,
    end_ids,
    make_tokenizer,
    quiet,
    random_model,
    save,
    speaking,
)

VISION_TOKENS = (
    "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip


def make_t5(folder: Path, seed: int = 0) -> Path:
    """T5, as summarisers are."""
    transformers = quiet()
    tokenizer = make_tokenizer(wrap=("", EOS))
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2,
        feed_forward_proj="gated-gelu", decoder_start_token_id=0, pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    model = random_model(transformers.T5ForConditionalGeneration, config, seed)
    return save(folder, speaking(model, tokenizer), tokenizer)


def make_chat_model(folder: Path, seed: int = 0) -> Path:
    """A causal language model (Llama) with a chat template."""
    transformers = quiet()
    tokenizer = make_tokenizer(VISION_TOKENS, chat=True)
    config = transformers.LlamaConfig(vocab_size=len(tokenizer), **_qwen_text(tokenizer))
    model = random_model(transformers.LlamaForCausalLM, config, seed)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    return save(folder, speaking(model, tokenizer, end), tokenizer)


def make_qwen_vl(folder: Path, seed: int = 0, *, version: str = "2.5") -> Path:
    """Qwen2-VL or Qwen2.5-VL: patches of 4 pixels, pictures of at most 32 x 32."""
    transformers = quiet()
    tokenizer = make_tokenizer(VISION_TOKENS, chat=True)
    named = tokenizer.convert_tokens_to_ids
    text = {
        **_qwen_text(tokenizer),
        "vocab_size": len(tokenizer),
        "rope_parameters": {
            "rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0,
        },
    }  # fmt: skip
    vision = {
        "depth": 2, "hidden_size": 16, "num_heads": 2, "patch_size": 4, "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    }  # fmt: skip
    if version == "2":
        kind, config_kind = "Qwen2VLForConditionalGeneration", "Qwen2VLConfig"
        vision |= {"embed_dim": 16, "mlp_ratio": 2}
    else:
        kind, config_kind = "Qwen2_5_VLForConditionalGeneration", "Qwen2_5_VLConfig"
        vision |= {
            "out_hidden_size": 16, "intermediate_size": 32, "window_size": 16,
            "fullatt_block_indexes": [1],
        }  # fmt: skip
    config = getattr(transformers, config_kind)(
        text_config=text, vision_config=vision,
        image_token_id=named("<|image_pad|>"), video_token_id=named("<|video_pad|>"),
        vision_start_token_id=named("<|vision_start|>"),
        vision_end_token_id=named("<|vision_end|>"),
    )  # fmt: skip
    model = random_model(getattr(transformers, kind), config, seed)
    images = transformers.Qwen2VLImageProcessor(
        patch_size=4, merge_size=2, temporal_patch_size=2,
        size={"shortest_edge": 256, "longest_edge": 1024},
    )  # fmt: skip
    return save(folder, speaking(model, tokenizer, named("<|im_end|>")), images, tokenizer)


def make_whisper(folder: Path, seed: int = 0) -> Path:
    """Whisper: 80 mel bands, windows of 30 seconds, English alone, with time stamps."""
    transformers = quiet()
    stamps = tuple(f"<|{at * 0.02:.2f}|>" for at in range(1501))
    specials = (
        "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>",
        "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>",
    )  # fmt: skip
    tokenizer = make_tokenizer((*specials, *stamps))
    named = tokenizer.convert_tokens_to_ids
    config = transformers.WhisperConfig(
        vocab_size=len(tokenizer), num_mel_bins=80, d_model=16, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32,
        decoder_ffn_dim=32, max_target_positions=64,
        decoder_start_token_id=named("<|startoftranscript|>"), **end_ids(tokenizer),
        suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    model = random_model(transformers.WhisperForConditionalGeneration, config, seed)
    settings = model.generation_config
    # Otherwise what follows is not read again from the file.
    settings._from_model_config = False
    settings.no_timestamps_token_id = named("<|notimestamps|>")
    settings.lang_to_id = {"<|en|>": named("<|en|>")}
    settings.task_to_id = {
        "transcribe": named("<|transcribe|>"),
        "translate": named("<|translate|>"),
    }
    settings.is_multilingual = True
    settings.max_initial_timestamp_index = 50
    settings.decoder_start_token_id = named("<|startoftranscript|>")
    settings.prev_sot_token_id = named("<|startofprev|>")
    settings.max_length = 32
    settings.suppress_tokens = sorted(named(list(specials)))
    extractor = transformers.WhisperFeatureExtractor(feature_size=80)
    return save(folder, model, extractor, tokenizer)


def _qwen_text(tokenizer: Any) -> dict[str, Any]:
    return {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 2048,
        **end_ids(tokenizer), "eos_token_id": tokenizer.convert_tokens_to_ids("<|im_end|>"),
    }  # fmt: skip
