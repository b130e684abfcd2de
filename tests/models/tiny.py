"""Tiny random models of the real classes, saved as a user's model would be: no weights needed.

Each `make_...` writes a folder that `from_pretrained` loads, in well under a second. Words come
from a small vocabulary, so that what the models say is words. The same seed gives the same model.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

WORDS = re.findall(
    r"\w+",
    "a an the dog cat man woman child ball car street tree house river mountain red green blue "
    "black white small large runs walks jumps sits rides plays cooks in on over under with near "
    "park kitchen snow night day two three of and is holding looking at bright dark room table",
)
EOS, PAD, UNKNOWN = "</s>", "<pad>", "<unk>"
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }} "
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|> {% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant {% endif %}"
)
VISION_TOKENS = (
    "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip


def make_blip2(folder: Path, seed: int = 0) -> Path:
    """BLIP-2 with an OPT: 28 x 28 pixels, 4 queries."""
    transformers = _quiet()
    tokenizer = _tokenizer(("<image>",), bos=True)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.Blip2Config(
        vision_config={**size, "intermediate_size": 32, "image_size": 28, "patch_size": 14},
        qformer_config={
            **size, "intermediate_size": 32, "vocab_size": len(tokenizer),
            "encoder_hidden_size": 16, "max_position_embeddings": 64,
        },
        text_config={
            "model_type": "opt", **size, "ffn_dim": 32, "vocab_size": len(tokenizer),
            "word_embed_proj_dim": 16, "max_position_embeddings": 128, **_ids(tokenizer),
        },
        num_query_tokens=4,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    model = _random(transformers.Blip2ForConditionalGeneration, config, seed)
    _end_at(model.language_model, 14)
    images = transformers.BlipImageProcessor(size={"height": 28, "width": 28})
    processor = transformers.Blip2Processor(images, tokenizer, num_query_tokens=4)
    return _save(folder, _speaking(model, tokenizer), processor)


def make_blip(folder: Path, seed: int = 0) -> Path:
    """BLIP: an image encoder and a text decoder that looks at it."""
    transformers = _quiet()
    tokenizer = _tokenizer(("[CLS]", "[SEP]"), wrap=("[CLS]", "[SEP]"))
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
    model = _random(transformers.BlipForConditionalGeneration, config, seed)
    images = transformers.BlipImageProcessor(size={"height": 28, "width": 28})
    return _save(
        folder, _speaking(model, tokenizer, end), transformers.BlipProcessor(images, tokenizer)
    )


def make_git(folder: Path, seed: int = 0) -> Path:
    """GIT: image tokens before a causal text model."""
    transformers = _quiet()
    tokenizer = _tokenizer(("[CLS]", "[SEP]"), wrap=("[CLS]", "[SEP]"))
    start, end = tokenizer.convert_tokens_to_ids(["[CLS]", "[SEP]"])
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.GitConfig(
        vision_config={**size, "intermediate_size": 32, "image_size": 28, "patch_size": 14},
        **size, intermediate_size=32, vocab_size=len(tokenizer), max_position_embeddings=64,
        bos_token_id=start, eos_token_id=end, pad_token_id=0,
    )  # fmt: skip
    model = _random(transformers.GitForCausalLM, config, seed)
    images = transformers.CLIPImageProcessor(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
    )
    tokenizer.cls_token, tokenizer.sep_token = "[CLS]", "[SEP]"
    return _save(
        folder, _speaking(model, tokenizer, end), transformers.GitProcessor(images, tokenizer)
    )


def make_vit_gpt2(folder: Path, seed: int = 0) -> Path:
    """An encoder-decoder of ViT and GPT-2, without a processor of its own."""
    transformers = _quiet()
    tokenizer = _tokenizer()
    encoder = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        image_size=28, patch_size=14,
    )  # fmt: skip
    decoder = transformers.GPT2Config(
        vocab_size=len(tokenizer), n_embd=16, n_layer=2, n_head=2, n_positions=64,
        is_decoder=True, add_cross_attention=True, **_ids(tokenizer),
    )  # fmt: skip
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.decoder_start_token_id, config.pad_token_id = 1, 0
    model = _random(transformers.VisionEncoderDecoderModel, config, seed)
    model.generation_config.decoder_start_token_id = 1
    images = transformers.ViTImageProcessor(size={"height": 28, "width": 28})
    return _save(folder, _speaking(model, tokenizer), images, tokenizer)


def make_t5(folder: Path, seed: int = 0) -> Path:
    """T5, as summarisers are."""
    transformers = _quiet()
    tokenizer = _tokenizer(wrap=("", EOS))
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2,
        feed_forward_proj="gated-gelu", decoder_start_token_id=0, pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    model = _random(transformers.T5ForConditionalGeneration, config, seed)
    return _save(folder, _speaking(model, tokenizer), tokenizer)


def make_chat_model(folder: Path, seed: int = 0) -> Path:
    """A causal language model (Llama) with a chat template."""
    transformers = _quiet()
    tokenizer = _tokenizer(VISION_TOKENS, chat=True)
    config = transformers.LlamaConfig(vocab_size=len(tokenizer), **_qwen_text(tokenizer))
    model = _random(transformers.LlamaForCausalLM, config, seed)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    return _save(folder, _speaking(model, tokenizer, end), tokenizer)


def make_qwen_vl(folder: Path, seed: int = 0, *, version: str = "2.5") -> Path:
    """Qwen2-VL or Qwen2.5-VL: patches of 4 pixels, pictures of at most 32 x 32."""
    transformers = _quiet()
    tokenizer = _tokenizer(VISION_TOKENS, chat=True)
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
    model = _random(getattr(transformers, kind), config, seed)
    images = transformers.Qwen2VLImageProcessor(
        patch_size=4, merge_size=2, temporal_patch_size=2,
        size={"shortest_edge": 256, "longest_edge": 1024},
    )  # fmt: skip
    return _save(folder, _speaking(model, tokenizer, named("<|im_end|>")), images, tokenizer)


def make_clip(folder: Path, seed: int = 0, *, dimension: int = 12) -> Path:
    """CLIP: 28 x 28 pixels, features of `dimension` numbers."""
    transformers = _quiet()
    tokenizer = _tokenizer(("<|startoftext|>",), wrap=("<|startoftext|>", EOS), longest=16)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.CLIPConfig(
        text_config={
            **size, "intermediate_size": 32, "vocab_size": len(tokenizer),
            "max_position_embeddings": 16, **_ids(tokenizer),
        },
        vision_config={**size, "intermediate_size": 32, "image_size": 28, "patch_size": 14},
        projection_dim=dimension,
    )  # fmt: skip
    images = transformers.CLIPImageProcessor(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
    )
    model = _random(transformers.CLIPModel, config, seed)
    return _save(folder, model, transformers.CLIPProcessor(images, tokenizer))


def make_siglip(folder: Path, seed: int = 0) -> Path:
    """SigLIP: 28 x 28 pixels, features of 16 numbers."""
    transformers = _quiet()
    tokenizer = _tokenizer(wrap=("", EOS), longest=16)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.SiglipConfig(
        text_config={
            **size, "intermediate_size": 32, "vocab_size": len(tokenizer),
            "max_position_embeddings": 16, **_ids(tokenizer),
        },
        vision_config={**size, "intermediate_size": 32, "image_size": 28, "patch_size": 14},
    )  # fmt: skip
    images = transformers.SiglipImageProcessor(size={"height": 28, "width": 28})
    model = _random(transformers.SiglipModel, config, seed)
    return _save(folder, model, transformers.SiglipProcessor(images, tokenizer))


def make_image_classifier(
    folder: Path, seed: int = 0, labels: tuple[str, ...] = ("normal", "nsfw")
) -> Path:
    """A ViT with a head for the labels."""
    transformers = _quiet()
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        image_size=28, patch_size=14, id2label=dict(enumerate(labels)),
        label2id={label: at for at, label in enumerate(labels)},
    )  # fmt: skip
    model = _random(transformers.ViTForImageClassification, config, seed)
    images = transformers.ViTImageProcessor(size={"height": 28, "width": 28})
    return _save(folder, model, images)


def make_whisper(folder: Path, seed: int = 0) -> Path:
    """Whisper: 80 mel bands, windows of 30 seconds, English alone, with time stamps."""
    transformers = _quiet()
    stamps = tuple(f"<|{at * 0.02:.2f}|>" for at in range(1501))
    specials = (
        "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>",
        "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>",
    )  # fmt: skip
    tokenizer = _tokenizer((*specials, *stamps))
    named = tokenizer.convert_tokens_to_ids
    config = transformers.WhisperConfig(
        vocab_size=len(tokenizer), num_mel_bins=80, d_model=16, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32,
        decoder_ffn_dim=32, max_target_positions=64,
        decoder_start_token_id=named("<|startoftranscript|>"), **_ids(tokenizer),
        suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    model = _random(transformers.WhisperForConditionalGeneration, config, seed)
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
    return _save(folder, model, extractor, tokenizer)


MAKERS: dict[str, Callable[[Path], Path]] = {
    "blip2": make_blip2,
    "blip": make_blip,
    "git": make_git,
    "vit_gpt2": make_vit_gpt2,
    "t5": make_t5,
    "chat": make_chat_model,
    "qwen_vl": make_qwen_vl,
    "clip": make_clip,
    "siglip": make_siglip,
    "classifier": make_image_classifier,
    "whisper": make_whisper,
}


class TinyModels:
    """Models by name, each made once, when it is first asked for.

    Args:
        root: folder for them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def __getitem__(self, name: str) -> str:
        """Path of the model of that name (see `MAKERS`)."""
        folder = self.root / name
        if not folder.exists():
            MAKERS[name](folder)
        return str(folder)


def _quiet() -> Any:
    import torch
    import transformers
    from transformers.utils import logging

    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    return transformers


def _tokenizer(
    specials: tuple[str, ...] = (),
    *,
    wrap: tuple[str, str] | None = None,
    bos: bool = False,
    chat: bool = False,
    longest: int | None = None,
) -> Any:
    """Whole words; what is not in `WORDS` is unknown. Pad is 0, the end 1, unknown 2."""
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    tokens = [PAD, EOS, UNKNOWN, *specials, *WORDS]
    inner = Tokenizer(models.WordLevel({word: at for at, word in enumerate(tokens)}, UNKNOWN))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    if wrap:
        pieces = [f"{piece}:0" if piece else "" for piece in (wrap[0], "$A", wrap[1])]
        pairs = [(piece, tokens.index(piece)) for piece in wrap if piece]
        inner.post_processor = processors.TemplateProcessing(
            single=" ".join(filter(None, pieces)), special_tokens=pairs
        )
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNKNOWN,
        bos_token=EOS if bos else None,
        additional_special_tokens=list(specials),
        model_max_length=longest,
    )
    if chat:
        made.chat_template = CHAT
    return made


def _ids(tokenizer: Any) -> dict[str, int]:
    return {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": tokenizer.eos_token_id}


def _qwen_text(tokenizer: Any) -> dict[str, Any]:
    return {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 2048,
        **_ids(tokenizer), "eos_token_id": tokenizer.convert_tokens_to_ids("<|im_end|>"),
    }  # fmt: skip


def _random(kind: Any, config: Any, seed: int) -> Any:
    """A model whose weights are large enough that its answers depend on what it is shown."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind(config)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.copy_(torch.randn_like(parameter) * 0.5)
    return model.eval()


def _speaking(model: Any, tokenizer: Any, end: int | None = None) -> Any:
    """The model with an end to every answer, and with words in it."""
    settings = model.generation_config
    settings.eos_token_id = tokenizer.eos_token_id if end is None else end
    settings.pad_token_id = 0
    # After six words the end becomes ever more likely.
    settings.exponential_decay_length_penalty = (6, 4.0)
    words = {tokenizer.convert_tokens_to_ids(word) for word in WORDS}
    settings.suppress_tokens = sorted(set(range(len(tokenizer))) - words - {settings.eos_token_id})
    settings.begin_suppress_tokens = [settings.eos_token_id]
    return model


def _end_at(opt: Any, position: int) -> None:
    """Make an OPT end its text at that position: it ignores the settings of the model around it."""
    import torch

    decoder = opt.model.decoder
    with torch.no_grad():
        # Positions lead straight to the token that ends a text; the first two are not used.
        decoder.embed_positions.weight[position + 2 :] = 50 * decoder.embed_tokens.weight[1]


def _save(folder: Path, model: Any, *parts: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with _no_chatter():
        model.save_pretrained(folder)
        for part in parts:
            part.save_pretrained(folder)
    return folder


@contextlib.contextmanager
def _no_chatter() -> Iterator[None]:
    # A progress bar of the weights' shards goes to stderr whatever the settings.
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        yield
