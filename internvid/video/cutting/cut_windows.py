"""Which frames of a clip become files: pure arithmetic over counts and exact times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from internvid.video.cutting.cut_plan import CutPlan

TOO_SHORT = "too_short_for_grid"
_MILLISECOND = Fraction(1, 1000)


@dataclass(frozen=True)
class Window:
    """Frames of a clip that make one file, counted at the written rate.

    Attributes:
        first: number of its first frame; the clip's first one is 0.
        frames: how many.
    """

    first: int
    frames: int

    @property
    def stop(self) -> int:
        """Number behind the last frame."""
        return self.first + self.frames


def slack_of(time_base: Fraction) -> Fraction:
    """How far a stored time may lie from what it stands for, in seconds.

    Containers round times to their ticks: in milliseconds, 30 frames a second are shown at 0, 33,
    67. A tick, but never more than a millisecond: where a tick is a frame, times are exact.
    """
    return min(time_base, _MILLISECOND)


def frames_at_rate(seconds: Fraction, rate: Fraction, slack: Fraction) -> int:
    """How many frames of constant rate a clip has room for, at least one.

    Frame k is at `k / rate` from the start and lasts `1 / rate`, all of it in the clip but for the
    slack; the rest, less than one frame, is left out.

    Args:
        seconds: length of the clip.
        rate: frames per second that are written.
        slack: see `slack_of`.
    """
    return max(1, int((seconds + slack) * rate))


def plan_windows(available: int, plan: CutPlan) -> tuple[Window, ...]:
    """The windows of a clip, in order; none where it is shorter than the smallest count.

    Args:
        available: frames of the clip at the written rate.
        plan: how to cut.
    """
    longest = plan.longest
    most = available if longest is None else min(available, longest)
    frames = plan.grid.largest(most)
    if not frames:
        return ()
    if plan.windows == "middle":
        return (Window((available - frames) // 2, frames),)
    if plan.windows != "slide" or frames != longest:
        return (Window(0, frames),)
    stride = plan.stride_frames or frames
    windows = [Window(first, frames) for first in range(0, available - frames + 1, stride)]
    # A last window that ends with the clip, where at least half of it was in none before.
    rest = available - windows[-1].stop
    if 2 * rest >= frames:
        windows.append(Window(available - frames, frames))
    return tuple(windows)


def unused_frames(available: int, windows: Sequence[Window]) -> int:
    """How many frames of a clip are in no window; windows are in order."""
    used, end = 0, 0
    for window in windows:
        used += max(0, window.stop - max(end, window.first))
        end = max(end, window.stop)
    return available - used
