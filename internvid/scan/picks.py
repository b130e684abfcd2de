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
        picture = self._painter.paint(frame)
        image = Image.fromarray(picture)
        grey = image.convert("L")
        measured = PickFacts(
            frame=index,
            pts_seconds=ticks * float(self.facts.time_base),
            sharpness=laplacian_variance(np.asarray(grey)),
            picture_hash=difference_hash(grey),
            colours=colour_shares(image),
        )
        self.facts_of_picks.append(measured)
        if self.keep is not None:
            height, width = picture.shape[:2]
            jpeg = encode_jpeg(picture, self.rule.quality)
            self.keep(StoredPick(measured, ticks, width, height, jpeg))


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


def difference_hash(grey: Image.Image) -> int:
    """64-bit hash of a grey picture: is each of 8 x 8 cells brighter than its left neighbour?"""
    cells = np.asarray(grey.resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    bits = (cells[:, 1:] > cells[:, :-1]).reshape(-1)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
