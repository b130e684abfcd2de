"""Reads weights wherever they are and whatever wrote them: files, folders, hub names, dicts."""

from __future__ import annotations

import importlib
import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from internvid.core.errors import (
    CheckpointFormatError,
    CheckpointMismatchError,
    ConfigInvalidError,
    DependencyMissingError,
    SourceMissingError,
)
from internvid.models.viclip.config import ViCLIPConfig
from internvid.models.viclip.preprocess import Preprocessing
from internvid.models.viclip.weights.hub import WEIGHTS, is_hub_name, resolve
from internvid.models.viclip.weights.layouts import (
    TEMPORAL,
    TEXT,
    VISION,
    State,
    read_shapes,
    text_positions,
    to_public,
)
from internvid.models.viclip.weights.pickles import (
    Inert,
    StoredTensor,
    flatten_attributes,
    read_pickled,
)
from internvid.models.viclip.weights.positions import (
    FIRST_POSITIONS,
    resize_spatial,
    resize_temporal,
    stretch_context,
)

Source: TypeAlias = str | Path | Mapping[str, Any]
FORMAT = "internvid-viclip"
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
INDEX_SUFFIX = ".safetensors.index.json"
_STATES = ("model", "module", "state_dict", "model_state_dict")
_SHOWN = 5
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """Weights in the public layout, and what stood beside them.

    Attributes:
        state: public key -> tensor.
        config: the shapes.
        layout: what the file had: `viclip`, `clip` or `transformers`.
        preprocessing: how it wants its frames, if that was recorded.
        folder: where a tokenizer may lie; None for a dict in memory.
        merges_fingerprint: of the merges it was saved with; empty if not recorded.
        text_positions: all text positions of the file, where it has more than the config.
        positions_rule: what was done for another text length; empty for nothing.
    """

    state: State
    config: ViCLIPConfig
    layout: str
    preprocessing: Preprocessing | None = None
    folder: Path | None = None
    merges_fingerprint: str = ""
    text_positions: Tensor | None = None
    positions_rule: str = ""

    def resized(
        self, frames: int | None, resolution: int | None, context: int | None = None
    ) -> Checkpoint:
        """Weights for another frame count, resolution or text length: positions resized.

        Args:
            frames: see paper §6.2.
            resolution: likewise.
            context: tokens per text: those of the file where it has so many, else stretched.
        """
        config = replace(
            self.config,
            frames=self.config.frames if frames is None else frames,
            resolution=self.config.resolution if resolution is None else resolution,
            context=self.config.context if context is None else context,
        )
        state = dict(self.state)
        if frames is not None and TEMPORAL in state:
            state[TEMPORAL] = resize_temporal(state[TEMPORAL], frames)
        places = VISION + "positional_embedding"
        if resolution is not None and places in state:
            state[places] = resize_spatial(state[places], config.grid, config.grid)
        rule, texts = "", TEXT + "positional_embedding"
        if context not in (None, self.config.context) and texts in state:
            table = state[texts] if self.text_positions is None else self.text_positions
            state[texts] = stretch_context(table, config.context)
            rule = f"{config.context} of {len(table)}"
            if config.context > len(table):
                rule = f"{len(table)} stretched to {config.context}, {FIRST_POSITIONS} kept"
        return replace(self, state=state, config=config, positions_rule=rule)


def read_checkpoint(source: Source) -> Checkpoint:
    """Weights from a file, a folder, a hub name or a state dict.

    Nothing in the source is run: pickles are read for tensors only (`internvid.models.viclip.
    pickles`), everything else is safetensors and JSON.

    Args:
        source: see `ViCLIP.from_pretrained`.

    Raises:
        SourceMissingError: it names nothing that exists or can be fetched.
        CheckpointFormatError: truncated, damaged, or no file of weights.
        CheckpointMismatchError: weights of something else.
    """
    if isinstance(source, Mapping):
        return _checkpoint(_tensors(_state_of(source)), {}, None)
    path = Path(source)
    if not path.exists():
        if not (isinstance(source, str) and is_hub_name(source)):
            raise SourceMissingError(
                f"there is no checkpoint {str(source)!r}",
                hint="give a file, a folder, or a hub name such as OpenGVLab/ViCLIP-L-14-hf",
            )
        path = resolve(source)
    if path.is_dir():
        return _checkpoint(read_weights(_weights_in(path)), _read_json(path / CONFIG_FILE), path)
    beside = path.parent / CONFIG_FILE if path.name == WEIGHTS_FILE else None
    described = _read_json(beside) if beside else {}
    return _checkpoint(read_weights(path), described, path.parent)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of one file, or of all files that a safetensors index lists.

    Raises:
        CheckpointFormatError: truncated, damaged, or without tensors.
    """
    if path.name.endswith(INDEX_SUFFIX):
        return _read_shards(path)
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.stat().st_size == 0:
        raise CheckpointFormatError(f"{path.name} is empty (0 bytes)")
    content, fetch = read_pickled(path)
    stored = _state_of(content)
    return {
        key: value.read(fetch) for key, value in stored.items() if isinstance(value, StoredTensor)
    }


def check_fit(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Refuses weights whose names or shapes are not the model's.

    Raises:
        CheckpointMismatchError: names missing, unexpected and misshapen keys, the first of each.
    """
    missing = [key for key in expected if key not in state]
    unexpected = [key for key in state if key not in expected]
    misshapen = [
        f"{key} {list(state[key].shape)} instead of {list(expected[key].shape)}"
        for key in expected
        if key in state and state[key].shape != expected[key].shape
    ]
    groups = {"missing": missing, "unexpected": unexpected, "misshapen": misshapen}
    problems = [
        f"{len(keys)} {what}: {', '.join(keys[:_SHOWN])}{', ...' if len(keys) > _SHOWN else ''}"
        for what, keys in groups.items()
        if keys
    ]
    if problems:
        raise CheckpointMismatchError(
            f"the weights do not fit this ViCLIP; {'; '.join(problems)}",
            hint="docs/viclip.md lists the keys and shapes of both published sizes",
        )


def _checkpoint(
    weights: Mapping[str, Tensor], described: Mapping[str, Any], folder: Path | None
) -> Checkpoint:
    state, layout = to_public(weights)
    if described.get("format") == FORMAT:
        config = ViCLIPConfig.from_mapping(_object(described, "config"))
        rule = Preprocessing.from_mapping(_object(described, "preprocessing"))
        merges = str(described.get("merges", ""))
        return Checkpoint(state, config, layout, rule, folder, merges)
    if layout != "viclip" and "temp" not in state:
        state["temp"] = torch.tensor(0.01)
    config = read_shapes(state, _known_heads(described))
    table = text_positions(weights)
    longer = table if table is not None and len(table) > config.context else None
    return Checkpoint(state, config, layout, folder=folder, text_positions=longer)


def _known_heads(described: Mapping[str, Any]) -> dict[str, int]:
    """Heads as transformers' config.json of a CLIP states them."""
    heads: dict[str, int] = {}
    for tower in ("vision", "text"):
        part = described.get(f"{tower}_config")
        if not isinstance(part, Mapping):
            continue
        if isinstance(count := part.get("num_attention_heads"), int):
            heads[f"{tower}_heads"] = count
        if (activation := part.get("hidden_act", "quick_gelu")) != "quick_gelu":
            _log.warning("this CLIP uses %s; ViCLIP computes with quick_gelu", activation)
    return heads


def _state_of(content: Any) -> Mapping[str, Any]:
    """The state dict in what a file holds: itself, or under one of the usual names."""
    if isinstance(content, Inert) and (attributes := flatten_attributes(content)):
        return attributes
    if isinstance(content, Mapping) and not isinstance(content, Inert):
        for name in _STATES:
            if isinstance(content.get(name), Mapping) and content[name]:
                return content[name]  # type: ignore[no-any-return]
        return content
    raise CheckpointFormatError(
        f"the file holds {_what(content)}, not a dict of weights",
        hint="save model.state_dict()",
    )


def _what(content: Any) -> str:
    if isinstance(content, Inert):
        return "an object of a class that is not imported here"
    return f"a {type(content).__name__}"


def _tensors(state: Mapping[str, Any]) -> dict[str, Tensor]:
    return {str(key): value for key, value in state.items() if isinstance(value, Tensor)}


def _weights_in(folder: Path) -> Path:
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    for wanted in (
        [name for name in names if name.endswith(INDEX_SUFFIX)],
        [name for name in names if name.endswith(".safetensors")],
        [name for name in names if name.endswith(WEIGHTS)],
    ):
        if WEIGHTS_FILE in wanted:
            return folder / WEIGHTS_FILE
        if len(wanted) == 1:
            return folder / wanted[0]
        if wanted:
            raise SourceMissingError(
                f"{str(folder)!r} holds several files of weights: {', '.join(wanted)}",
                hint="name one of them",
            )
    raise SourceMissingError(
        f"{str(folder)!r} holds no weights; expected one of {', '.join(WEIGHTS)}",
        hint="found: " + (", ".join(names[:_SHOWN]) or "nothing"),
    )


def _read_shards(index: Path) -> dict[str, Tensor]:
    places = _read_json(index).get("weight_map")
    if not isinstance(places, Mapping) or not places:
        raise CheckpointFormatError(f"{index.name} lists no weights")
    weights: dict[str, Tensor] = {}
    for name in sorted({str(name) for name in places.values()}):
        if Path(name).name != name:
            raise CheckpointFormatError(f"{index.name} names a file elsewhere: {name!r}")
        if not (index.parent / name).is_file():
            raise CheckpointFormatError(f"{index.name} names {name}, which is not there")
        weights |= _read_safetensors(index.parent / name)
    return {key: weights[key] for key in places if key in weights}


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    library = safetensors()
    try:
        return library.load_file(path)  # type: ignore[no-any-return]
    # The library's own error, and what reading may raise.
    except Exception as error:
        raise CheckpointFormatError(
            f"{path.name} is truncated or damaged ({path.stat().st_size} bytes): {error}",
            hint="fetch the file again and compare its size or hash",
        ) from error


def safetensors() -> Any:
    """The safetensors library for torch.

    Raises:
        DependencyMissingError: it is not installed.
    """
    try:
        return importlib.import_module("safetensors.torch")
    except ModuleNotFoundError as error:
        raise DependencyMissingError(
            "safetensors is not installed", hint='pip install "internvid[torch]"'
        ) from error


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors as a safetensors file.

    Raises:
        OSError: the disk is full or refuses. The library wraps it in an error of its own, which
            keeps the number in its text alone.
    """
    library = safetensors()
    try:
        library.save_file(dict(tensors), path, {"format": "pt"})
    except Exception as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if isinstance(error, OSError) or number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise CheckpointFormatError(f"{path.name} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointFormatError(f"{path.name} is damaged: it holds no object of settings")
    return content


def _object(described: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = described.get(name)
    if not isinstance(value, Mapping):
        raise ConfigInvalidError(f"{CONFIG_FILE} has no object {name!r}")
    return value
