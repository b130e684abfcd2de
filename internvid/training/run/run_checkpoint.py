"""Checkpoints: folders that are whole or not there, plain JSON and safetensors, any world size.

A checkpoint is a model folder (`ViCLIP.from_pretrained` reads it) with the optimiser's state, the
place in the data and the recipe beside the weights. It is written under another name, flushed,
then renamed; older ones are removed only afterwards, so a full disk costs nothing but the new one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from internvid.core.errors import CheckpointFormatError, StorageError
from internvid.dataset.parts import commit_json, discard, storage_errors, sync_folder
from internvid.models.viclip.weights.checkpoint import safetensors, save_tensors
from internvid.training.kinds.contract import RunRecipe, Subject
from internvid.training.optimiser import load_optimiser_state, optimiser_state
from internvid.training.run.distributed import rank, wait_for_all
from internvid.training.run.sharding import whole

FOLDER = "checkpoints"
WEIGHTS, OPTIMISER, STATE, RECIPE = (
    "model.safetensors",
    "optimiser.safetensors",
    "state.json",
    "recipe.json",
)
BEST = "best.json"
_NAME = re.compile(r"step-(\d{9})")
_WRITING = ".writing"


@dataclass(frozen=True)
class Position:
    """Where a run stands.

    Attributes:
        step: optimiser steps done in all.
        stage: name of the current stage.
        stage_step: steps done in it.
        shown: clips shown, unreadable ones included.
        skipped: of them, those that could not be read.
    """

    step: int = 0
    stage: str = ""
    stage_step: int = 0
    shown: int = 0
    skipped: int = 0


_KINDS = {"step": int, "stage": str, "stage_step": int, "shown": int, "skipped": int}


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run.

    Attributes:
        root: the run's folder.
    """

    root: Path

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self.root / FOLDER

    def all(self) -> list[Path]:
        """Whole ones, oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if _NAME.fullmatch(path.name))

    def newest(self) -> Path | None:
        """The one to go on from."""
        steps = self.all()
        return steps[-1] if steps else None

    def best(self) -> tuple[Path, float] | None:
        """The one that validated best, and its value."""
        path = self.folder / BEST
        if not path.is_file():
            return None
        try:
            record = json.loads(path.read_text("utf-8"))
            return self.folder / record["checkpoint"], float(record["value"])
        except (ValueError, KeyError, TypeError):
            # Damaged from outside: the next validation says anew which is best.
            return None

    def path(self, step: int) -> Path:
        """Where the checkpoint of a step lies."""
        return self.folder / f"step-{step:09d}"

    def note_best(self, path: Path, value: float) -> None:
        """Record a checkpoint as best, if it is."""
        best = self.best()
        if best is None or value > best[1] or not best[0].is_dir():
            commit_json(self.folder / BEST, {"checkpoint": path.name, "value": value})

    def prune(self, keep: int) -> None:
        """Remove all but the newest `keep` and the best."""
        best = self.best()
        for path in self.all()[:-keep]:
            if best is None or path != best[0]:
                discard(path)

    def clear(self) -> None:
        """Remove what killed writers left."""
        if self.folder.is_dir():
            for path in self.folder.glob(f"*{_WRITING}"):
                discard(path)


def save_checkpoint(
    checkpoints: Checkpoints,
    subject: Subject,
    optimiser: torch.optim.Optimizer,
    position: Position,
    recipe: RunRecipe,
    facts: Mapping[str, Any],
) -> Path:
    """Write one, whole or not at all. Every process must call it; the first one writes.

    Args:
        checkpoints: where to.
        subject: what is trained.
        optimiser: its moments, if it has any yet.
        position: where the run stands.
        recipe: of the run.
        facts: anything else in plain JSON that a later start compares.

    Raises:
        StorageError: the disk is full or refuses; the checkpoints before it are untouched.
    """
    path = checkpoints.path(position.step)
    states = subject.states()
    moments = optimiser_state(optimiser, dict(subject.named_parameters()))
    if rank() == 0:
        temporary = path.with_name(path.name + _WRITING)
        state = {"format": "internvid-training", "version": 1, **asdict(position), **facts}
        with storage_errors(path):
            try:
                discard(temporary)
                subject.write(states, temporary)
                save_tensors(moments, temporary / OPTIMISER)
                commit_json(temporary / RECIPE, recipe.plain())
                commit_json(temporary / STATE, state)
                _flush(temporary)
                discard(path)
                os.replace(temporary, path)
                sync_folder(path.parent)
            except BaseException as error:
                discard(temporary)
                if isinstance(error, StorageError) and isinstance(error.__cause__, OSError):
                    # Told of the checkpoint, with the way to go on, not of a file that vanished.
                    raise error.__cause__ from None
                raise
    wait_for_all()
    return path


def whole_state(model: nn.Module) -> dict[str, Tensor]:
    """Every tensor of a model, whole, on the CPU. Every process must call it."""
    return {
        name: whole(value).detach().to("cpu", copy=True).contiguous()
        for name, value in model.state_dict().items()
    }


def read_position(path: Path) -> tuple[Position, dict[str, Any]]:
    """Where a checkpoint stands, and everything its state says.

    Raises:
        CheckpointFormatError: it is damaged or of another program.
    """
    try:
        state = json.loads((path / STATE).read_text("utf-8"))
        position = Position(**{name: state[name] for name in Position.__dataclass_fields__})
        if not all(type(getattr(position, name)) is kind for name, kind in _KINDS.items()):
            raise TypeError(f"no position: {position}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointFormatError(
            f"{path / STATE} is damaged: {error!r}",
            hint=f"remove {path} to go on from the checkpoint before it",
        ) from error
    return position, state


def load_moments(
    path: Path, named: Mapping[str, nn.Parameter], optimiser: torch.optim.Optimizer
) -> None:
    """A checkpoint's optimiser state, whatever number of processes shares it.

    Raises:
        CheckpointFormatError: the file is damaged, or of another model.
    """
    state = read_tensors(path / OPTIMISER)
    with fitting(path / OPTIMISER):
        load_optimiser_state(optimiser, named, state)


@contextmanager
def fitting(path: Path) -> Iterator[None]:
    """A tensor that is not there, or of another shape, is damage too."""
    try:
        yield
    except (KeyError, RuntimeError) as error:
        raise CheckpointFormatError(
            f"{path} does not hold this model: {error}",
            hint=f"remove {path.parent} to go on from the checkpoint before it",
        ) from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of a checkpoint.

    Raises:
        CheckpointFormatError: it is damaged.
    """
    try:
        tensors: dict[str, Tensor] = safetensors().load_file(path)
    except Exception as error:
        # The library has errors of its own, and each means the same.
        raise CheckpointFormatError(
            f"{path} is damaged: {error}",
            hint=f"remove {path.parent} to go on from the checkpoint before it",
        ) from error
    return tensors


def _flush(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(folder)
