"""Folders of saved text-to-video models: complete, or not there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from internvid.core.errors import CheckpointFormatError, OutputExistsError, StorageError
from internvid.core.system.temporary import new_temporary

MODEL_FILE = "text_to_video.json"
TEMPORAL = "temporal.safetensors"
VERSION = 1


@dataclass(frozen=True)
class Described:
    """What `text_to_video.json` says.

    Attributes:
        kind: of model.
        about: what this kind needs to be opened.
    """

    kind: str
    about: dict[str, Any] = field(default_factory=dict)


def write_model(folder: Path, described: Described, fill: Callable[[Path], None]) -> None:
    """Write a folder as a whole: it is filled beside its place and then moved there.

    Raises:
        OutputExistsError: something is there.
        StorageError: it cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputExistsError(
            f"{folder} is not empty", hint="choose another folder for the model"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = new_temporary(folder)
        beside.unlink()
        try:
            beside.mkdir()
            fill(beside)
            content = {"version": VERSION, "kind": described.kind, "about": described.about}
            (beside / MODEL_FILE).write_text(json.dumps(content, indent=2) + "\n", "utf-8")
            if folder.is_dir():
                folder.rmdir()
            beside.replace(folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise StorageError(
            f"{str(folder)!r} cannot be written: {(error.strerror or str(error)).lower()}",
            hint="free space, or choose another folder",
        ) from error


def read_described(folder: Path) -> Described | None:
    """What a folder says that `write_model` wrote; None for another folder.

    Raises:
        CheckpointFormatError: it is damaged, or of a newer program.
    """
    path = folder / MODEL_FILE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text("utf-8"))
        version, kind, about = content["version"], str(content["kind"]), dict(content["about"])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointFormatError(f"{path} is damaged: {error}") from error
    if version != VERSION:
        raise CheckpointFormatError(
            f"{path} has version {version}, this program reads {VERSION}",
            hint="update internvid",
        )
    return Described(kind, about)
