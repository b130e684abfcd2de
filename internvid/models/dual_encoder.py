"""Models with an image (or video) and a text encoder in one space: CLIP, SigLIP, ViCLIP."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from internvid.core.errors import ConfigInvalidError
from internvid.core.timings import count, stage
from internvid.core.weights import find_weights
from internvid.models.pretrained import (
    DUAL_ENCODER,
    Checkpoint,
    Pretrained,
    load,
    loaded_models,
)
from internvid.video.display.picture import boxed

if TYPE_CHECKING:
    from PIL import Image

Features = npt.NDArray[np.float32]
_VICLIP_SUFFIXES = (".pth", ".pt", ".bin", ".safetensors")


class ClipEncoder(Protocol):
    """Clips and texts as vectors of unit length in one space."""

    @property
    def frames(self) -> int:
        """Pictures that the model takes of a clip; 0 for any number, averaged."""
        ...

    def open(self) -> None:
        """Load it.

        Raises:
            InternvidError: weights or packages are missing, or it is a model of another kind.
        """
        ...

    def clip_features(self, clips: Sequence[Sequence[Image.Image]]) -> Features:
        """float32 [N, D] of N clips, each of one picture or more."""
        ...

    def text_features(self, texts: Sequence[str]) -> Features:
        """float32 [N, D] of N texts."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """What decides a vector beside the weights, as plain JSON."""
        ...


@dataclass
class DualEncoder:
    """A CLIP or SigLIP of transformers.

    Attributes:
        checkpoint: which model.
    """

    checkpoint: Checkpoint
    _loaded: list[Pretrained] = field(default_factory=list, repr=False, compare=False)

    @property
    def frames(self) -> int:
        """Any number: embeddings of pictures are averaged."""
        return 0

    def open(self) -> None:
        """Load the model.

        Raises:
            InternvidError: see `internvid.models.pretrained.load`.
        """
        self._model()

    def image_features(self, images: Sequence[Image.Image]) -> Features:
        """float32 [N, D] of N RGB pictures of any sizes, each row of unit length."""
        loaded = self._model()
        if not images:
            return np.zeros((0, 0), np.float32)
        import torch

        with loaded.lock, torch.inference_mode(), stage("model"):
            with stage("preprocess"):
                processor = loaded.processor.image_processor
                inputs = loaded.place(dict(processor(list(images), return_tensors="pt")))
            features = _unit(loaded.model.get_image_features(**inputs))
        count("frames", len(images))
        return features

    def text_features(self, texts: Sequence[str]) -> Features:
        """float32 [N, D] of N texts, cut to what the model reads, each row of unit length."""
        loaded = self._model()
        if not texts:
            return np.zeros((0, 0), np.float32)
        import torch

        longest = self._longest(loaded)
        # SigLIP was trained on padded texts and reads its answer at the end of the padding.
        padding = "max_length" if loaded.model_type.startswith("siglip") else True
        with loaded.lock, torch.inference_mode(), stage("model"):
            tokens = loaded.processor.tokenizer(
                list(texts), padding=padding, truncation=True, max_length=longest,
                return_tensors="pt",
            )  # fmt: skip
            wanted = ("input_ids", "attention_mask")
            inputs = {name: tokens[name] for name in wanted if name in tokens}
            return _unit(loaded.model.get_text_features(**loaded.place(inputs)))

    def cut_texts(self, texts: Sequence[str]) -> int:
        """How many texts are longer than the model reads."""
        loaded = self._model()
        longest = self._longest(loaded)
        rows = loaded.processor.tokenizer(
            list(texts), padding=False, truncation=True, max_length=longest + 1
        )["input_ids"]
        return sum(len(row) > longest for row in rows)

    @staticmethod
    def _longest(loaded: Pretrained) -> int:
        return int(loaded.model.config.text_config.max_position_embeddings)

    def clip_features(self, clips: Sequence[Sequence[Image.Image]]) -> Features:
        """The mean of each clip's picture embeddings, of unit length again."""
        rows = self.image_features([picture for clip in clips for picture in clip])
        ends = np.cumsum([len(clip) for clip in clips])
        means = [part.mean(axis=0) for part in np.split(rows, ends[:-1])]
        return _normalised(np.stack(means))

    def describe(self) -> Mapping[str, Any]:
        """The model's own preprocessing, and how pictures become a clip."""
        loaded = self._model()
        processor = loaded.processor.image_processor
        return {
            "model_type": loaded.model_type,
            "pooling": "mean of unit vectors",
            "preprocessing": json.loads(processor.to_json_string()),
            "dtype": str(loaded.dtype).removeprefix("torch."),
        }

    def _model(self) -> Pretrained:
        if not self._loaded:
            self._loaded.append(load(self.checkpoint, DUAL_ENCODER))
        return self._loaded[0]


@dataclass
class VideoEncoder:
    """A ViCLIP, which sees a clip's frames together.

    Attributes:
        checkpoint: which weights, in any layout that `ViCLIP.from_pretrained` reads.
    """

    checkpoint: Checkpoint
    _loaded: list[Any] = field(default_factory=list, repr=False, compare=False)

    @property
    def frames(self) -> int:
        """What the model was trained with."""
        return int(self._model().config.frames)

    def open(self) -> None:
        """Load the model.

        Raises:
            InternvidError: the weights or torch are missing, or are of another model.
        """
        self._model()

    def clip_features(self, clips: Sequence[Sequence[Image.Image]]) -> Features:
        """Features of frames spread over each clip; where there are fewer, the last is repeated."""
        model = self._model()
        # Pictures of one clip may differ in size, where its video does.
        videos = [
            np.stack([np.asarray(boxed(picture, clip[0].size)) for picture in clip])
            for clip in clips
        ]
        with stage("model"):
            features = model.encode_video(videos, frames=model.config.frames)
        count("frames", sum(len(video) for video in videos))
        return np.asarray(features.float().cpu().numpy(), np.float32)

    def text_features(self, texts: Sequence[str]) -> Features:
        """Features of texts, unchanged."""
        with stage("model"):
            features = self._model().encode_text(list(texts))
        return np.asarray(features.float().cpu().numpy(), np.float32)

    def describe(self) -> Mapping[str, Any]:
        """Config, preprocessing and dtype."""
        return {"model_type": "viclip", **self._model().describe()}

    def _model(self) -> Any:
        if not self._loaded:
            self._loaded.append(_viclip(self.checkpoint))
        return self._loaded[0]


def _viclip(checkpoint: Checkpoint) -> Any:
    from internvid.models.devices import choose_device, choose_dtype
    from internvid.models.viclip import ViCLIP

    device = choose_device(checkpoint.device)
    dtype = choose_dtype(checkpoint.dtype, device)
    place = find_weights(checkpoint.name)
    source: str | Path = checkpoint.name if place is None else place

    def load_viclip() -> Any:
        model = ViCLIP.from_pretrained(source, device=device, dtype=dtype)
        _ = model.tokenizer  # a vocabulary that is missing is reported now
        return model

    return loaded_models().get(("viclip", str(source), str(device), str(dtype)), load_viclip)


def open_encoder(checkpoint: Checkpoint) -> ClipEncoder:
    """The encoder that a name stands for; not loaded yet.

    A folder whose `config.json` names a CLIP or SigLIP is one; files of weights and other folders
    are read as ViCLIP.

    Raises:
        ConfigInvalidError: no model is named.
    """
    if not checkpoint.name:
        raise ConfigInvalidError(
            "no model is named", hint="--set model=FOLDER_OR_HUB_NAME (a CLIP, SigLIP or ViCLIP)"
        )
    return VideoEncoder(checkpoint) if is_viclip(checkpoint.name) else DualEncoder(checkpoint)


def is_viclip(name: str) -> bool:
    """Whether a name stands for ViCLIP weights, determined without loading anything."""
    path = find_weights(name)
    if path is None:
        return "viclip" in name.lower()
    if path.is_file():
        return path.suffix in _VICLIP_SUFFIXES
    try:
        config = json.loads((path / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return any(each.suffix in _VICLIP_SUFFIXES for each in path.iterdir())
    return not isinstance(config, dict) or config.get("model_type") in (None, "viclip")


def _unit(features: Any) -> Features:
    # Some releases of transformers wrap the features in an object of all outputs.
    tensor = getattr(features, "pooler_output", features)
    return _normalised(tensor.float().cpu().numpy())


def _normalised(rows: Features) -> Features:
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)


Head = Callable[[Features], Features]


def read_head(path: str) -> Head:
    """A linear head on features, from a file of weights: one matrix, or several in a row.

    Reads what LAION published: `sa_0_4_vit_l_14_linear.pth` (keys `weight`, `bias`) and the
    "improved" predictor (keys `layers.N.weight`, `layers.N.bias`: layers without anything between
    them but dropout). https://github.com/LAION-AI/aesthetic-predictor

    Args:
        path: a file that torch saved (read with `weights_only`), or safetensors.

    Returns:
        float32 [N, D] -> [N].

    Raises:
        ConfigInvalidError: the file cannot be read, or holds something else.
    """
    layers = _head_layers(path)

    def apply(features: Features) -> Features:
        rows = features.astype(np.float64)
        for weight, bias in layers:
            if rows.shape[1] != weight.shape[1]:
                raise ConfigInvalidError(
                    f"{path} is a head for features of {weight.shape[1]} numbers, "
                    f"the model makes {rows.shape[1]}",
                    hint="heads belong to one model: LAION's are for openai/clip-vit-large-patch14",
                )
            rows = rows @ weight.T + bias
        return np.asarray(rows[:, 0], np.float32)

    return apply


def _head_layers(path: str) -> list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    state = _read_state(path)
    prefixes = sorted(
        {name.rpartition(".")[0] for name in state if name.endswith("weight")}, key=_layer_number
    )
    layers = []
    for prefix in prefixes:
        dot = f"{prefix}." if prefix else ""
        weight, bias = state.get(f"{dot}weight"), state.get(f"{dot}bias")
        if weight is None or bias is None or weight.ndim != 2 or bias.shape != weight.shape[:1]:
            raise _no_head(path, f"layer {prefix or 0!r} has no matrix with a bias")
        layers.append((weight, bias))
    fits = all(
        after[0].shape[1] == before[0].shape[0] for before, after in itertools.pairwise(layers)
    )
    if not layers or not fits or layers[-1][0].shape[0] != 1:
        raise _no_head(path, f"its keys are {', '.join(sorted(state)[:6]) or 'none'}")
    return layers


def _layer_number(prefix: str) -> tuple[int, str]:
    last = prefix.rpartition(".")[2]
    return (int(last) if last.isdigit() else -1, prefix)


def _read_state(path: str) -> dict[str, npt.NDArray[np.float64]]:
    import torch

    try:
        if path.endswith(".safetensors"):
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # Damaged and hostile files raise whatever their parser raises.
        lines = str(error).strip().splitlines()
        raise _no_head(path, lines[0][:200] if lines else type(error).__name__) from error
    if not isinstance(state, Mapping):
        raise _no_head(path, f"it holds a {type(state).__name__}")
    return {
        str(name): value.double().numpy()
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    }


def _no_head(path: str, why: str) -> ConfigInvalidError:
    return ConfigInvalidError(
        f"{path} is no linear head: {why}",
        hint="wanted: a state dict with `weight` and `bias`, or `layers.N.weight` and so on",
    )
