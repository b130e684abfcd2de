"""How clips are cut for a trainer: rate, frame counts, windows, size, bars, sound, quality."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from internvid.core.errors import ConfigInvalidError

WINDOWS = ("whole", "head", "middle", "slide")
_FASTEST = 240
# Encoders of overlapping windows are open at once.
_MOST_OVERLAPS = 8
_PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "placebo"),
)


@dataclass(frozen=True)
class FrameGrid:
    """Frame counts that a trainer takes.

    Attributes:
        step, offset: counts are `step` k + `offset`; a step of 0 means that `counts` are listed.
        counts: the listed ones, ascending.
    """

    step: int = 1
    offset: int = 0
    counts: tuple[int, ...] = ()

    def largest(self, most: int) -> int:
        """The largest count that is not above `most`; 0 where there is none."""
        if self.counts:
            return max((count for count in self.counts if count <= most), default=0)
        if most < self.smallest:
            return 0
        return most - (most - self.offset) % self.step

    @property
    def smallest(self) -> int:
        """The smallest count; one frame is no video where a grid is given."""
        if self.counts:
            return self.counts[0]
        if self.step == 1:
            return 1
        return self.offset if self.offset >= 2 else self.offset + self.step


@dataclass(frozen=True)
class CutPlan:
    """How clips are cut.

    Attributes:
        fps: frames per second of what is written, constant; None keeps the source's own frames and
            times. 23.976, 29.97 and 59.94 stand for 24000/1001 and so on.
        frames: frame counts that are allowed: a grid such as `4k+1`, a list such as `49,65,81`,
            empty for any. The largest that fits is taken.
        maximum_frames: no window is longer; None for no limit.
        windows: `whole`: one from the start of the clip. `head`: the first `maximum_frames`.
            `middle`: one around the middle. `slide`: one after another to the clip's end.
        stride_frames: with `slide`, frames from the start of one to that of the next; None for
            one behind the other.
        size: pixels of the shorter side, which never grows; or `WxH`: scaled to cover these, then
            cut around the middle; empty keeps the source's size.
        multiple: both sides are cut down, around the middle, to multiples of this even number.
        crop: `bars` cuts off the black bars that the borders signal measured; `none`.
        sound: `keep` writes the sound of the window as AAC; `none`.
        crf: x264 quality, lower is better.
        preset: x264 speed. Slower ones than `superfast` were seen to give other bytes from run to
            run, even with one thread.
    """

    fps: float | None = None
    frames: str = ""
    maximum_frames: int | None = None
    windows: str = "whole"
    stride_frames: int | None = None
    size: str = "480"
    multiple: int = 2
    crop: str = "none"
    sound: str = "keep"
    crf: int = 23
    preset: str = "superfast"

    def __post_init__(self) -> None:
        if self.fps is not None:
            # 16 and 16.0 are spelled apart in records, and are one rate.
            object.__setattr__(self, "fps", float(self.fps))
        if self.fps is not None and not 0 < self.fps <= _FASTEST:
            raise ConfigInvalidError(f"fps must lie in 0 to {_FASTEST}, got {self.fps}")
        for name in ("maximum_frames", "stride_frames"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigInvalidError(f"{name} must be at least 1, got {value}")
        for name, known in (
            ("windows", WINDOWS),
            ("crop", ("none", "bars")),
            ("sound", ("keep", "none")),
            ("preset", _PRESETS),
        ):
            if getattr(self, name) not in known:
                raise ConfigInvalidError(
                    f"{name} is one of {', '.join(known)}, not {getattr(self, name)!r}"
                )
        if self.multiple < 2 or self.multiple % 2:
            raise ConfigInvalidError(f"multiple must be an even number, got {self.multiple}")
        if not 0 <= self.crf <= 51:
            raise ConfigInvalidError(
                f"crf must be from 0 (lossless) to 51, got {self.crf}", hint="23 is usual"
            )
        self._check_windows()
        self._check_size()

    def _check_windows(self) -> None:
        grid = self.grid
        if self.longest == 0:
            raise ConfigInvalidError(
                f"maximum_frames={self.maximum_frames} is below {grid.smallest}, the smallest "
                f"count of frames={self.frames!r}"
            )
        if self.windows in ("head", "slide") and self.longest is None:
            raise ConfigInvalidError(
                f"windows={self.windows} needs a length", hint="set maximum_frames too"
            )
        if self.stride_frames is None:
            return
        if self.windows != "slide":
            raise ConfigInvalidError("stride_frames goes with windows=slide")
        if self.longest is not None and self.longest > self.stride_frames * _MOST_OVERLAPS:
            raise ConfigInvalidError(
                f"stride_frames={self.stride_frames}: more than {_MOST_OVERLAPS} windows of "
                f"{self.longest} frames would overlap"
            )

    def _check_size(self) -> None:
        exact, short = self.exact_size, self.short_side
        if exact is not None and any(side % self.multiple for side in exact):
            raise ConfigInvalidError(
                f"size={self.size} has sides that are no multiples of {self.multiple}"
            )
        if short is not None and short < self.multiple:
            raise ConfigInvalidError(f"size={self.size} is below multiple={self.multiple}")

    @property
    def grid(self) -> FrameGrid:
        """The allowed frame counts.

        Raises:
            ConfigInvalidError: `frames` is neither a grid nor a list.
        """
        text = self.frames.replace(" ", "").lower()
        if not text:
            return FrameGrid()
        if found := re.fullmatch(r"(\d{1,6})[kn](?:\+(\d{1,6}))?", text):
            step, offset = int(found[1]), int(found[2] or 0)
            if step >= 1:
                return FrameGrid(step, offset) if step > 1 or offset else FrameGrid()
        elif re.fullmatch(r"\d{1,6}(,\d{1,6})*", text):
            counts = tuple(sorted({int(part) for part in text.split(",")}))
            if counts[0] >= 1:
                return FrameGrid(0, 0, counts)
        raise ConfigInvalidError(
            f"frames={self.frames!r} is neither a grid nor a list of frame counts",
            hint="4k+1, 8k+1 or 49,65,81; empty for any count",
        )

    @property
    def longest(self) -> int | None:
        """Frames of the longest window; None where nothing limits it, 0 where none is allowed."""
        grid = self.grid
        if self.maximum_frames is not None:
            return grid.largest(self.maximum_frames)
        return grid.counts[-1] if grid.counts else None

    @property
    def rate(self) -> Fraction | None:
        """`fps` as an exact number."""
        return None if self.fps is None else exact_rate(self.fps)

    @property
    def exact_size(self) -> tuple[int, int] | None:
        """(width, height) that is demanded.

        Raises:
            ConfigInvalidError: `size` is neither one number nor two.
        """
        found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", self.size.strip().lower())
        return (int(found[1]), int(found[2])) if found and int(found[1]) and int(found[2]) else None

    @property
    def short_side(self) -> int | None:
        """Pixels of the shorter side; None where the size is exact, or the source's own."""
        text = self.size.strip()
        if not text or self.exact_size is not None:
            return None
        if re.fullmatch(r"\d{1,5}", text) and int(text):
            return int(text)
        raise ConfigInvalidError(
            f"size={self.size!r} is neither a short side nor WxH", hint="480 or 832x480"
        )


def exact_rate(fps: float) -> Fraction:
    """Frames per second as the fraction that the number stands for."""
    whole = round(fps)
    film = Fraction(whole * 1000, 1001)
    if abs(fps - whole) > 1e-9 and abs(fps - float(film)) < 0.005:
        return film
    return Fraction(fps).limit_denominator(1001)
