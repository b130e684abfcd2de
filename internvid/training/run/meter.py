"""Counts and clocks between two readings of the loss."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from internvid.training.kinds.contract import RunBatch
from internvid.training.run.distributed import all_sum


class TimedBatches:
    """Passes batches on and counts the seconds spent waiting for them.

    Args:
        loader: where they come from.
    """

    def __init__(self, loader: Iterator[RunBatch]) -> None:
        self._loader = loader
        self._waited_seconds = 0.0

    def __iter__(self) -> Iterator[RunBatch]:
        while True:
            started = time.perf_counter()
            batch = next(self._loader, None)
            self._waited_seconds += time.perf_counter() - started
            if batch is None:
                return
            yield batch

    def take_waited(self) -> float:
        """Seconds waited since this was last called."""
        waited, self._waited_seconds = self._waited_seconds, 0.0
        return waited


@dataclass
class Window:
    """The steps since the loss was last read. Nothing here waits for the device but `read`.

    Attributes:
        losses: of each step, on the device.
        samples: of each step, those shown.
    """

    losses: list[Tensor] = field(default_factory=list)
    samples: list[Tensor] = field(default_factory=list)
    norm: Tensor | None = None
    skipped: int = 0
    started: float = field(default_factory=time.perf_counter)

    def add(self, loss: Tensor, norm: Tensor | None, samples: Tensor, skipped: int) -> None:
        """One more step."""
        self.losses.append(loss)
        self.samples.append(samples)
        self.norm = norm
        self.skipped += skipped

    def read(self, device: torch.device, waited_seconds: float) -> Reading:
        """Waits for the device and reads everything at once.

        Args:
            device: where the losses are.
            waited_seconds: for batches, since the window began.
        """
        counts = all_sum(torch.tensor([float(self.skipped)], device=device))
        norm = self.norm if self.norm is not None else torch.zeros((), device=device)
        together = torch.stack([*self.losses, norm.to(device), counts[0]]).tolist()
        seconds = max(1e-9, time.perf_counter() - self.started)
        return Reading(
            losses=together[:-2],
            norm=together[-2],
            skipped=int(together[-1]),
            seconds=seconds,
            wait_share=min(1.0, waited_seconds / seconds),
        )


@dataclass(frozen=True)
class Reading:
    """What a window held.

    Attributes:
        losses: of each step.
        norm: of the last step's gradient.
        skipped: clips that no process could read.
        seconds: its length.
        wait_share: of them, spent waiting for batches.
    """

    losses: list[float]
    norm: float
    skipped: int
    seconds: float
    wait_share: float
