"""An observer that kills its process on white pictures, and hangs on grey ones."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from internvid.core.contracts import Planes
from internvid.core.types import ColumnSpec


@dataclass
class Traps:
    """Harmless on dark pictures."""

    columns: ClassVar[Mapping[str, ColumnSpec]] = {"trap": ColumnSpec("uint8")}
    _frames: int = 0

    def observe(self, batch: Planes) -> None:
        mean = batch.luma.mean()
        if mean > 200:
            os.kill(os.getpid(), signal.SIGSEGV)
        if mean > 130:
            time.sleep(600)
        self._frames += len(batch.luma)

    def finish(self) -> dict[str, np.ndarray]:
        return {"trap": np.zeros(self._frames)}
