"""Loads other people's models, by name: a local folder, or the Hugging Face hub's cache.

Nothing is imported before it is requested. A model is loaded once a process and shared by all
components that name the same weights, device and dtype, unless they run in `separate_models()`.
Code that comes with a model is never run unless the user says so; weights are safetensors, or
pickles read with `weights_only`.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from internvid.core.errors import (
    ConfigInvalidError,
    DependencyMissingError,
    InternvidError,
    WeightsMissingError,
)
from internvid.core.weights import find_weights, require_weights, weights_identity
from internvid.models.processors import load_processor

T = TypeVar("T")
_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")


@dataclass(frozen=True)
class Kind:
    """What a component can make use of.

    Attributes:
        wanted: the kind in words, for messages.
        classes: automatic classes of transformers, in the order they are tried.
        parts: what turns inputs into tensors: the model's whole processor, a part of it, or "none".
        model_types: names of architectures, where the classes take more than is meant.
    """

    wanted: str
    classes: tuple[str, ...]
    parts: Literal["processor", "tokenizer", "image_processor", "none"] = "processor"
    model_types: frozenset[str] = frozenset()


IMAGE_TO_TEXT = Kind(
    "a model that writes text about an image (BLIP, BLIP-2, GIT, ViT-GPT2, Qwen-VL ...)",
    ("AutoModelForImageTextToText",),
)
TEXT_TO_TEXT = Kind(
    "a language model (T5-type or causal)",
    ("AutoModelForSeq2SeqLM", "AutoModelForCausalLM"),
    "tokenizer",
)
DUAL_ENCODER = Kind(
    "a model with an image and a text encoder (CLIP, SigLIP)",
    ("AutoModel",),
    model_types=frozenset({"clip", "siglip", "siglip2", "altclip", "align", "chinese_clip"}),
)
IMAGE_CLASSIFIER = Kind(
    "an image classifier", ("AutoModelForImageClassification",), "image_processor"
)
VIDEO_CLASSIFIER = Kind(
    "a fine-tuned VideoMAE",
    ("AutoModelForVideoClassification",),
    "none",
    frozenset({"videomae"}),
)
SPEECH = Kind("a speech recogniser (Whisper)", ("AutoModelForSpeechSeq2Seq",))


@dataclass(frozen=True)
class Checkpoint:
    """Which model, and where and how it runs.

    Attributes:
        name: local folder or hub name (see `internvid.core.weights`).
        device: `auto`, `cpu`, `cuda`, `mps` ...
        dtype: `auto` (bfloat16 on a GPU that has it, else float32) or a dtype's name.
        trust_remote_code: run Python code that comes with the model.
        download: fetch the model from the hub where it is not on this machine.
    """

    name: str
    device: str = "auto"
    dtype: str = "auto"
    trust_remote_code: bool = False
    download: bool = False


@dataclass
class Pretrained:
    """A loaded model.

    Attributes:
        folder: where its files lie.
        model: the network, in evaluation mode, on `device`.
        processor: what makes its inputs; which one is the kind's `parts`.
        model_type: name of the architecture ("blip-2", "t5").
        device, dtype: where it lies, as torch's own objects.
        lock: held while it is used; one model runs one batch at a time.
    """

    folder: Path
    model: Any
    processor: Any
    model_type: str
    device: Any
    dtype: Any
    lock: threading.RLock = field(default_factory=threading.RLock)

    def place(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Input tensors on the model's device; floating ones in its dtype."""
        return {
            name: value.to(self.device, self.dtype)
            if value.is_floating_point()
            else value.to(self.device)
            for name, value in inputs.items()
            if hasattr(value, "to")
        }


class LoadedModels:
    """Models that are in memory, by what tells them apart. Threads share it."""

    def __init__(self) -> None:
        self._models: dict[tuple[object, ...], Any] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._models)

    def get(self, key: tuple[object, ...], load_model: Callable[[], T]) -> T:
        """The model of that key; one thread at a time loads what is not in memory yet."""
        with self._lock:
            if key not in self._models:
                self._models[key] = load_model()
            model: T = self._models[key]
            return model

    def clear(self) -> None:
        """Forget them all, so that their memory can be freed."""
        with self._lock:
            self._models.clear()


# One default for the whole process is what is meant: every thread sees the same models.
_MODELS: ContextVar[LoadedModels] = ContextVar("internvid_models", default=LoadedModels())  # noqa: B039


def loaded_models() -> LoadedModels:
    """The models that are in memory for the caller: the process's, unless others are in use."""
    return _MODELS.get()


@contextmanager
def separate_models() -> Iterator[LoadedModels]:
    """Load every model of the block anew, and forget them after it; others stay as they are."""
    models = LoadedModels()
    token = _MODELS.set(models)
    try:
        yield models
    finally:
        _MODELS.reset(token)


def load(checkpoint: Checkpoint, kind: Kind) -> Pretrained:
    """The model of that name, loaded now or earlier in this process.

    Raises:
        DependencyMissingError: torch or transformers is not installed.
        WeightsMissingError: its files are not here, incomplete or damaged.
        ConfigInvalidError: it is a model of another kind, needs code of its own that is not
            trusted, or the device or dtype is not to be had.
    """
    transformers = import_transformers()
    from internvid.models.devices import choose_device, choose_dtype

    folder = find_weights(checkpoint.name)
    if folder is None and checkpoint.download:
        folder = fetch(checkpoint.name, with_code=checkpoint.trust_remote_code)
    folder = folder or require_weights(checkpoint.name)
    device = choose_device(checkpoint.device)
    dtype = choose_dtype(checkpoint.dtype, device)
    trust = checkpoint.trust_remote_code
    key = (weights_identity(str(folder)), kind, str(device), str(dtype), trust)
    try:
        return loaded_models().get(
            key, lambda: _load(transformers, folder, kind, (device, dtype), trust=trust)
        )
    except InternvidError as error:
        # Messages speak of the name that the user gave, not of a cache folder.
        error.message = error.message.replace(str(folder), checkpoint.name)
        raise


def release() -> None:
    """Forget every loaded model, so that its memory can be freed."""
    loaded_models().clear()


def import_transformers() -> Any:
    """The transformers package, without its progress bars and warnings.

    Raises:
        DependencyMissingError: it or torch is not installed.
    """
    try:
        import torch  # noqa: F401
        import transformers
        from transformers.utils import logging
    except ImportError as error:
        raise DependencyMissingError(
            f"running pretrained models needs torch and transformers: {error}",
            hint='pip install "internvid[caption]"',
        ) from error
    _check_torchvision()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    return transformers


def _check_torchvision() -> None:
    """Refuses a torchvision of another torch: with it, transformers fails wherever it is touched.

    Raises:
        DependencyMissingError: it is installed and cannot be imported.
    """
    try:
        importlib.import_module("torchvision")
    except ImportError:
        # Not needed: pictures are prepared without it.
        return
    except (RuntimeError, OSError, AttributeError) as error:
        raise DependencyMissingError(
            f"the installed torchvision does not fit the installed torch: {_first_line(error)}",
            hint="pip uninstall torchvision (nothing here needs it), or install the one that "
            "belongs to this torch",
        ) from error


def fetch(name: str, *, with_code: bool = False) -> Path:
    """Download a model from the hub into its cache; returns the folder.

    Args:
        name: hub name, optionally with "@revision".
        with_code: Python files too.

    Raises:
        WeightsMissingError: there is no such model, or no network.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise DependencyMissingError(
            "downloading models needs huggingface_hub", hint='pip install "internvid[caption]"'
        ) from error
    repository, _, revision = name.partition("@")
    patterns = [*_FILES, "*.py"] if with_code else list(_FILES)
    try:
        got = snapshot_download(repository, revision=revision or None, allow_patterns=patterns)
        folder = Path(got)
        if not any(folder.glob("*.safetensors")):
            snapshot_download(repository, revision=revision or None, allow_patterns=["*.bin"])
    except (OSError, ValueError) as error:
        # Its errors of network, names and rights are all of these two kinds.
        raise WeightsMissingError(
            f"{name!r} cannot be downloaded: {_first_line(error)}",
            hint="check the name and the network, or give a folder that holds the model",
        ) from error
    return folder


def _load(
    transformers: Any, folder: Path, kind: Kind, where: tuple[Any, Any], *, trust: bool
) -> Pretrained:
    device, dtype = where
    folder, options = _files_of(folder, kind)
    options |= {"local_files_only": True, "trust_remote_code": trust}
    try:
        config = transformers.AutoConfig.from_pretrained(folder, **options)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise _load_error(folder, error) from error
    auto = _auto_class(transformers, config, kind, folder, trust=trust)
    try:
        model, report = auto.from_pretrained(
            folder, config=config, dtype=dtype, weights_only=True, output_loading_info=True,
            **options,
        )  # fmt: skip
        processor = load_processor(transformers, folder, config, kind.parts, options)
    except InternvidError:
        raise
    except (TypeError, AttributeError, NotImplementedError) as error:
        # No file raises these: its parts do not fit the classes of this release.
        raise DependencyMissingError(
            f"{folder} cannot be put together by the installed transformers: {_first_line(error)}",
            hint='take another release within the range of "internvid[caption]"; this says '
            "nothing against its files",
        ) from error
    except Exception as error:
        # Damaged files raise whatever their parser raises (safetensors, pickle, json, torch).
        raise _load_error(folder, error) from error
    missing = [name for name in report["missing_keys"] if "pool" not in name]
    if missing or report["mismatched_keys"]:
        raise WeightsMissingError(
            f"{folder} lacks weights of its own architecture: "
            f"{len(missing) or len(report['mismatched_keys'])} tensors, "
            f"such as {sorted(map(str, missing or report['mismatched_keys']))[0]}",
            hint="the download is incomplete, or the files are another model's",
        )
    return Pretrained(
        folder, _steady(model.to(device).eval()), processor, config.model_type, device, dtype
    )


def _steady(model: Any) -> Any:
    """The model with greedy decoding, whatever sampling its authors recommend."""
    # BLIP-2 and its kin write with an inner model, which has settings of its own.
    for each in (model, getattr(model, "language_model", None)):
        settings = getattr(each, "generation_config", None)
        if settings is not None:
            settings.do_sample = False
            settings.max_length = None
            for name in ("temperature", "top_p", "top_k", "min_p", "typical_p"):
                if hasattr(settings, name):
                    setattr(settings, name, None)
    return model.requires_grad_(requires_grad=False)


def _files_of(path: Path, kind: Kind) -> tuple[Path, dict[str, Any]]:
    """The folder of a model's files, and what `from_pretrained` must be recognised to read them.

    Raises:
        WeightsMissingError: they are not there, or incomplete.
        ConfigInvalidError: a GGUF file where no language model is wanted.
        DependencyMissingError: GGUF needs packages that are not installed.
    """
    single = path if path.is_file() else _only_gguf(path)
    if single is None:
        _require_files(path)
        return path, {}
    if single.suffix.lower() != ".gguf":
        raise WeightsMissingError(
            f"{single} is a file, and no GGUF",
            hint="give the folder that holds the model, or a .gguf file",
        )
    if kind.parts != "tokenizer":
        raise ConfigInvalidError(f"{single} holds a language model alone; wanted is {kind.wanted}")
    missing = [name for name in ("gguf", "accelerate") if importlib.util.find_spec(name) is None]
    if missing:
        raise DependencyMissingError(
            f"reading {single.name} needs the package {missing[0]}",
            hint='pip install "internvid[gguf]"',
        )
    # Its progress bar heeds none of the package's settings.
    reader: Any = importlib.import_module("transformers.modeling_gguf_pytorch_utils")
    reader.tqdm = lambda tensors, **_: tensors
    return single.parent, {"gguf_file": single.name}


def _only_gguf(folder: Path) -> Path | None:
    """The GGUF file of a folder that holds no other model."""
    found = sorted(folder.glob("*.gguf"))
    if not found or (folder / "config.json").is_file():
        return None
    if len(found) > 1:
        raise WeightsMissingError(
            f"{folder} holds several models: {', '.join(path.name for path in found)}",
            hint="name one of the files",
        )
    return found[0]


def _require_files(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        hint = "give the folder that save_pretrained wrote, or a hub name like org/model"
        if (folder / "model" / "config.json").is_file():
            hint = f"a training run keeps its model in {folder / 'model'}"
        raise WeightsMissingError(f"{folder} holds no model: it has no config.json", hint=hint)
    if not any(path for ending in ("safetensors", "bin") for path in folder.glob(f"*.{ending}")):
        raise WeightsMissingError(
            f"{folder} has a config.json but no weights (*.safetensors, *.bin)",
            hint="the download is incomplete; fetch it again with: hf download",
        )


def _auto_class(transformers: Any, config: Any, kind: Kind, folder: Path, *, trust: bool) -> Any:
    """The first automatic class that knows the architecture."""
    if not kind.model_types or config.model_type in kind.model_types:
        for name in kind.classes:
            auto = getattr(transformers, name)
            if type(config) in auto._model_mapping:  # noqa: SLF001
                return auto
            if trust and name in (getattr(config, "auto_map", None) or {}):
                return auto
    architectures = ", ".join(getattr(config, "architectures", None) or ()) or "unknown class"
    raise ConfigInvalidError(
        f"{folder} is {architectures} (model type {config.model_type!r}); wanted is {kind.wanted}"
    )


def _load_error(folder: Path, error: Exception) -> InternvidError:
    reason = _first_line(error)
    if _needs_code(folder) and ("trust_remote_code" in str(error) or "model type" in str(error)):
        return ConfigInvalidError(
            f"{folder} needs Python code that comes with it, which is not run by default",
            hint="read that code; if you trust it: --set trust_remote_code=true",
        )
    if isinstance(error, ImportError):
        return DependencyMissingError(f"{folder} needs a package that is not installed: {reason}")
    if "model type" in str(error):
        return ConfigInvalidError(
            f"the installed transformers does not know the architecture of {folder}: {reason}",
            hint='pip install -U transformers, within the range of "internvid[caption]"',
        )
    return WeightsMissingError(
        f"{folder} cannot be loaded: {type(error).__name__}: {reason}",
        hint="its files are damaged, incomplete or of another kind; fetch them again",
    )


def _needs_code(folder: Path) -> bool:
    try:
        settings = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(settings, dict) and bool(settings.get("auto_map"))


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
