"""Light, colour and change of each frame as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from internvid.core.contracts import Planes
from internvid.core.types import ColumnSpec
from internvid.scan.timeline_columns import StoredColumns
from internvid.video.planes import mean_levels

Float = npt.NDArray[np.float32]

BLACK_LEVEL = 32.0
_CHUNK = 16  # frames whose steps between stay in the processor's cache


@dataclass
class LumaObserver:
    """Brightness, contrast, tint, black share and amount of motion.

    `motion` is the mean |luma change| of 64 x 36 cells against the frame before, in levels: noise
    averages out in a cell, movement does not. `black_share` counts cells below level 32 (16 is
    black in limited range).
    """

    columns: ClassVar[Mapping[str, ColumnSpec]] = {
        "luma_mean": ColumnSpec("uint8", unit="levels", meaning="mean luma, 16 black, 235 white"),
        "luma_spread": ColumnSpec("uint8", 0.5, unit="levels", meaning="deviation of luma"),
        "u_mean": ColumnSpec("uint8", unit="levels", meaning="mean blue-difference, 128 neutral"),
        "v_mean": ColumnSpec("uint8", unit="levels", meaning="mean red-difference, 128 neutral"),
        "black_share": ColumnSpec("uint8", 1 / 255, unit="fraction", meaning="share of black"),
        "motion": ColumnSpec("uint16", 1 / 32, unit="levels", meaning="mean |luma change|"),
    }
    _last: Float | None = field(default=None, repr=False)
    _stored: StoredColumns = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._stored = StoredColumns(self.columns)

    def observe(self, batch: Planes) -> None:
        """Add one row per frame of the batch."""
        count = len(batch.luma_half)
        cells = batch.luma_half.reshape(count, -1)
        u, v = batch.u_half.reshape(count, -1), batch.v_half.reshape(count, -1)
        rows = np.zeros((count, 6), np.float32)
        for start in range(0, count, _CHUNK):
            part = slice(start, start + _CHUNK)
            flat, row = cells[part], rows[part]
            row[:, 0] = mean_levels(flat)
            row[:, 1] = flat.std(axis=1, mean=row[:, :1])
            row[:, 2], row[:, 3] = mean_levels(u[part]), mean_levels(v[part])
            row[:, 4] = [np.count_nonzero(dark) / len(dark) for dark in flat < BLACK_LEVEL]
            before = flat[0] if self._last is None else self._last
            change = np.empty_like(flat)
            np.subtract(flat[0], before, out=change[0])
            np.subtract(flat[1:], flat[:-1], out=change[1:])
            row[:, 5] = mean_levels(np.abs(change, out=change))
            self._last = flat[-1]
        self._stored.append(rows)

    def finish(self) -> dict[str, npt.NDArray[Any]]:
        """The columns, one value per frame."""
        return self._stored.values()

    def finish_stored(self) -> dict[str, npt.NDArray[Any]]:
        """Timeline columns in their stored form."""
        return self._stored.stored()
