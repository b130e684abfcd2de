"""How each frame is shown where it does not say so itself: pixel aspect and orientation."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from av.video.frame import VideoFrame

from internvid.video.display.orientation import UPRIGHT, Orientation, matrix_of_display


@dataclass(frozen=True)
class _Notes:
    """What a frame is given to carry: None where it is as the source, or as it says itself."""

    aspect: Fraction | None
    orientation: Orientation | None


@dataclass
class DisplayTracker:
    """Notes on decoded frames how they are shown, where headers that came before decide that.

    A frame does not tell its pixel aspect; the decoder tells that of the latest header, which it
    may have read before it hands out the last frames of the header before. A new header comes with
    a key frame, which is the first to have its aspect.

    A display matrix of the stream is on every frame; one of H.264 or HEVC may be on some frames
    only, and holds for those that follow.

    Attributes:
        declared: the pixel aspect that the decoder stated when the source was opened.
    """

    declared: Fraction | None
    _shown: Fraction | None = field(init=False)
    _latest: Fraction | None = field(init=False)
    _since: int | None = field(init=False, default=None)
    _keys: int = field(init=False, default=0)
    _orientation: Orientation = field(init=False, default=UPRIGHT)

    def __post_init__(self) -> None:
        self._shown = self._latest = self.declared

    def learn(self, pts: int | None, aspect: Fraction | None) -> None:
        """Take the aspect that the decoder states once it was given the packet of that time."""
        if aspect != self._latest:
            self._latest, self._since, self._keys = aspect, pts, 0

    def note(self, frame: VideoFrame) -> None:
        """Give the next frame what it is to carry."""
        if self._shown != self._latest and frame.key_frame:
            self._keys += 1
            is_first = None in (self._since, frame.pts) or frame.pts == self._since
            if is_first or self._keys > 1:  # one key frame may come from before the header
                self._shown = self._latest
        own = matrix_of_display(frame)
        self._orientation = own or self._orientation
        aspect = (self._shown or Fraction(1)) if self._shown != self.declared else None
        orientation = None if own or self._orientation == UPRIGHT else self._orientation
        if aspect or orientation:
            # A new object each time: PyAV forgets it with the first frame that carries it.
            frame.opaque = _Notes(aspect, orientation)


def sample_aspect_of(frame: VideoFrame) -> Fraction | None:
    """Width of one pixel over its height, where it is not that of the source as a whole."""
    notes = frame.opaque
    return notes.aspect if isinstance(notes, _Notes) else None


def orientation_of(frame: VideoFrame) -> Orientation:
    """How a frame that was read by `VideoPass` is to be shown."""
    own = matrix_of_display(frame)
    if own is not None:
        return own
    notes = frame.opaque
    return (notes.orientation if isinstance(notes, _Notes) else None) or UPRIGHT
