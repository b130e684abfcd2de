"""An observer that kills its process on white pictures, and never returns from black ones."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from internvid.core.contracts import Planes
from internvid.core.types import ColumnSpec


@dataclass
class Trapped:
    """Harmless on all other pictures."""

    columns: ClassVar[Mapping[str, ColumnSpec]] = {"trap": ColumnSpec("uint8")}
    _frames: int = 0

    def observe(self, batch: Planes) -> None:
        if batch.luma.mean() > 230:
            os.kill(os.getpid(), signal.SIGSEGV)
        while 17 < batch.luma.mean() < 25 and batch.luma.std() < 3:
            pass
        self._frames += len(batch.luma)

    def finish(self) -> dict[str, np.ndarray]:
        return {"trap": np.zeros(self._frames)}
