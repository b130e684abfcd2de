"""A TransNet V2 network for inference: 27 x 48 pictures in, shot change probabilities out.

Source: T. Souček, J. Lokoč, "TransNet V2: An effective deep network architecture for fast shot
transition detection", arXiv 2008.04838. Parameters carry the names of the public PyTorch port,
so that its files load as they are. No weights come with this package.

The only module of this room that imports torch; import it where it is used.
"""

from __future__ import annotations

import functools
import importlib
import pickle
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from internvid.core.errors import ConfigInvalidError, DependencyMissingError

STACKS, CELLS = 3, 2
DILATIONS = (1, 2, 4, 8)
LOOKUP_FRAMES = 101
SIDE_FEATURES = 128
BATCH_NORM_EPSILON = 1e-3
# What is left of 27 x 48 pixels after three halvings.
LAST_PIXELS = 3 * 6

# What reading bytes that are no checkpoint can end in, by how far the reader gets.
_UNREADABLE = (
    OSError, EOFError, RuntimeError, ValueError, LookupError, AttributeError, TypeError,
    struct.error,
)  # fmt: skip

State = Mapping[str, Tensor]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class _Cell:
    """Four dilated separable convolutions side by side, then batch normalisation.

    The normalisation is folded into the temporal weights, and the spatial halves of the four
    branches, which see the same input, are one convolution.

    Attributes:
        spatial: [8 F, C, 3, 3].
        temporal: per dilation [F, 2 F, 3, 1].
        bias: per dilation [F].
    """

    spatial: Tensor
    temporal: tuple[Tensor, ...]
    bias: tuple[Tensor, ...]

    def run(self, values_bthwc: Tensor) -> Tensor:
        """[B, T, H, W, C] -> [B, T, H, W, 4 F], before the activation."""
        batch, frames, height, width, _ = values_bthwc.shape
        # Channels stay last in memory throughout: every permute below is a view.
        flat = values_bthwc.flatten(0, 1).permute(0, 3, 1, 2)
        wide = functional.conv2d(flat, self.spatial, padding=1).permute(0, 2, 3, 1)
        # Time as rows and pixels as columns turn the temporal convolution into a 2-D one,
        # for which far faster kernels exist than for a 3-D one.
        rows = wide.reshape(batch, frames, height * width, -1).permute(0, 3, 1, 2)
        branches = [
            functional.conv2d(part, weight, bias, padding=(dilation, 0), dilation=(dilation, 1))
            for part, weight, bias, dilation in zip(
                rows.chunk(len(DILATIONS), dim=1), self.temporal, self.bias, DILATIONS, strict=True
            )
        ]
        joined = torch.cat(branches, dim=1).permute(0, 2, 3, 1)
        return joined.reshape(batch, frames, height, width, -1)


@dataclass(frozen=True)
class TransNet:
    """The whole network, made of the parameters of a checkpoint.

    Attributes:
        stacks: three stacks of two cells.
        dense: name -> (weight, bias) of the linear layers.
    """

    stacks: tuple[tuple[_Cell, _Cell], ...]
    dense: Mapping[str, tuple[Tensor, Tensor]]

    def predict(
        self, frames_bthwc: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Probabilities of each frame of each window.

        Args:
            frames_bthwc: uint8 [B, T, 27, 48, 3], RGB. Windows do not see one another.

        Returns:
            float32 [B, T] that the frame is the last before a change (the middle of a gradual
            one), and float32 [B, T] that it lies anywhere in a change.
        """
        with torch.inference_mode(), _one_thread():
            logits = self._forward(torch.tensor(frames_bthwc))
            cut, transition = torch.sigmoid(logits).unbind(-1)
            return cut.numpy().copy(), transition.numpy().copy()

    def _forward(self, frames_bthwc: Tensor) -> Tensor:
        """[B, T, 2]: logits of the two heads."""
        values = frames_bthwc.float() / 255
        means = []
        for first, second in self.stacks:
            shortcut = functional.relu(first.run(values))
            values = _halve(functional.relu(second.run(shortcut)) + shortcut)
            means.append(values.mean(dim=(2, 3)))
        features = torch.cat(
            [
                self._look_up("color_hist_layer.fc", colour_histograms(frames_bthwc)),
                self._look_up(
                    "frame_sim_layer.fc",
                    self._linear("frame_sim_layer.projection", torch.cat(means, dim=2)),
                ),
                values.flatten(2),
            ],
            dim=2,
        )
        hidden = functional.relu(self._linear("fc1", features))
        heads = [self._linear(name, hidden) for name in ("cls_layer1", "cls_layer2")]
        return torch.cat(heads, dim=2)

    def _look_up(self, name: str, vectors_btd: Tensor) -> Tensor:
        return functional.relu(self._linear(name, similarity_bands(vectors_btd)))

    def _linear(self, name: str, values: Tensor) -> Tensor:
        return functional.linear(values, *self.dense[name])


def _halve(values_bthwc: Tensor) -> Tensor:
    """Means of 2 x 2 pixels; an odd last row or column is left out."""
    flat = values_bthwc.flatten(0, 1).permute(0, 3, 1, 2)
    halved = functional.avg_pool2d(flat, 2).permute(0, 2, 3, 1)
    return halved.reshape(*values_bthwc.shape[:2], *halved.shape[1:])


def colour_histograms(frames_bthwc: Tensor) -> Tensor:
    """[B, T, 512]: pixels per colour, 8 levels a channel, of uint8 [B, T, H, W, 3]."""
    batch, frames = frames_bthwc.shape[:2]
    red, green, blue = (frames_bthwc.long() >> 5).unbind(-1)
    bins = ((red << 6) + (green << 3) + blue).flatten(0, 1).flatten(1)
    counts = torch.zeros(batch * frames, 512)
    counts.scatter_add_(1, bins, torch.ones_like(bins, dtype=torch.float32))
    return counts.view(batch, frames, 512)


def similarity_bands(vectors_btd: Tensor) -> Tensor:
    """[B, T, 101]: cosine of each frame's vector with those of the 50 frames to either side.

    Where the window holds no such frame the value is 0.
    """
    unit = functional.normalize(vectors_btd, dim=2)
    batch, frames = unit.shape[:2]
    reach = LOOKUP_FRAMES // 2
    padded = functional.pad(unit @ unit.transpose(1, 2), (reach, reach)).contiguous()
    row = frames + 2 * reach
    # Row t begins one step further right than row t - 1: the band, without an index.
    return padded.as_strided((batch, frames, LOOKUP_FRAMES), (frames * row, row + 1, 1))


def expected_shapes(filters: int = 16, hidden: int = 1024) -> dict[str, Shape]:
    """Name -> shape of every parameter.

    Args:
        filters: filters of one branch of the first stack (paper: 16), doubled by each stack.
        hidden: width of the dense layer (paper: 1024).
    """
    shapes: dict[str, Shape] = {}
    channels, means = 3, 0
    for stack in range(STACKS):
        width = filters * 2**stack
        for cell in range(CELLS):
            prefix = f"SDDCNN.{stack}.DDCNN.{cell}."
            for dilation in DILATIONS:
                layers = f"{prefix}Conv3D_{dilation}.layers."
                shapes[layers + "0.weight"] = (2 * width, channels, 1, 3, 3)
                shapes[layers + "1.weight"] = (width, 2 * width, 3, 1, 1)
            channels = 4 * width
            for name in ("weight", "bias", "running_mean", "running_var"):
                shapes[f"{prefix}bn.{name}"] = (channels,)
        means += channels
    linear = {
        "frame_sim_layer.projection": (SIDE_FEATURES, means),
        "frame_sim_layer.fc": (SIDE_FEATURES, LOOKUP_FRAMES),
        "color_hist_layer.fc": (SIDE_FEATURES, LOOKUP_FRAMES),
        "fc1": (hidden, 2 * SIDE_FEATURES + channels * LAST_PIXELS),
        "cls_layer1": (1, hidden),
        "cls_layer2": (1, hidden),
    }
    for name, shape in linear.items():
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = shape, shape[:1]
    return shapes


def make_network(state: State, origin: str = "the checkpoint") -> TransNet:
    """The network of a state dict, whose names and shapes must be exactly those expected.

    Args:
        state: name -> tensor; the size of the network is read from it.
        origin: what to call it in an error.

    Raises:
        ConfigInvalidError: parameters are missing, unknown, misshapen or not finite.
    """
    # Counters of training steps, which some converters leave out; they change nothing.
    state = {key: state[key] for key in state if not key.endswith(".num_batches_tracked")}
    _check_parameters(state, origin)
    weights = {key: value.to(torch.float32) for key, value in state.items()}
    return TransNet(
        stacks=tuple(
            (_make_cell(weights, stack, 0), _make_cell(weights, stack, 1))
            for stack in range(STACKS)
        ),
        dense={
            key.removesuffix(".weight"): (weights[key], weights[key[: -len("weight")] + "bias"])
            for key in weights
            if key.endswith(".weight") and not key.startswith("SDDCNN.")
        },
    )


def _check_parameters(state: State, origin: str) -> None:
    first, dense = state.get("SDDCNN.0.DDCNN.0.bn.weight"), state.get("fc1.bias")
    expected = expected_shapes(
        filters=len(first) // 4 if first is not None and first.ndim == 1 else 16,
        hidden=len(dense) if dense is not None and dense.ndim == 1 else 1024,
    )
    troubles = {
        "missing": [key for key in expected if key not in state],
        "unexpected": [key for key in state if key not in expected],
        "misshapen": [
            f"{key} {list(state[key].shape)} instead of {list(shape)}"
            for key, shape in expected.items()
            if key in state and tuple(state[key].shape) != shape
        ],
    }
    if any(troubles.values()):
        problems = "; ".join(f"{what}: {_some(keys)}" for what, keys in troubles.items() if keys)
        raise ConfigInvalidError(
            f"{origin} is no TransNet V2 checkpoint: {problems}",
            hint="it must be the state dict of the public PyTorch port, nothing around it",
        )
    broken = [key for key in expected if not bool(torch.isfinite(state[key]).all())]
    if broken:
        raise ConfigInvalidError(f"{origin} holds numbers that are not finite: {_some(broken)}")


def _some(keys: list[str]) -> str:
    shown = ", ".join(keys[:4])
    return f"{shown} and {len(keys) - 4} more" if len(keys) > 4 else shown


def _make_cell(weights: State, stack: int, cell: int) -> _Cell:
    prefix = f"SDDCNN.{stack}.DDCNN.{cell}."
    norm = {
        name: weights[f"{prefix}bn.{name}"]
        for name in ("weight", "bias", "running_mean", "running_var")
    }
    scale = norm["weight"] / torch.sqrt(norm["running_var"] + BATCH_NORM_EPSILON)
    bias = norm["bias"] - norm["running_mean"] * scale
    spatial, temporal = [], []
    for dilation, factor in zip(DILATIONS, scale.chunk(len(DILATIONS)), strict=True):
        layers = f"{prefix}Conv3D_{dilation}.layers."
        spatial.append(weights[layers + "0.weight"][:, :, 0])
        temporal.append(weights[layers + "1.weight"][..., 0] * factor[:, None, None, None])
    last = torch.channels_last
    return _Cell(
        spatial=torch.cat(spatial).contiguous(memory_format=last),
        temporal=tuple(weight.contiguous(memory_format=last) for weight in temporal),
        bias=tuple(bias.chunk(len(DILATIONS))),
    )


def load(path: str) -> TransNet:
    """The network of a checkpoint file; the last one used is kept in memory.

    Args:
        path: a `.pth` state dict, read without running any code it may hold, or `.safetensors`.

    Raises:
        ConfigInvalidError: there is no such file, or it is no whole TransNet V2 checkpoint.
        DependencyMissingError: it is a `.safetensors` file and that package is missing.
    """
    try:
        facts = Path(path).stat()
    except OSError as error:
        raise ConfigInvalidError(f"weights {path} cannot be read: {error.strerror}") from error
    return _load(path, facts.st_mtime_ns, facts.st_size)


@functools.lru_cache(maxsize=1)
def _load(path: str, _changed_ns: int, _size_bytes: int) -> TransNet:
    state = _read_state(path)
    strangers = [str(key) for key, value in state.items() if not isinstance(value, Tensor)]
    if strangers:
        raise ConfigInvalidError(
            f"weights {path} hold other things than tensors: {_some(strangers)}",
            hint="save the state dict itself: torch.save(network.state_dict(), path)",
        )
    return make_network(state, f"weights {path}")


def _read_state(path: str) -> Mapping[str, Tensor]:
    try:
        if path.endswith(".safetensors"):
            state = _read_safetensors(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ConfigInvalidError(
            f"weights {path} are no checkpoint, or hold other things than tensors",
            hint="save the state dict itself: torch.save(network.state_dict(), path)",
        ) from error
    except _UNREADABLE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].split(". ")[0]
        raise ConfigInvalidError(
            f"weights {path} are no readable checkpoint: {reason}",
            hint="the file may be cut short or of another kind; download it again",
        ) from error
    if not isinstance(state, Mapping):
        raise ConfigInvalidError(
            f"weights {path} hold a {type(state).__name__}, not a state dict of tensors"
        )
    return state


def _read_safetensors(path: str) -> Any:
    try:
        reader = importlib.import_module("safetensors.torch")
        package = importlib.import_module("safetensors")
    except ModuleNotFoundError as error:
        raise DependencyMissingError(
            f"weights {path} need the package safetensors, which is not installed",
            hint="pip install safetensors, or give a .pth file",
        ) from error
    try:
        return reader.load_file(path)
    except package.SafetensorError as error:
        raise ValueError(str(error)) from error


@contextmanager
def _one_thread() -> Iterator[None]:
    # Sums split among threads round differently: the same frames must give the same bytes
    # whatever the machine, and a build fills the cores with worker processes anyway.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
