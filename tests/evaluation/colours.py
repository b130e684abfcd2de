"""A world that a three-line model understands: films of one colour, and words for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from internvid.evaluation.embedding.embedders import Frames, Identity, Vectors, unit
from internvid.synthetic.encode import VideoFormat, write_video

COLOURS = {
    "red": (230, 20, 20),
    "green": (20, 200, 20),
    "blue": (20, 20, 230),
    "white": (240, 240, 240),
}
FORMAT = VideoFormat("h264", 32, 32, Fraction(8))


def film(path: Path, colour: str, frames: int = 8, shade: float = 1.0) -> Path:
    """A film of one colour; another shade makes other bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((32, 32, 3), np.array(COLOURS[colour]) * shade, np.uint8)
    write_video(path, [picture] * frames, FORMAT)
    return path


def change(path: Path, first: str, then: str) -> Path:
    """Two seconds of one colour, then two of another."""
    pictures = [np.full((32, 32, 3), COLOURS[name], np.uint8) for name in (first, then)]
    write_video(path, [pictures[0]] * 16 + [pictures[1]] * 16, FORMAT)
    return path


@dataclass
class ColourEmbedder:
    """Mean colours, and the colours that a text names. Counts what it was asked."""

    weights: str = "colours"
    frames: int = 4
    seen: list[int] = field(default_factory=list)
    read: list[str] = field(default_factory=list)

    def video_vectors(self, videos: Sequence[Frames]) -> Vectors:
        self.seen += [len(video) for video in videos]
        return unit(np.stack([video.mean((0, 1, 2)) for video in videos]))

    def text_vectors(self, texts: Sequence[str]) -> Vectors:
        self.read += texts
        rows = []
        for text in texts:
            named = [COLOURS[word] for word in text.strip(".").split() if word in COLOURS]
            rows.append(np.mean(named, axis=0) if named else np.ones(3))
        return unit(np.array(rows, np.float32))

    def identity(self) -> Identity:
        return Identity("colours", self.weights, "mean", self.frames)


class ShortReader(ColourEmbedder):
    """Reads green and shorter words; says what it cuts."""

    def cut_texts(self, texts: Sequence[str]) -> int:
        return sum("green" in text for text in texts)
