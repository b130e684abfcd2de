"""The folder of a video chat: what is trained as safetensors, its two models whole or by name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from internvid.core.errors import (
    CheckpointFormatError,
    CheckpointMismatchError,
    ConfigInvalidError,
    OutputExistsError,
    SourceMissingError,
    StorageError,
)
from internvid.core.weights import find_weights, weights_identity
from internvid.models.chat.causal_language import Language, load_language
from internvid.models.chat.chat_config import ChatConfig
from internvid.models.pretrained import fetch
from internvid.models.viclip.model import ViCLIP
from internvid.models.viclip.weights.checkpoint import safetensors, save_tensors

CHAT, WEIGHTS, VISION, LANGUAGE = "chat.json", "model.safetensors", "vision", "language"
_FORMAT = "internvid-video-chat"
_VERSION = 1


@dataclass(frozen=True)
class ChatParts:
    """What a folder holds.

    Attributes:
        vision: ViCLIP.
        language: the language model.
        config: of the chat.
        state: trained tensors, see `VideoChat.trained_state`.
        vision_reference: folder or hub name of ViCLIP's weights; empty where they lie within.
    """

    vision: ViCLIP
    language: Language
    config: ChatConfig
    state: dict[str, Tensor]
    vision_reference: str = ""


def is_chat(folder: Path) -> bool:
    """Whether a folder is one of a video chat, or a training run of one."""
    return (folder / CHAT).is_file() or (folder / "model" / CHAT).is_file()


def write_chat(
    parts: ChatParts,
    folder: Path,
    *,
    language: Literal["reference", "whole"],
    vision: Literal["reference", "whole"],
) -> None:
    """Write the folder; the JSON comes last, so that a folder with one is whole.

    Raises:
        OutputExistsError: the folder holds something else.
        ConfigInvalidError: a reference is wanted to a model that came from no file.
        StorageError: it cannot be written.
    """
    if folder.is_file() or (
        folder.is_dir() and any(folder.iterdir()) and not (folder / CHAT).is_file()
    ):
        raise OutputExistsError(
            f"{str(folder)!r} exists and is not a video chat that this program saved",
            hint="choose another folder, or empty this one",
        )
    described: dict[str, Any] = {
        "format": _FORMAT,
        "version": _VERSION,
        "config": parts.config.as_json(),
        "language": _reference(parts.language.reference, language, "language"),
        "vision": _reference(parts.vision_reference, vision, "vision"),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        state = {
            name: value.detach().to("cpu", copy=True).contiguous()
            for name, value in parts.state.items()
        }
        save_tensors(state, folder / WEIGHTS)
        if vision == "whole":
            parts.vision.save_pretrained(folder / VISION)
        if language == "whole":
            _write_base(parts.language, folder / LANGUAGE)
        (folder / CHAT).write_text(json.dumps(described, indent=2, sort_keys=True) + "\n", "utf-8")
    except OSError as error:
        raise StorageError(
            f"{folder} cannot be written: {error.strerror or error}", hint="free some room"
        ) from error


def _write_base(language: Language, folder: Path) -> None:
    """The language model without additions, which lie beside it."""
    model = language.model
    language.tokenizer.save_pretrained(folder)
    if not hasattr(model, "peft_config"):
        model.save_pretrained(folder)
        return
    base = model.get_base_model()
    state = {
        name.replace(".base_layer.", "."): value
        for name, value in base.state_dict().items()
        if "lora_" not in name
    }
    base.save_pretrained(folder, state_dict=state)


def _reference(name: str, kept: str, what: str) -> dict[str, str]:
    if kept == "whole":
        return {"kept": "whole"}
    place = find_weights(name) if name else None
    if place is None:
        raise ConfigInvalidError(
            f"the {what} model came from no file that could be referred to",
            hint=f'save_pretrained({what}="whole") keeps its weights in the folder',
        )
    return {"kept": "reference", "name": name, "identity": weights_identity(str(place))}


def read_chat(source: str, device: str, dtype: str) -> ChatParts:
    """What a folder holds, its models loaded.

    Args:
        source: a folder, a training run, or a hub name.
        device, dtype: of the models.

    Raises:
        InternvidError: see `VideoChat.from_pretrained`.
    """
    folder = _folder(source)
    described = _described(folder)
    config = ChatConfig.of_json(described["config"])
    from internvid.models.devices import choose_device, choose_dtype

    place = choose_device(device)
    number = choose_dtype(dtype, place)
    vision_at = _place(described, "vision", folder / VISION)
    vision = ViCLIP.from_pretrained(vision_at, device=place, dtype=number)
    language = load_language(_place(described, "language", folder / LANGUAGE), str(place), dtype)
    try:
        state: dict[str, Tensor] = safetensors().load_file(folder / WEIGHTS)
    except Exception as error:
        # The library has errors of its own, and each means the same.
        raise CheckpointFormatError(f"{folder / WEIGHTS} is damaged: {error}") from error
    reference = described["vision"].get("name", "")
    return ChatParts(vision, language, config, state, reference)


def _folder(source: str) -> Path:
    folder = find_weights(source)
    if folder is None:
        if Path(source).is_absolute() or source.startswith("."):
            raise SourceMissingError(f"there is no video chat at {source!r}")
        folder = fetch(source)
    if not (folder / CHAT).is_file() and (folder / "model" / CHAT).is_file():
        return folder / "model"
    return folder


def _described(folder: Path) -> dict[str, Any]:
    try:
        described = json.loads((folder / CHAT).read_text("utf-8"))
        known = described["format"] == _FORMAT and described["version"] == _VERSION
        kinds = {described[each]["kept"] for each in ("language", "vision")}
        if not known or not kinds <= {"reference", "whole"}:
            raise ValueError("another format or version")
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"it has no {CHAT}" if isinstance(error, FileNotFoundError) else str(error)
        raise CheckpointFormatError(
            f"{folder} is no video chat: {what}",
            hint="give a folder of VideoChat.save_pretrained, or a run of a videochat recipe",
        ) from error
    return dict(described)


def _place(described: dict[str, Any], what: str, inside: Path) -> str:
    """Where a model's weights lie: within, or by a name that still stands for the same."""
    kept = described[what]
    if kept["kept"] == "whole":
        return str(inside)
    name = kept["name"]
    place = find_weights(name)
    if place is not None and weights_identity(str(place)) != kept["identity"]:
        raise CheckpointMismatchError(
            f"{name} holds other weights than those that the chat was trained with",
            hint=f"give back the {what} model of then, or train anew",
        )
    return str(name)
