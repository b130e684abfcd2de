"""Writes a ViCLIP: as a folder of its own, or as a file in the public layout."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from internvid.core.errors import ConfigInvalidError, OutputExistsError, StorageError
from internvid.core.system.temporary import new_temporary
from internvid.models.viclip.config import ViCLIPConfig
from internvid.models.viclip.preprocess import Preprocessing
from internvid.models.viclip.tokenizer import Tokenizer
from internvid.models.viclip.weights.checkpoint import (
    CONFIG_FILE,
    FORMAT,
    WEIGHTS_FILE,
    save_tensors,
)
from internvid.models.viclip.weights.layouts import HEAD_CHANNELS

MERGES_FILE = "merges.txt"
VERSION = 1


class SavableModel(Protocol):
    """What is read of a `ViCLIP` to write it.

    Attributes:
        config: the shapes of its towers.
        preprocessing: how frames become its pixels.
        merges_fingerprint: of its tokenizer's table; empty where it has none.
    """

    config: ViCLIPConfig
    preprocessing: Preprocessing
    merges_fingerprint: str

    @property
    def loaded_tokenizer(self) -> Tokenizer | None:
        """Its tokenizer, if one was opened."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Its parameters by name."""
        ...


def save_folder(model: SavableModel, folder: Path) -> None:
    """Write weights, config and, where the tokenizer is known, its merges.

    Files are complete or not there: each is written beside its place and then moved.

    Raises:
        OutputExistsError: the folder holds something else.
        StorageError: it cannot be written.
    """
    _check_ours(folder)
    tokenizer = model.loaded_tokenizer
    described = {
        "format": FORMAT,
        "version": VERSION,
        "config": model.config.shapes(),
        "preprocessing": model.preprocessing.describe(),
        "merges": tokenizer.merges.fingerprint if tokenizer else model.merges_fingerprint,
    }
    text = json.dumps(described, indent=2, sort_keys=True) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        state = _state(model)
        _placed(folder / WEIGHTS_FILE, lambda path: save_tensors(state, path))
        if tokenizer is not None:
            _placed(folder / MERGES_FILE, tokenizer.merges.write)
        _placed(folder / CONFIG_FILE, lambda path: path.write_text(text, "utf-8"))
    except OSError as error:
        # The temporary name of the file that did not fit says nothing.
        raise StorageError(
            f"{str(folder)!r} cannot be written: {(error.strerror or str(error)).lower()}",
            hint="free space, or choose another folder",
        ) from error


def export_public(model: SavableModel, path: Path) -> None:
    """Write `{"model": state dict}` with torch.save, float32, as the public release does.

    Raises:
        ConfigInvalidError: the layout cannot express it: readers take 64 channels for a head.
        OutputExistsError: the file exists.
        StorageError: it cannot be written.
    """
    config = model.config
    for width, heads in (
        (config.vision_width, config.vision_heads),
        (config.text_width, config.text_heads),
    ):
        if width != heads * HEAD_CHANNELS:
            raise ConfigInvalidError(
                f"the public layout has heads of {HEAD_CHANNELS} channels, not {width // heads}",
                hint="save_pretrained keeps any shape",
            )
    if path.exists():
        raise OutputExistsError(f"{str(path)!r} exists", hint="choose another name or remove it")
    state = {key: value.float() for key, value in _state(model).items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _placed(path, lambda place: torch.save({"model": state}, place))
    except OSError as error:
        raise StorageError(f"{str(path)!r} cannot be written: {error}") from error


def _state(model: SavableModel) -> dict[str, Tensor]:
    return {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}


def _check_ours(folder: Path) -> None:
    if folder.is_file():
        raise OutputExistsError(f"{str(folder)!r} is a file", hint="choose a folder")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    config = folder / CONFIG_FILE
    if not config.is_file() or FORMAT not in config.read_text("utf-8", errors="replace"):
        raise OutputExistsError(
            f"{str(folder)!r} exists and is not a model that this program saved",
            hint="choose another folder, or empty this one",
        )


def _placed(path: Path, write: Any) -> None:
    beside = new_temporary(path)
    try:
        write(beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
