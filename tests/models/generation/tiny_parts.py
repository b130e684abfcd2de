"""Tiny random models of diffusers' real classes, saved as its pipelines save them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

WORDS = (
    *("a", "an", "the", "cat", "dog", "red", "blue", "small", "large", "circle", "moves"),
    *("left", "right", "on", "background", "runs", "to", "in"),
)


def save_stable_diffusion(folder: Path, **changed: Any) -> Path:
    """A Stable Diffusion of 16 pixels; `changed` goes to the scheduler, or is `vae_channels`."""
    import diffusers as library
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(0)
    channels = changed.pop("vae_channels", 4)
    unet = library.UNet2DConditionModel(
        block_out_channels=(32, 64), layers_per_block=1, sample_size=8, in_channels=4,
        out_channels=4, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=32,
        attention_head_dim=8, norm_num_groups=8,
    )  # fmt: skip
    vae = library.AutoencoderKL(
        block_out_channels=(16, 32), in_channels=3, out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=channels, norm_num_groups=8, sample_size=16,
    )  # fmt: skip
    letters = "abcdefghijklmnopqrstuvwxyz"
    pieces = [*letters, *(f"{one}</w>" for one in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: at for at, piece in enumerate(pieces)}
    folder.mkdir(parents=True, exist_ok=True)
    words, merges = folder / "vocab.json", folder / "merges.txt"
    words.write_text(json.dumps(vocabulary))
    merges.write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(words), str(merges), model_max_length=24)
    words.unlink()
    merges.unlink()
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(vocabulary), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4, max_position_embeddings=24,
            bos_token_id=vocabulary["<|startoftext|>"], eos_token_id=vocabulary["<|endoftext|>"],
            pad_token_id=vocabulary["<|endoftext|>"],
        )
    )  # fmt: skip
    scheduler = library.DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
        set_alpha_to_one=False, steps_offset=1, **changed,
    )  # fmt: skip
    library.StableDiffusionPipeline(
        vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, unet=unet, scheduler=scheduler,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def save_video_pipeline(kind: str, folder: Path) -> Path:
    """A pipeline of `wan`, `wan-tokens` (a time for each token), `ltx` or `cogvideox`."""
    torch.manual_seed(0)
    made = {"wan": _wan, "wan-tokens": _wan, "ltx": _ltx, "cogvideox": _cogvideox}[kind]
    options = {"expand_timesteps": True} if kind == "wan-tokens" else {}
    made(options).save_pretrained(folder)
    return folder


def _texts(encoder: str) -> dict[str, Any]:
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    vocabulary = {word: at for at, word in enumerate(["<pad>", "</s>", "<unk>", *WORDS])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="</s>", unk_token="<unk>",
        model_max_length=16,
    )  # fmt: skip
    config = getattr(transformers, f"{encoder}Config")(
        vocab_size=len(vocabulary), d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4,
        feed_forward_proj="gated-gelu",
    )  # fmt: skip
    network = getattr(transformers, f"{encoder}EncoderModel")(config)
    return {"tokenizer": tokenizer, "text_encoder": network}


def _wan(options: dict[str, Any]) -> Any:
    import diffusers as library

    vae = library.AutoencoderKLWan(
        base_dim=4, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1,
        temperal_downsample=[False, True, True],
    )  # fmt: skip
    transformer = library.WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=16,
        out_channels=16, text_dim=32, freq_dim=64, ffn_dim=32, num_layers=2,
        cross_attn_norm=True, qk_norm="rms_norm_across_heads", rope_max_seq_len=32,
    )  # fmt: skip
    scheduler = library.UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    )
    return library.WanPipeline(
        **_texts("UMT5"), vae=vae, transformer=transformer, scheduler=scheduler, **options
    )


def _ltx(options: dict[str, Any]) -> Any:
    import diffusers as library

    five, four = (1,) * 5, (8,) * 4
    scaling = (True, True, False, False)
    vae = library.AutoencoderKLLTXVideo(
        in_channels=3, out_channels=3, latent_channels=8, block_out_channels=four,
        decoder_block_out_channels=four, layers_per_block=five, decoder_layers_per_block=five,
        spatio_temporal_scaling=scaling, decoder_spatio_temporal_scaling=scaling,
        decoder_inject_noise=(False,) * 5, upsample_residual=(False,) * 4,
        upsample_factor=(1,) * 4, timestep_conditioning=False, patch_size=1, patch_size_t=1,
        encoder_causal=True, decoder_causal=False,
    )  # fmt: skip
    transformer = library.LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, patch_size=1, patch_size_t=1, num_attention_heads=4,
        attention_head_dim=8, cross_attention_dim=32, num_layers=1, caption_channels=32,
    )  # fmt: skip
    scheduler = library.FlowMatchEulerDiscreteScheduler()
    return library.LTXPipeline(
        **_texts("T5"), vae=vae, transformer=transformer, scheduler=scheduler, **options
    )


def _cogvideox(options: dict[str, Any]) -> Any:
    import diffusers as library

    vae = library.AutoencoderKLCogVideoX(
        in_channels=3, out_channels=3, down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4, block_out_channels=(8,) * 4,
        latent_channels=4, layers_per_block=1, norm_num_groups=2, temporal_compression_ratio=4,
    )  # fmt: skip
    transformer = library.CogVideoXTransformer3DModel(
        num_attention_heads=2, attention_head_dim=16, in_channels=4, out_channels=4,
        time_embed_dim=2, text_embed_dim=32, num_layers=1, sample_width=2, sample_height=2,
        sample_frames=9, patch_size=2, temporal_compression_ratio=4, max_text_seq_length=16,
        use_rotary_positional_embeddings=True,
    )  # fmt: skip
    scheduler = library.CogVideoXDDIMScheduler(
        prediction_type="v_prediction", rescale_betas_zero_snr=True
    )
    return library.CogVideoXPipeline(
        **_texts("T5"), vae=vae, transformer=transformer, scheduler=scheduler, **options
    )
