"""The words of the house as types: spans, shots, clips, frames, timelines.

Times are seconds from the first displayed frame of a video. A span is half-open:
`start_seconds` belongs to it, `end_seconds` does not.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from internvid.core.errors import ConfigInvalidError

FloatArray = npt.NDArray[np.float64]
Transition = Literal["start", "cut", "dissolve", "fade", "wipe", "split", "given"]
LEAD = "lead"
OPENING_FADE, CLOSING_FADE = 4, 5
"""Values of the column `gradual_kind`: the last blank frame before a fade that opens the video, and
the first one behind a fade that ends it."""
GIVEN = "given"
"""The transition of clips whose span a table states; and the name of their cut and captions."""
TRANSITIONS: tuple[str, ...] = ("start", "cut", "dissolve", "fade", "wipe", "split", GIVEN)


def instant(seconds: float, decimals: int = 3) -> float:
    """A time in a video with fewer decimals, never behind it.

    Whoever seeks to the rounded time still meets the frame that begins at the exact one: 4.1708
    becomes 4.170. (4.171 lies inside that frame, and the first frame from there on is the next.)

    Args:
        seconds: exact, but for the rounding of floats.
        decimals: how many to keep.
    """
    scale = float(10**decimals)
    return math.floor(seconds * scale + 1e-4) / scale


@dataclass(frozen=True, order=True)
class TimeSpan:
    """A half-open interval [start_seconds, end_seconds) of one video."""

    start_seconds: float
    end_seconds: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.start_seconds) and np.isfinite(self.end_seconds)):
            raise ConfigInvalidError(f"a time span must be finite, got {self}")
        if self.end_seconds < self.start_seconds:
            raise ConfigInvalidError(
                f"a time span cannot end before it starts: "
                f"[{self.start_seconds}, {self.end_seconds})"
            )

    @property
    def duration_seconds(self) -> float:
        """Length in seconds, never negative."""
        return self.end_seconds - self.start_seconds

    @property
    def middle_seconds(self) -> float:
        """The middle of the span, in seconds."""
        return (self.start_seconds + self.end_seconds) / 2

    def contains(self, seconds: float) -> bool:
        """Whether the instant lies in the half-open span."""
        return self.start_seconds <= seconds < self.end_seconds


@dataclass(frozen=True)
class Shot:
    """One detected shot. The shots of a video tile it without gaps.

    Attributes:
        span: from its first frame to the next shot's first frame.
        transition: how the shot begins: `start` (of the video), `cut`, `dissolve`, `fade`
            or `wipe`; `split` where a long take was divided, which is no shot change; `given`
            where a table states the span.
        score: confidence in that beginning, 0 to 1 (1 for `start`).
        transition_seconds: whole length of a gradual beginning; its middle is the boundary.
    """

    span: TimeSpan
    transition: str
    score: float
    transition_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.transition not in TRANSITIONS:
            raise ConfigInvalidError(
                f"unknown transition {self.transition!r}; allowed: {', '.join(TRANSITIONS)}"
            )


@dataclass(frozen=True)
class Clip:
    """A span of one video that a dataset row stands for.

    Attributes:
        clip_id: hash of (video_id, start_pts, end_pts, time_base): the same wherever
            the file lies and whatever it is called.
        video_id: hash of all bytes of the source.
        span: seconds from the first displayed frame.
        start_pts, end_pts: the same span in the stream's own ticks; half-open.
    """

    clip_id: str
    video_id: str
    span: TimeSpan
    start_pts: int
    end_pts: int


def make_clip_id(video_id: str, start_pts: int, end_pts: int, time_base: Fraction) -> str:
    """32 hex digits that name a span of a video by content and exact stream time."""
    text = f"{video_id}:{start_pts}:{end_pts}:{time_base.numerator}/{time_base.denominator}"
    return hashlib.blake2b(text.encode("ascii"), digest_size=16).hexdigest()


@dataclass(frozen=True)
class FrameBatch:
    """Frames of one video with their times; refuses shapes that do not fit.

    Attributes:
        frames: uint8 [T, H, W, C], RGB.
        pts_seconds: float64 [T], strictly not decreasing.
    """

    frames: npt.NDArray[np.uint8]
    pts_seconds: FloatArray

    def __post_init__(self) -> None:
        if self.frames.dtype != np.uint8 or self.frames.ndim != 4:
            raise ConfigInvalidError(
                f"frames must be uint8 [T, H, W, C], got {self.frames.dtype} "
                f"{list(self.frames.shape)}"
            )
        if self.pts_seconds.shape != (self.frames.shape[0],):
            raise ConfigInvalidError(
                f"{self.frames.shape[0]} frames need as many times, "
                f"got {list(self.pts_seconds.shape)}"
            )

    def __len__(self) -> int:
        return int(self.frames.shape[0])


@dataclass(frozen=True)
class ColumnSpec:
    """How one timeline column is stored: `value = stored * scale + offset`.

    Attributes:
        dtype: numpy name of the stored type ("uint8", "uint16", "int8", "float16", ...).
        scale: one stored step in units of the value.
        offset: value of stored zero.
        unit: what the value counts ("levels", "fraction", "dB", ...).
        meaning: one line for people.
    """

    dtype: str
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    meaning: str = ""

    def encode(self, values: npt.ArrayLike) -> npt.NDArray[Any]:
        """Stored form of `values`: scaled, rounded, clipped to the type. NaN is refused."""
        array = np.asarray(values, dtype=np.float64)
        if np.isnan(array).any():
            raise ConfigInvalidError("a timeline column cannot hold NaN")
        dtype = np.dtype(self.dtype)
        steps = (array - self.offset) / self.scale
        if dtype.kind == "f":
            return steps.astype(dtype)
        limits = np.iinfo(dtype)
        return np.clip(np.rint(steps), limits.min, limits.max).astype(dtype)

    def decode(self, stored: npt.NDArray[Any]) -> FloatArray:
        """Values of the stored form, as float64."""
        return stored.astype(np.float64) * self.scale + self.offset


@dataclass(frozen=True)
class Timeline:
    """A few numbers per decoded frame of one video: all that cutting and signals read.

    Attributes:
        video_id: whose timeline it is.
        pts: int64 [N], ticks of `time_base`, relative to the first displayed frame.
        time_base: seconds per tick.
        duration_seconds: end of the last displayed frame.
        stored: column name -> stored array [N].
        specs: column name -> how to read it.
    """

    video_id: str
    pts: npt.NDArray[np.int64]
    time_base: Fraction
    duration_seconds: float
    stored: Mapping[str, npt.NDArray[Any]] = field(repr=False)
    specs: Mapping[str, ColumnSpec] = field(repr=False)

    def __post_init__(self) -> None:
        for name, array in self.stored.items():
            if array.shape != self.pts.shape:
                raise ConfigInvalidError(
                    f"timeline column {name!r} has {array.shape[0]} values "
                    f"for {self.pts.shape[0]} frames"
                )

    def __len__(self) -> int:
        return int(self.pts.shape[0])

    # Asked for once a clip: for hours of video, making it anew each time would be the whole cost.
    @cached_property
    def pts_seconds(self) -> FloatArray:
        """float64 [N]: start of each frame in seconds from the first displayed frame."""
        return self.pts.astype(np.float64) * float(self.time_base)

    @property
    def boundary_seconds(self) -> FloatArray:
        """float64 [N]: when a shot begins that begins with this frame.

        That is the frame's own time, but where a fast scan skipped frames and later found by
        decoding them that the shot began earlier (column `lead`).
        """
        if LEAD not in self.stored:
            return self.pts_seconds
        ticks = self.pts - self.stored[LEAD].astype(np.int64)
        return ticks.astype(np.float64) * float(self.time_base)

    def part(self, frames: slice) -> Timeline:
        """Some of the frames, on the same clock: all that a question about a clip needs."""
        stored = {name: column[frames] for name, column in self.stored.items()}
        return replace(self, pts=self.pts[frames], stored=stored)

    def column(self, name: str) -> FloatArray:
        """One column as float64 [N] in its own unit."""
        if name not in self.stored:
            raise ConfigInvalidError(
                f"the timeline has no column {name!r}; it has: {', '.join(sorted(self.stored))}",
                hint="scan again with a recipe whose observers make that column",
            )
        return self.specs[name].decode(self.stored[name])

    def frames_in(self, span: TimeSpan) -> slice:
        """Indices of the frames that start inside the span."""
        seconds = self.pts_seconds
        half_tick = float(self.time_base) / 2
        start = int(np.searchsorted(seconds, span.start_seconds - half_tick))
        end = int(np.searchsorted(seconds, span.end_seconds - half_tick))
        return slice(start, end)
