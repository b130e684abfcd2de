"""Heads beside a saved model: `head.safetensors` with its weights, `head.json` with its kind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from torch import Tensor

from internvid.core.errors import CheckpointFormatError
from internvid.models.viclip.config import ViCLIPConfig
from internvid.models.viclip.heads.base import Head
from internvid.models.viclip.heads.classifier_head import ActionHead
from internvid.models.viclip.heads.matching_head import MatchingHead
from internvid.models.viclip.weights.checkpoint import check_fit, read_weights, save_tensors

WEIGHTS, ABOUT = "head.safetensors", "head.json"
_KINDS: Mapping[str, type[Head]] = MappingProxyType(
    {head.kind: head for head in (MatchingHead, ActionHead)}
)


def save_head(head: Head, state: Mapping[str, Tensor], folder: Path) -> None:
    """Write a head's weights and what it is into a model's folder.

    Args:
        head: says what it is.
        state: its tensors, whole and on the CPU.
        folder: where the model is.
    """
    save_tensors(state, folder / WEIGHTS)
    (folder / ABOUT).write_text(json.dumps(head.describe(), indent=2) + "\n", "utf-8")


def has_head(folder: Path) -> str:
    """The kind of the head that a folder holds; empty where there is none.

    Raises:
        CheckpointFormatError: `head.json` is damaged, or of a kind that is not known.
    """
    path = folder / ABOUT
    if not path.is_file():
        return ""
    try:
        kind = str(json.loads(path.read_text("utf-8"))["kind"])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointFormatError(f"{path} describes no head: {error!r}") from error
    if kind not in _KINDS:
        raise CheckpointFormatError(
            f"{path} describes a head of kind {kind!r}; known: {', '.join(_KINDS)}"
        )
    return kind


def load_head(folder: Path, config: ViCLIPConfig) -> Head:
    """The head that a folder holds, in evaluation mode.

    Args:
        folder: of a model.
        config: of its towers.

    Raises:
        CheckpointFormatError: there is none, or it is damaged.
        CheckpointMismatchError: its weights do not fit the towers.
    """
    kind = has_head(folder)
    if not kind:
        raise CheckpointFormatError(
            f"{folder} holds no head ({ABOUT})", hint="train one: see Fine-tuning in the manual"
        )
    try:
        described = json.loads((folder / ABOUT).read_text("utf-8"))
        head = _KINDS[kind].from_mapping(config, described)
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointFormatError(f"{folder / ABOUT} is damaged: {error!r}") from error
    if not (folder / WEIGHTS).is_file():
        raise CheckpointFormatError(
            f"{folder} has {ABOUT} and no {WEIGHTS}: the head's weights are not there",
            hint="copy the whole folder again",
        )
    state = read_weights(folder / WEIGHTS)
    check_fit(state, head.state_dict())
    head.load_state_dict(state)
    head.eval()
    return head
