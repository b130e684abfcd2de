"""Models that say what a picture shows: BLIP-2, BLIP, GIT, ViT with GPT-2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.models.tiny.parts import end_ids, make_tokenizer, quiet, random_model, save, speaking


def make_blip2(folder: Path, seed: int = 0) -> Path:
    """BLIP-2 with an OPT: 28 x 28 pixels, 4 queries."""
    transformers = quiet()
    tokenizer = make_tokenizer(("<image>",), bos=True)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.Blip2Config(
        vision_config={**size, "intermediate_size": 32, "image_size": 28, "patch_size": 14},
        qformer_config={
            **size, "intermediate_size": 32, "vocab_size": len(tokenizer),
            "encoder_hidden_size": 16, "max_position_embeddings": 64,
        },
        text_config={
            "model_type": "opt", **size, "ffn_dim": 32, "vocab_size": len(tokenizer),
            "word_embed_proj_dim": 16, "max_position_embeddings": 128, **end_ids(tokenizer),
        },
        num_query_tokens=4,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    model = random_model(transformers.Blip2ForConditionalGeneration, config, seed)
    _end_at(model.language_model, 14)
    images = transformers.BlipImageProcessor(size={"height": 28, "width": 28})
    processor = transformers.Blip2Processor(images, tokenizer, num_query_tokens=4)
    return save(folder, speaking(model, tokenizer), processor)


def make_blip(folder: Path, seed: int = 0) -> Path:
    """BLIP: an image encoder and a text decoder that looks at it."""
    transformers = quiet()
    tokenizer = make_tokenizer(("[CLS]", "[SEP]"), wrap=("[CLS]", "[SEP]"))
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    start, end = tokenizer.convert_tokens_to_ids(["[CLS]", "[SEP]"])
    config = transformers.BlipConfig(
        vision_config={**size, "intermediate_size": 32, "image_size": 28, "patch_size": 14},
        text_config={
            **size, "intermediate_size": 32, "vocab_size": len(tokenizer),
            "encoder_hidden_size": 16, "max_position_embeddings": 64,
            "bos_token_id": start, "eos_token_id": end, "sep_token_id": end, "pad_token_id": 0,
        },
        projection_dim=16,
    )  # fmt: skip
    model = random_model(transformers.BlipForConditionalGeneration, config, seed)
    images = transformers.BlipImageProcessor(size={"height": 28, "width": 28})
    return save(
        folder, speaking(model, tokenizer, end), transformers.BlipProcessor(images, tokenizer)
    )


def make_git(folder: Path, seed: int = 0) -> Path:
    """GIT: image tokens before a causal text model."""
    transformers = quiet()
    tokenizer = make_tokenizer(("[CLS]", "[SEP]"), wrap=("[CLS]", "[SEP]"))
    start, end = tokenizer.convert_tokens_to_ids(["[CLS]", "[SEP]"])
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.GitConfig(
        vision_config={**size, "intermediate_size": 32, "image_size": 28, "patch_size": 14},
        **size, intermediate_size=32, vocab_size=len(tokenizer), max_position_embeddings=64,
        bos_token_id=start, eos_token_id=end, pad_token_id=0,
    )  # fmt: skip
    model = random_model(transformers.GitForCausalLM, config, seed)
    images = transformers.CLIPImageProcessor(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
    )
    tokenizer.cls_token, tokenizer.sep_token = "[CLS]", "[SEP]"
    return save(
        folder, speaking(model, tokenizer, end), transformers.GitProcessor(images, tokenizer)
    )


def make_vit_gpt2(folder: Path, seed: int = 0) -> Path:
    """An encoder-decoder of ViT and GPT-2, without a processor of its own."""
    transformers = quiet()
    tokenizer = make_tokenizer()
    encoder = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        image_size=28, patch_size=14,
    )  # fmt: skip
    decoder = transformers.GPT2Config(
        vocab_size=len(tokenizer), n_embd=16, n_layer=2, n_head=2, n_positions=64,
        is_decoder=True, add_cross_attention=True, **end_ids(tokenizer),
    )  # fmt: skip
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.decoder_start_token_id, config.pad_token_id = 1, 0
    model = random_model(transformers.VisionEncoderDecoderModel, config, seed)
    model.generation_config.decoder_start_token_id = 1
    images = transformers.ViTImageProcessor(size={"height": 28, "width": 28})
    return save(folder, speaking(model, tokenizer), images, tokenizer)


def _end_at(opt: Any, position: int) -> None:
    """Make an OPT end its text at that position: it ignores the settings of the model around it."""
    import torch

    decoder = opt.model.decoder
    with torch.no_grad():
        # Positions lead straight to the token that ends a text; the first two are not used.
        decoder.embed_positions.weight[position + 2 :] = 50 * decoder.embed_tokens.weight[1]
