"""Kept frames: painted, measured and encoded while they are in hand."""

from __future__ import annotations

import functools
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from internvid.core.contracts import PickFacts
from internvid.video.colours import colour_shares
from internvid.video.display.picture import Painter, SmallPicture, encode_jpeg
from internvid.video.pick import PickRule
from internvid.video.probe import VideoFacts

_WAITING_PICKS = 8


@dataclass(frozen=True)
class StoredPick:
    """One kept frame.

    Attributes:
        facts: what was measured on it.
        ticks: its time, stream ticks from the first displayed frame.
        width, height: of the stored picture, in pixels.
        jpeg: the picture.
    """

    facts: PickFacts
    ticks: int
    width: int
    height: int
    jpeg: bytes


class PickTable(Sequence[PickFacts]):
    """What was measured on each pick of a video, packed: hours of video have many."""

    def __init__(self) -> None:
        self._frames, self._hashes = array("q"), array("Q")
        self._numbers, self._colours = array("d"), bytearray()

    def append(self, facts: PickFacts) -> None:
        """Add the next pick."""
        self._frames.append(facts.frame)
        self._hashes.append(facts.picture_hash)
        self._numbers.extend((facts.pts_seconds, facts.sharpness))
        self._colours += facts.colours

    def __len__(self) -> int:
        return len(self._frames)

    @overload
    def __getitem__(self, index: int) -> PickFacts: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[PickFacts]: ...
    def __getitem__(self, index: int | slice) -> PickFacts | Sequence[PickFacts]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        at = range(len(self))[index]
        size = len(self._colours) // len(self)
        return PickFacts(
            frame=self._frames[at],
            pts_seconds=self._numbers[2 * at],
            sharpness=self._numbers[2 * at + 1],
            picture_hash=self._hashes[at],
            colours=bytes(self._colours[at * size : (at + 1) * size]),
        )


@dataclass
class PickMaker:
    """Paints, measures and encodes chosen frames of one source.

    A frame is scaled down and let go of at once. The rest is done for several together, so that
    its code is fetched into the processor's caches once for all of them.

    Attributes:
        keep: takes each pick; without it nothing is encoded.
        facts_of_picks: what was measured, one entry per chosen frame that was developed.
    """

    rule: PickRule
    facts: VideoFacts
    keep: Callable[[StoredPick], None] | None = None
    facts_of_picks: PickTable = field(default_factory=PickTable)
    _waiting: list[tuple[SmallPicture, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._painter = Painter(self.facts, self.rule.short_side)

    def add(self, frame: VideoFrame, index: int, ticks: int) -> None:
        """Take one chosen frame."""
        self._waiting.append((self._painter.shrink(frame), index, ticks))
        if len(self._waiting) >= _WAITING_PICKS:
            self.develop()

    def develop(self) -> None:
        """Measure and encode what waits."""
        for small, index, ticks in self._waiting:
            self._develop(small, index, ticks)
        self._waiting.clear()

    def _develop(self, small: SmallPicture, index: int, ticks: int) -> None:
        luma = self._painter.luma(small)
        measured = PickFacts(
            frame=index,
            pts_seconds=ticks * float(self.facts.time_base),
            sharpness=laplacian_variance(luma),
            picture_hash=difference_hash(luma),
            colours=colour_shares(self._painter.specks(small)),
        )
        self.facts_of_picks.append(measured)
        if self.keep is not None:
            image = self._painter.colour(small)
            jpeg = encode_jpeg(image, self.rule.quality)
            self.keep(StoredPick(measured, ticks, image.width, image.height, jpeg))


def laplacian_variance(grey: npt.NDArray[np.uint8]) -> float:
    """Variance of the 4-neighbour Laplacian of a grey picture [H, W]; 0 under 3 x 3.

    Taken at every second row: as much is seen there at half the cost.
    """
    if min(grey.shape) < 3:
        return 0.0
    # Converted first: sums of two types go through small buffers.
    levels = grey.astype(np.int16)
    here = levels[1:-1:2]
    laplacian = here[:, :-2] + here[:, 2:]
    laplacian += levels[:-2:2, 1:-1]
    laplacian += levels[2::2, 1:-1][: len(here)]
    laplacian -= here[:, 1:-1] << 2
    flat = laplacian.reshape(-1).astype(np.float32)
    # Sums of whole numbers are exact in any order.
    mean = np.einsum("i->", flat) / np.float32(flat.size)
    return float(np.dot(flat, flat) / flat.size - float(mean) ** 2)


def difference_hash(grey: npt.NDArray[np.uint8]) -> int:
    """64-bit hash of a grey picture: is each of 8 x 8 cells brighter than its left neighbour?"""
    if len(grey) >= 64:
        grey = grey[::2]
    rows, columns = grey.shape
    cells = np.rint(_shares(rows, 8) @ grey.astype(np.float32) @ _shares(columns, 9).T)
    bits = (cells[:, 1:] > cells[:, :-1]).reshape(-1)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


@functools.cache
def _shares(length: int, cells: int) -> npt.NDArray[np.float32]:
    """Weights [cells, length] that average a line of pixels over equal cells."""
    edges = np.arange(cells + 1) * length / cells
    pixels = np.arange(length)
    low = np.maximum(edges[:-1, None], pixels)
    high = np.minimum(edges[1:, None], pixels + 1)
    return np.asarray(np.maximum(high - low, 0) * cells / length, np.float32)
