"""What turns texts and pictures into a pretrained model's inputs, with or without torchvision.

Processors of video models contain a video processor, and those demand torchvision, which is not
needed here: frames are given as images. So such a processor is put together without that part.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Processors that insist on a video part, and those that treat images in the same way without one.
_OF_IMAGES = {"smolvlm": "Idefics3Processor"}


@dataclass(frozen=True)
class Pair:
    """An image processor and a tokenizer of a model that has no processor of its own."""

    image_processor: Any
    tokenizer: Any


def load_processor(
    transformers: Any, folder: Path, config: Any, parts: str, options: Mapping[str, Any]
) -> Any:
    """The processor of a model, or the part of it that is requested.

    Args:
        transformers: the package.
        folder: the model's files.
        config: its configuration.
        parts: "processor", "tokenizer", "image_processor" or "none".
        options: passed to every `from_pretrained`.
    """
    if parts == "none":
        return None
    if parts == "tokenizer":
        return _tokenizer(transformers, folder, options)
    if parts == "image_processor":
        return transformers.AutoImageProcessor.from_pretrained(folder, **options)
    try:
        processor = transformers.AutoProcessor.from_pretrained(folder, **options)
    except (ImportError, ValueError, OSError, TypeError, RuntimeError):
        # No torchvision, or another package that its video part needs (num2words); or no processor
        # class for this architecture.
        processor = _without_video(transformers, folder, config, options)
    if not hasattr(processor, "tokenizer"):
        # What it found was a lone tokenizer or image processor.
        processor = _pair(transformers, folder, options)
    _complete(processor, config)
    return processor


def _tokenizer(transformers: Any, folder: Path, options: Mapping[str, Any]) -> Any:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **options)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _pair(transformers: Any, folder: Path, options: Mapping[str, Any]) -> Pair:
    images = transformers.AutoImageProcessor.from_pretrained(folder, **options)
    return Pair(images, _tokenizer(transformers, folder, options))


def _without_video(transformers: Any, folder: Path, config: Any, options: Mapping[str, Any]) -> Any:
    """The architecture's processor class, less its video part."""
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

    pair = _pair(transformers, folder, options)
    known = PROCESSOR_MAPPING.get(type(config), None)
    attributes = known.get_attributes() if known is not None else []
    if known is None or "video_processor" not in attributes:
        return pair
    settings = _settings(folder, known)
    settings["chat_template"] = _chat_template(folder) or pair.tokenizer.chat_template
    if config.model_type in _OF_IMAGES:
        known = getattr(transformers, _OF_IMAGES[config.model_type])
        return known(pair.image_processor, pair.tokenizer, **settings)
    kept = [name for name in attributes if name != "video_processor"]
    stripped = type(known.__name__, (known,), {"get_attributes": classmethod(lambda _cls: kept)})
    return stripped(pair.image_processor, pair.tokenizer, **settings)


def _settings(folder: Path, known: Any) -> dict[str, Any]:
    """What a processor's own file says beside its parts: how many tokens a picture has, say."""
    path = folder / "processor_config.json"
    if not path.is_file():
        return {}
    found = json.loads(path.read_text("utf-8"))
    taken = inspect.signature(known.__init__).parameters
    plain = (str, int, float, bool)
    return {
        key: value
        for key, value in found.items()
        if key in taken and key != "chat_template" and isinstance(value, plain)
    }


def _chat_template(folder: Path) -> str | None:
    """The template beside a processor, in either of the forms that are in use."""
    plain, older = folder / "chat_template.jinja", folder / "chat_template.json"
    if plain.is_file():
        return plain.read_text("utf-8")
    if older.is_file():
        template = json.loads(older.read_text("utf-8")).get("chat_template")
        return template if isinstance(template, str) else None
    return None


def _complete(processor: Any, config: Any) -> None:
    """Fill in what older files leave out."""
    if getattr(processor, "num_query_tokens", 0) is None:
        # BLIP-2 files from before 2024 keep the number in the model's configuration alone.
        processor.num_query_tokens = getattr(config, "num_query_tokens", None)
    tokenizer = processor.tokenizer
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
