"""Kept frames: painted, measured and encoded while they are in hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from PIL import Image

from internvid.core.contracts import PickFacts
from internvid.video.colours import colour_shares
from internvid.video.pick import PickRule
from internvid.video.picture import Painter, encode_jpeg
from internvid.video.probe import VideoFacts

HASH_BITS = 64


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


@dataclass
class PickMaker:
    """Paints, measures and encodes chosen frames of one source, then lets go of them.

    Attributes:
        keep: takes each pick; without it nothing is encoded.
        facts_of_picks: what was measured, one entry per chosen frame.
    """

    rule: PickRule
    facts: VideoFacts
    keep: Callable[[StoredPick], None] | None = None
    facts_of_picks: list[PickFacts] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._painter = Painter(self.facts, self.rule.short_side)

    def add(self, frame: VideoFrame, index: int, ticks: int) -> None:
        """Handle one chosen frame."""
        small = self._painter.shrink(frame)
        luma = self._painter.luma(small)
        image = self._painter.colour(small)
        measured = PickFacts(
            frame=index,
            pts_seconds=ticks * float(self.facts.time_base),
            sharpness=laplacian_variance(luma),
            picture_hash=difference_hash(luma),
            colours=colour_shares(image),
        )
        self.facts_of_picks.append(measured)
        if self.keep is not None:
            jpeg = encode_jpeg(image, self.rule.quality)
            self.keep(StoredPick(measured, ticks, image.width, image.height, jpeg))


def laplacian_variance(grey: npt.NDArray[np.uint8]) -> float:
    """Variance of the 4-neighbour Laplacian of a grey picture [H, W]; 0 under 3 x 3."""
    if min(grey.shape) < 3:
        return 0.0
    levels = grey.astype(np.int16)
    laplacian = levels[:-2, 1:-1] + levels[2:, 1:-1]
    laplacian += levels[1:-1, :-2]
    laplacian += levels[1:-1, 2:]
    laplacian -= 4 * levels[1:-1, 1:-1]
    flat = laplacian.reshape(-1).astype(np.float32)
    return float(np.dot(flat, flat) / flat.size - flat.mean(dtype=np.float64) ** 2)


def difference_hash(grey: npt.NDArray[np.uint8]) -> int:
    """64-bit hash of a grey picture: is each of 8 x 8 cells brighter than its left neighbour?"""
    image = Image.fromarray(np.ascontiguousarray(grey))
    cells = np.asarray(image.resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    bits = (cells[:, 1:] > cells[:, :-1]).reshape(-1)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
