"""Feature networks from the user's files: videos in, one row of numbers a video out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from internvid.core.errors import ConfigInvalidError, WeightsMissingError
from internvid.core.weights import require_weights, weights_identity
from internvid.models.devices import choose_device
from internvid.models.features.i3d import I3D
from internvid.models.features.inception import InceptionV3
from internvid.models.features.pixels import PixelRule, Video
from internvid.models.features.scripted import is_scripted, open_scripted, run_scripted
from internvid.models.viclip.weights.checkpoint import read_weights

Rows = npt.NDArray[np.float32]
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_NO_RULE = PixelRule(0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


class FeatureNetwork(Protocol):
    """Makes numbers of videos."""

    @property
    def needs_frames(self) -> tuple[int, int | None]:
        """The least and the most frames of a video; None for any number."""
        ...

    def describe(self) -> dict[str, Any]:
        """All that decides a feature, weights included, as plain JSON."""
        ...

    def __call__(self, videos: Sequence[Video]) -> Rows:
        """float32 [N, D] of N videos [T, H, W, 3], uint8 or float from 0 to 255."""
        ...


@dataclass(frozen=True)
class VideoNetwork:
    """A network that sees all frames of a video together.

    Attributes:
        module: pixels [N, 3, T, H, W] -> [N, D].
        rule: how frames become pixels.
        about: what else decides a feature: name, layer, weights.
        needs_frames: see `FeatureNetwork`.
        device: where it runs.
        batch: videos at once.
    """

    module: Any
    rule: PixelRule
    about: dict[str, Any]
    needs_frames: tuple[int, int | None]
    device: torch.device
    batch: int = 8

    def describe(self) -> dict[str, Any]:
        """See `FeatureNetwork`."""
        return {**self.about, **self.rule.describe()}

    def __call__(self, videos: Sequence[Video]) -> Rows:
        """See `FeatureNetwork`.

        Raises:
            ConfigInvalidError: frames too few or too many, or videos that are none.
        """
        least, most = self.needs_frames
        for video in videos:
            if len(video) < least or (most is not None and len(video) > most):
                allowed = f"{least}" if most == least else f"{least} or more"
                raise ConfigInvalidError(
                    f"a video of {len(video)} frames for {self.about['network']}",
                    hint=f"allowed are {allowed} frames",
                )
        parts = []
        with torch.inference_mode():
            for start in range(0, len(videos), self.batch):
                pixels = self.rule.apply(videos[start : start + self.batch], self.device)
                parts.append(self.module(pixels).float().cpu().numpy())
        return np.concatenate(parts)


@dataclass(frozen=True)
class FrameNetwork:
    """Inception: features and logits of each frame alone, in one row: T x (D + C) numbers.

    Attributes:
        module: pixels [N, 3, H, W] -> features [N, D], logits [N, C].
        rule, about, device: see `VideoNetwork`.
        batch: frames at once.
    """

    module: Any
    rule: PixelRule
    about: dict[str, Any]
    device: torch.device
    batch: int = 32
    needs_frames: tuple[int, int | None] = (1, None)

    @property
    def width(self) -> int:
        """D."""
        return int(self.about["width"])

    def describe(self) -> dict[str, Any]:
        """See `FeatureNetwork`."""
        return {**self.about, **self.rule.describe()}

    def __call__(self, videos: Sequence[Video]) -> Rows:
        """See `FeatureNetwork`; videos have equal numbers of frames."""
        rows = []
        with torch.inference_mode():
            for video in videos:
                parts = []
                for start in range(0, len(video), self.batch):
                    pixels = self.rule.apply([video[start : start + self.batch]], self.device)[0]
                    made = self.module(pixels.transpose(0, 1))
                    parts.append(torch.cat(made, dim=1).float().cpu().numpy())
                rows.append(np.concatenate(parts).reshape(-1))
        return np.stack(rows)


def open_i3d(
    weights: str | Path,
    *,
    size: int = 224,
    antialias: bool = False,
    torchscript: bool = False,
    device: str = "auto",
) -> VideoNetwork:
    """I3D: a state dict in a known layout, or StyleGAN-V's TorchScript.

    Args:
        weights: the file.
        size: side of the square that frames are scaled and cropped to.
        antialias: scale with it; the usual FVD does not.
        torchscript: allow a TorchScript file, which is a program.
        device: where it runs.

    Raises:
        WeightsMissingError: there is no such file.
        CheckpointError: it holds something else.
        ConfigInvalidError: a TorchScript file that is not allowed.
    """
    path, chosen = _file(weights), choose_device(device)
    rule = PixelRule(size, "crop", antialias)
    about = {"network": "I3D", "weights": weights_identity(str(path))}
    if is_scripted(path):
        module = open_scripted(path, chosen, allowed=torchscript)
        about["layer"] = "logits of the TorchScript"

        def scripted(pixels: torch.Tensor) -> torch.Tensor:
            # Its own scaling would want 0 to 255, and resize what is resized.
            return run_scripted(module, pixels, rescale=False, resize=False, return_features=True)

        return VideoNetwork(scripted, rule, about, (I3D.least_frames, None), chosen)
    network = I3D(read_weights(path)).to(chosen).eval()
    about["layer"] = network.layer
    return VideoNetwork(network, rule, about, (I3D.least_frames, None), chosen)


def open_inception(
    weights: str | Path,
    *,
    size: int = 299,
    antialias: bool = False,
    torchscript: bool = False,
    device: str = "auto",
) -> FrameNetwork:
    """Inception-v3: a state dict in torchvision's keys, or NVIDIA's TorchScript.

    Args:
        weights: the file.
        size: side of the square that frames are scaled to; the TorchScript scales by itself.
        antialias, torchscript, device: see `open_i3d`.

    Raises:
        InternvidError: see `open_i3d`.
    """
    path, chosen = _file(weights), choose_device(device)
    about: dict[str, Any] = {"network": "Inception-v3", "weights": weights_identity(str(path))}
    if is_scripted(path):
        module = open_scripted(path, chosen, allowed=torchscript)

        def scripted(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            levels = pixels * 255
            features = run_scripted(module, levels, return_features=True)
            shares = run_scripted(module, levels, no_output_bias=True)
            return features, shares.clamp_min(1e-30).log()

        probe = scripted(torch.zeros(1, 3, 32, 32, device=chosen))[0]
        about |= {"layer": "features of the TorchScript", "width": probe.shape[1]}
        return FrameNetwork(scripted, _NO_RULE, about, chosen)
    network = InceptionV3(read_weights(path)).to(chosen).eval()
    about |= {"layer": network.layer, "width": network.width}
    return FrameNetwork(network, PixelRule(size, "squash", antialias), about, chosen)


def open_videomae(
    weights: str | Path, *, antialias: bool = False, device: str = "auto"
) -> VideoNetwork:
    """A fine-tuned VideoMAE of transformers, from its folder: what its classifier reads.

    Its features hold less of single pictures and more of motion than I3D's (cd-fvd).

    Args:
        weights: the folder (or a name in the hub's cache).
        antialias, device: see `open_i3d`.

    Raises:
        WeightsMissingError: it holds no fine-tuned VideoMAE.
        DependencyMissingError: transformers is not installed.
    """
    from internvid.models.pretrained import VIDEO_CLASSIFIER, Checkpoint, load

    loaded = load(Checkpoint(str(weights), device=device, dtype="float32"), VIDEO_CLASSIFIER)
    config, model = loaded.model.config, loaded.model
    norm = getattr(model, "fc_norm", None)

    def features(pixels: torch.Tensor) -> torch.Tensor:
        states = model.videomae(pixels.transpose(1, 2)).last_hidden_state
        made: torch.Tensor = norm(states.mean(1)) if norm is not None else states[:, 0]
        return made

    mean, std = _normalisation(loaded.folder)
    about = {
        "network": "VideoMAE",
        "weights": weights_identity(str(weights)),
        "layer": "normed mean of tokens" if norm is not None else "first token",
    }
    frames = int(config.num_frames)
    rule = PixelRule(int(config.image_size), "crop", antialias, mean, std)
    return VideoNetwork(features, rule, about, (frames, frames), loaded.device)


def _normalisation(folder: Path) -> tuple[Any, Any]:
    """Mean and deviation that a model's files state; else ImageNet's, which VideoMAE has."""
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return _IMAGENET
    try:
        rule = json.loads(path.read_text("utf-8"))
        both = tuple(
            tuple(float(value) for value in rule.get(key, usual))
            for key, usual in zip(("image_mean", "image_std"), _IMAGENET, strict=True)
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise WeightsMissingError(f"{path} is damaged: {error}") from error
    return both[0], both[1]


def _file(weights: str | Path) -> Path:
    path = require_weights(str(weights))
    if not path.is_file():
        raise WeightsMissingError(
            f"{path} is a folder; wanted is one file of weights", hint="name the file in it"
        )
    return path
