"""A small language model from nothing: a byte-level vocabulary of given texts, a few layers."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from internvid.core.errors import ConfigInvalidError
from internvid.models.pretrained import import_transformers

_MARKS = ("<unk>", "<s>", "</s>", "<pad>")


@dataclass(frozen=True)
class SmallLanguage:
    """The shapes of a language model that is learned from nothing, a Llama type.

    Attributes:
        width: channels.
        layers, heads: of the transformer.
        vocabulary: most tokens, the 256 bytes included.
        context: most tokens of a sequence.
        seed: of the weights.
    """

    width: int = 128
    layers: int = 3
    heads: int = 4
    vocabulary: int = 512
    context: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads) or self.layers < 1 or self.vocabulary < 300:
            raise ConfigInvalidError(
                f"a small language model needs a width that is a multiple of twice its heads, a "
                f"layer and a vocabulary of 300, not {self.width}, {self.heads}, {self.layers}, "
                f"{self.vocabulary}"
            )


def make_small_language(shape: SmallLanguage, texts: Iterable[str], folder: Path) -> None:
    """Write a language model with random weights and the tokenizer of given texts.

    Args:
        shape: of the model.
        texts: that the vocabulary is learned from.
        folder: new; `load_language` reads it.
    """
    transformers = import_transformers()
    tokenizers: Any = importlib.import_module("tokenizers")
    learned = tokenizers.Tokenizer(tokenizers.models.BPE())
    learned.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    learned.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=shape.vocabulary,
        special_tokens=list(_MARKS),
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    learned.train_from_iterator(texts, trainer)
    unknown, begin, end, pad = _MARKS
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=learned,
        unk_token=unknown, bos_token=begin, eos_token=end, pad_token=pad,
    )  # fmt: skip
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        intermediate_size=3 * shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        max_position_embeddings=shape.context,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(shape.seed)
        model = transformers.LlamaForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
