"""Pixel aspects that change within a source, carried by the frames they belong to."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from av.video.frame import VideoFrame


@dataclass
class AspectTracker:
    """Notes on decoded frames the pixel aspect that is theirs, where it is not the source's.

    A frame does not tell its own aspect; the decoder tells that of the latest header, which it may
    have read before it hands out the last frames of the header before. A new header comes with a
    key frame, which is the first to have its aspect.

    Attributes:
        declared: the aspect that the decoder stated when the source was opened.
    """

    declared: Fraction | None
    _shown: Fraction | None = field(init=False)
    _latest: Fraction | None = field(init=False)
    _since: int | None = field(init=False, default=None)
    _keys: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._shown = self._latest = self.declared

    def learn(self, pts: int | None, aspect: Fraction | None) -> None:
        """Take what the decoder states once it was given the packet of that time."""
        if aspect != self._latest:
            self._latest, self._since, self._keys = aspect, pts, 0

    def note(self, frame: VideoFrame) -> None:
        """Give the next frame its aspect, to be read by `sample_aspect_of`."""
        if self._shown != self._latest and frame.key_frame:
            self._keys += 1
            is_first = None in (self._since, frame.pts) or frame.pts == self._since
            if is_first or self._keys > 1:  # one key frame may come from before the header
                self._shown = self._latest
        if self._shown != self.declared:
            # A new object each time: PyAV forgets it with the first frame that carries it.
            frame.opaque = Fraction(self._shown or 1)


def sample_aspect_of(frame: VideoFrame) -> Fraction | None:
    """Width of one pixel over its height, where it is not that of the source as a whole."""
    noted = frame.opaque
    return noted if isinstance(noted, Fraction) else None
