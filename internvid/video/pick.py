"""Which frames to keep as pictures: pure rules over times and changes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from internvid.core.errors import ConfigInvalidError

# Runs of B frames are rarely longer than this; no slot goes by meanwhile.
_WAIT_SECONDS = 0.2
_WAIT_SLOTS = 0.4


@dataclass(frozen=True)
class PickRule:
    """Frames kept as JPEG.

    Attributes:
        per_second: one frame per 1 / per_second seconds of video, the first good one at or after
            each grid instant.
        short_side: pixels of the shorter side; smaller sources stay as they are.
        quality: JPEG quality, 1 to 95.
        jump_levels: mean luma change that counts as a new picture; a stretch that begins with
            one gets a pick of its own as soon as it is calm.
        calm_levels: mean luma change below which a frame counts as calm.
    """

    per_second: float = 2.0
    short_side: int = 256
    quality: int = 90
    jump_levels: float = 10.0
    calm_levels: float = 4.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.per_second) and self.per_second > 0):
            raise ConfigInvalidError(f"per_second must be above 0, got {self.per_second}")
        if self.short_side < 1:
            raise ConfigInvalidError(f"short_side must be at least 1, got {self.short_side}")
        if not 1 <= self.quality <= 95:
            raise ConfigInvalidError(f"quality must lie in 1 to 95, got {self.quality}")
        for name in ("jump_levels", "calm_levels"):
            if not getattr(self, name) >= 0:
                raise ConfigInvalidError(f"{name} cannot be negative, got {getattr(self, name)}")


@dataclass
class PickClock:
    """Says frame by frame whether it is kept. Streaming, no look-ahead."""

    rule: PickRule
    _slot: int = -1
    _fresh: bool = False
    _calm_since: float | None = None

    def wants(self, pts_seconds: float, change_levels: float, *, is_good: bool = True) -> bool:
        """Whether to keep the frame shown at `pts_seconds`.

        Args:
            pts_seconds: grows from call to call.
            change_levels: mean |luma change| against the frame before, 0 for the first.
            is_good: whether it is as good as frames of the video are; another one is waited for
                a little while.
        """
        # 1e-6: a frame a rounding error before its grid instant belongs to it.
        now = pts_seconds + 1e-6
        slot = int(now * self.rule.per_second)
        is_calm = change_levels <= self.rule.calm_levels
        if change_levels >= self.rule.jump_levels:
            self._fresh, self._calm_since = True, None
        elif self._fresh and is_calm:
            if self._calm_since is None:
                self._calm_since = pts_seconds
            if is_good or now - self._calm_since >= self._patience:
                return self._keep(slot, is_calm=True)
        if slot > self._slot and (is_good or now - slot / self.rule.per_second >= self._patience):
            return self._keep(slot, is_calm=is_calm)
        return False

    @property
    def _patience(self) -> float:
        return min(_WAIT_SECONDS, _WAIT_SLOTS / self.rule.per_second)

    def _keep(self, slot: int, *, is_calm: bool) -> bool:
        self._slot = slot
        if is_calm:
            self._fresh, self._calm_since = False, None
        return True
