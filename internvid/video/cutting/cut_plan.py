"""How clips are cut for a trainer: rate, frame counts, windows, size, bars, sound, quality."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from internvid.core.errors import ConfigInvalidError

WINDOWS = ("whole", "head", "middle", "slide")
CROPS = ("none", "bars", "text", "bars+text")
AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
"""Rates of samples that AAC has."""
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
            cut around the middle; or several of these, `832x480,480x832,640x640`: each clip goes to
            the one nearest in aspect of those that do not enlarge it; empty keeps the source's
            size.
        multiple: both sides are cut down, around the middle, to multiples of this even number.
        crop: `bars` cuts off the black bars that the borders signal measured; `text` cuts off the
            edges where boxes of text lie; `bars+text` does both; `none`.
        text_boxes: with a crop of text, the column with the boxes: a list of [left, top, right,
            bottom], shares of the picture as shown.
        sound: `keep` writes the sound of the window as AAC; a rate such as `16000` resamples it to
            so many samples a second, `16000/1` to one channel too; `none`.
        crf: x264 quality, lower is better.
        preset: x264 speed. Slower ones than `superfast` were seen to give other bytes from run to
            run, even with one thread.
        lossless: every frame is decoded to the very samples of the source: packets of H.264 are
            copied where they can be, the rest is encoded without loss. Frames, times, size and
            place are then the source's own: `fps` is none, `size` empty, `crop` none.
    """

    fps: float | None = None
    frames: str = ""
    maximum_frames: int | None = None
    windows: str = "whole"
    stride_frames: int | None = None
    size: str = "480"
    multiple: int = 2
    crop: str = "none"
    text_boxes: str = "text_boxes"
    sound: str = "keep"
    crf: int = 23
    preset: str = "superfast"
    lossless: bool = False

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
            ("crop", CROPS),
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
        if self.crops_text and not self.text_boxes.strip():
            raise ConfigInvalidError(
                f"crop={self.crop} needs boxes of text", hint="name their column: text_boxes"
            )
        _ = self.sound_form
        self._check_lossless()

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

    def _check_lossless(self) -> None:
        changed = {
            "fps": self.fps is not None,
            "size": bool(self.size.strip()),
            "multiple": self.multiple != 2,
            "crop": self.crop != "none",
        }
        named = [name for name, is_changed in changed.items() if is_changed]
        if self.lossless and named:
            raise ConfigInvalidError(
                f"lossless=true leaves pictures as they are, and {', '.join(named)} would not",
                hint="set fps=none, size= (empty), multiple=2 and crop=none, or lossless=false",
            )

    def _check_size(self) -> None:
        short = self.short_side
        for width, height in self.sizes:
            if width % self.multiple or height % self.multiple:
                raise ConfigInvalidError(
                    f"size={self.size}: {width}x{height} has sides that are no multiples of "
                    f"{self.multiple}"
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
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(width, height) of each size that is named; empty where a shorter side is, or none.

        Raises:
            ConfigInvalidError: what is between commas is no size.
        """
        parts = [part.strip().lower() for part in self.size.split(",")]
        found = [re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", part) for part in parts]
        if len(parts) > 1 and None in found:
            raise ConfigInvalidError(
                f"size={self.size!r} is no list of sizes", hint="832x480,480x832,640x640"
            )
        sizes = ((int(each[1]), int(each[2])) for each in found if each is not None)
        return tuple(dict.fromkeys(sizes))

    @property
    def exact_size(self) -> tuple[int, int] | None:
        """(width, height) that is demanded of all clips; None where there are several, or none."""
        return self.sizes[0] if len(self.sizes) == 1 else None

    @property
    def short_side(self) -> int | None:
        """Pixels of the shorter side; None where sizes are named, or it is the source's own.

        Raises:
            ConfigInvalidError: `size` is neither one number nor sizes.
        """
        text = self.size.strip()
        if not text or self.sizes:
            return None
        if re.fullmatch(r"\d{1,5}", text) and int(text):
            return int(text)
        raise ConfigInvalidError(
            f"size={self.size!r} is neither a short side nor WxH", hint="480 or 832x480"
        )

    @property
    def crops_bars(self) -> bool:
        """Whether black bars are cut off."""
        return "bars" in self.crop.split("+")

    @property
    def crops_text(self) -> bool:
        """Whether edges with text are cut off."""
        return "text" in self.crop.split("+")

    @property
    def sound_form(self) -> tuple[int | None, int | None] | None:
        """(samples a second, channels), None for the source's own; None where there is no sound.

        Raises:
            ConfigInvalidError: `sound` is nothing of that.
        """
        text = self.sound.strip()
        if text == "none":
            return None
        if text == "keep":
            return None, None
        found = re.fullmatch(r"(\d{4,6})(?:/([12]))?", text)
        if found is None or int(found[1]) not in AAC_RATES:
            raise ConfigInvalidError(
                f"sound is keep, none or a rate, not {self.sound!r}",
                hint=f"16000, or 16000/1 for one channel; AAC has {', '.join(map(str, AAC_RATES))}",
            )
        return int(found[1]), int(found[2]) if found[2] else None


def exact_rate(fps: float) -> Fraction:
    """Frames per second as the fraction that the number stands for."""
    whole = round(fps)
    film = Fraction(whole * 1000, 1001)
    if abs(fps - whole) > 1e-9 and abs(fps - float(film)) < 0.005:
        return film
    return Fraction(fps).limit_denominator(1001)
