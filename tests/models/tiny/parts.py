"""What the tiny models are made of: words, a tokenizer, random weights that say words."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
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


def quiet() -> Any:
    """The transformers package, silent and on one thread."""
    import torch
    import transformers
    from transformers.utils import logging

    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    return transformers


def make_tokenizer(
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


def end_ids(tokenizer: Any) -> dict[str, int]:
    """The ids of a config that pad, begin and end texts."""
    return {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": tokenizer.eos_token_id}


def random_model(kind: Any, config: Any, seed: int) -> Any:
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


def speaking(model: Any, tokenizer: Any, end: int | None = None) -> Any:
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


def save(folder: Path, model: Any, *parts: Any) -> Path:
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
