"""Parts of a diffusers folder, opened by the classes that its index names."""

from __future__ import annotations

import importlib
import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from internvid.core.errors import (
    CheckpointFormatError,
    ConfigInvalidError,
    DependencyMissingError,
    InternvidError,
    WeightsMissingError,
)

INDEX = "model_index.json"
_LIBRARIES = ("diffusers", "transformers")


@dataclass(frozen=True)
class PipelineFolder:
    """A folder with a `model_index.json`.

    Attributes:
        folder: it.
        pipeline: the class that its index names.
        parts: name -> (library, class).
        values: what the index says besides.
    """

    folder: Path
    pipeline: str
    parts: dict[str, tuple[str, str]]
    values: dict[str, Any]

    def options(self, pipeline: Any) -> dict[str, Any]:
        """What the index says of the pipeline as a whole, as far as its class takes it."""
        taken = inspect.signature(pipeline.__init__).parameters
        return {name: value for name, value in self.values.items() if name in taken}

    def open(self, name: str, dtype: Any = None) -> Any:
        """A part: a network in `dtype`, or a tokenizer or scheduler. No code of the folder runs.

        Raises:
            CheckpointFormatError: the part is not there, or damaged.
            ConfigInvalidError: the index names a class that the libraries lack.
            DependencyMissingError: diffusers or transformers is not installed.
        """
        if name not in self.parts:
            raise CheckpointFormatError(f"{self.folder}: {INDEX} names no {name}")
        library, wanted = self.parts[name]
        if library not in _LIBRARIES:
            raise ConfigInvalidError(
                f"{self.folder}: {name} is a class of {library!r}; code of others is not run",
                hint=f"parts of {' and '.join(_LIBRARIES)} are read",
            )
        kind = getattr(require(library), wanted, None)
        if kind is None or not hasattr(kind, "from_pretrained"):
            raise ConfigInvalidError(
                f"{self.folder}: {library} here has no {wanted}",
                hint=f"a newer {library} may; pip install -U {library}",
            )
        options: dict[str, Any] = {"local_files_only": True}
        if (self.folder / name / "config.json").is_file():
            options |= {"use_safetensors": True}
            if dtype is not None:
                options["dtype" if library == "transformers" else "torch_dtype"] = dtype
        try:
            return kind.from_pretrained(self.folder / name, **options)
        except InternvidError:
            raise
        # Whatever the libraries raise for files that are damaged or not there.
        except Exception as error:
            first = (str(error).strip() or repr(error)).splitlines()[0]
            raise CheckpointFormatError(
                f"{self.folder / name} cannot be read as {wanted}: {first}",
                hint="weights must be safetensors; fetch the folder again",
            ) from error


def require(library: str) -> Any:
    """One of the libraries, imported.

    Raises:
        DependencyMissingError: it is not installed.
    """
    try:
        module = importlib.import_module(library)
    except ModuleNotFoundError as error:
        raise DependencyMissingError(
            f"{error.name} is not installed", hint='pip install "internvid[generate]"'
        ) from error
    if library in _LIBRARIES:
        _silence(library)
    return module


def _silence(library: str) -> None:
    logging = importlib.import_module(f"{library}.utils.logging")
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def read_index(folder: Path) -> PipelineFolder:
    """What a diffusers folder holds.

    Raises:
        WeightsMissingError: it is no such folder.
        CheckpointFormatError: its index is damaged.
    """
    path = folder / INDEX
    if not path.is_file():
        raise WeightsMissingError(
            f"{folder} is no text-to-video model: it has no {INDEX}",
            hint="give a diffusers folder (Stable Diffusion, Wan, LTX, CogVideoX) or one that "
            "internvid train saved",
        )
    try:
        content = json.loads(path.read_text("utf-8"))
        named = {
            name: (str(value[0]), str(value[1]))
            for name, value in content.items()
            if isinstance(value, list) and len(value) == 2 and value[0]
        }
        values = {
            name: value
            for name, value in content.items()
            if not isinstance(value, list) and not name.startswith("_")
        }
        return PipelineFolder(folder, str(content["_class_name"]), named, values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointFormatError(f"{path} is damaged: {error}") from error
