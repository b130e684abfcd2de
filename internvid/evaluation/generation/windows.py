"""Which consecutive frames of a video are measured, and the same changed, for controls."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from internvid.core.errors import ConfigInvalidError, VideoUnreadableError
from internvid.core.types import FloatArray, TimeSpan
from internvid.evaluation.embedding.embed_clips import FramePlan
from internvid.evaluation.embedding.embedders import Frames

Change: TypeAlias = Literal["", "reversed", "frozen"]
_DRAWS = ("start", "middle", "spread", "random")


@dataclass(frozen=True)
class WindowPlan:
    """Windows of consecutive frames.

    Attributes:
        frames: of a window.
        fps: frames a second that are taken, the one shown at each time; None for every frame.
        windows: of a video.
        draw: where they begin: at the `start`, around the `middle`, `spread` evenly from the first
            place to the last, or `random`.
        seed: of the random places; they depend on the video's length too, not on its name.
    """

    frames: int = 16
    fps: float | None = None
    windows: int = 1
    draw: str = "start"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.frames < 1 or self.windows < 1:
            raise ConfigInvalidError(
                f"{self.windows} windows of {self.frames} frames; 1 or more are allowed"
            )
        if self.fps is not None and not 0 < self.fps < 1000:
            raise ConfigInvalidError(f"fps must be above 0 and below 1000, not {self.fps:g}")
        if self.draw not in _DRAWS:
            raise ConfigInvalidError(f"draw is one of {', '.join(_DRAWS)}, not {self.draw!r}")
        if self.windows > 1 and self.draw in ("start", "middle"):
            raise ConfigInvalidError(
                f"{self.windows} windows cannot all be at the {self.draw}",
                hint="draw=spread or draw=random",
            )

    def describe(self) -> dict[str, Any]:
        """The plan as plain JSON, for protocols."""
        return {
            "frames": self.frames,
            "fps": self.fps or "as the video is",
            "windows": self.windows,
            "draw": self.draw,
            "seed": self.seed if self.draw == "random" else None,
        }

    def read(self, path: Path, span: TimeSpan | None, usual: int) -> list[Frames]:
        """The windows of a file, uint8 [T, H, W, 3] each.

        Raises:
            VideoError: it cannot be read, or has too few frames (`too_few_frames`): none is
                repeated to fill a window.
        """
        from internvid.models.viclip.video_frames import read_chosen

        del usual
        shown: list[int] = []

        def choose(times: FloatArray) -> list[int]:
            shown.append(len(times))
            return self.choose(times)

        try:
            frames = read_chosen(path, choose, span=span).frames
        except VideoUnreadableError as error:
            if error.reason != "no_frames" or not shown:
                raise
            rate = f" at {self.fps:g} a second" if self.fps else ""
            raise VideoUnreadableError(
                f"{path.name} shows {shown[-1]} frames; a window takes {self.frames}{rate}",
                reason="too_few_frames",
            ) from error
        return [np.ascontiguousarray(part) for part in np.split(frames, self.windows)]

    def choose(self, times: FloatArray) -> list[int]:
        """Indices of the frames of all windows, in order; none where there are too few.

        Args:
            times: seconds of all frames, rising.
        """
        if self.fps is None:
            room = len(times) - self.frames
            if room < 0:
                return []
            starts = [round(share * room) for share in self._shares(times)]
            return [start + at for start in starts for at in range(self.frames)]
        steps = np.arange(self.frames) / self.fps
        # A frame stands until the next one; the last one as long as the others on average.
        last = float(times[-1] - times[0]) / max(1, len(times) - 1)
        room_seconds = float(times[-1] - times[0]) + last - self.frames / self.fps
        if room_seconds < -1e-6:
            return []
        begins = [times[0] + share * max(room_seconds, 0.0) for share in self._shares(times)]
        wanted = np.concatenate([begin + steps for begin in begins])
        return [int(at) for at in np.searchsorted(times, wanted + 1e-6, side="right") - 1]

    def _shares(self, times: FloatArray) -> list[float]:
        """Beginnings, from 0 for the first possible place to 1 for the last."""
        if self.draw == "start":
            return [0.0]
        if self.draw == "middle" or (self.draw == "spread" and self.windows == 1):
            return [0.5]
        if self.draw == "spread":
            return [float(share) for share in np.linspace(0, 1, self.windows)]
        text = f"{self.seed} {len(times)} {float(times[-1] - times[0]):.3f}"
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        drawn = np.random.default_rng(int.from_bytes(digest)).random(self.windows)
        return [float(share) for share in np.sort(drawn)]


@dataclass(frozen=True)
class ChangedPlan:
    """Frames of another plan, `reversed` in time or `frozen`: the middle one repeated.

    Attributes:
        plan: which frames.
        change: what is done to them; empty for nothing.
    """

    plan: FramePlan
    change: Change = ""

    def read(self, path: Path, span: TimeSpan | None, usual: int) -> list[Frames]:
        """See `WindowPlan.read`."""
        return [change_frames(stack, self.change) for stack in self.plan.read(path, span, usual)]


def change_frames(frames: Frames, change: Change) -> Frames:
    """Frames [T, ...] reversed, or the middle one repeated; any array."""
    if change == "reversed":
        return np.ascontiguousarray(frames[::-1])
    if change == "frozen":
        at = len(frames) // 2
        return np.repeat(frames[at : at + 1], len(frames), axis=0)
    return frames
