"""Components as an outsider writes them, some of them wrong."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from internvid.core.contracts import Annotation, ClipView, PickFacts, Planes
from internvid.core.errors import DependencyMissingError
from internvid.core.types import ColumnSpec, Timeline, TimeSpan


@dataclass(frozen=True)
class ForeignCaptioner:
    """Answers for a clip nobody asked about."""

    version = 1

    def caption(self, clips: Iterable[ClipView]) -> Iterable[Annotation]:
        return [Annotation("f" * 32, "a caption from elsewhere") for _ in clips]


@dataclass(frozen=True)
class LengthScorer:
    """Ten lines from outside: the clip's length as its score."""

    version = 1

    def score(self, clips: Iterable[ClipView]) -> Iterable[Annotation]:
        return [Annotation(view.clip.clip_id, view.span.duration_seconds) for view in clips]


@dataclass
class Trap:
    """An observer that does harm on white pictures and is harmless on all others."""

    columns: ClassVar[Mapping[str, ColumnSpec]] = {"trap": ColumnSpec("uint8")}
    harm: str = "exit"
    _frames: int = 0

    def observe(self, batch: Planes) -> None:
        if batch.luma.mean() > 200:
            _do(self.harm)
        self._frames += len(batch.luma)

    def finish(self) -> dict[str, np.ndarray]:
        return {"trap": np.zeros(self._frames)}


def _do(harm: str) -> None:
    if harm == "exit":
        os._exit(7)
    if harm == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if harm == "spin":
        while True:
            pass
    if harm == "sleep":
        time.sleep(600)
    if harm == "memory":
        raise MemoryError
    if harm == "package":
        raise DependencyMissingError("the package `nothing` is not installed", hint="install it")
    raise OSError(errno.EACCES, "not the disk of the dataset")


class Unloadable:
    """Comes out of its pickle only where the test runs, as classes of a notebook do."""

    columns: ClassVar[Mapping[str, ColumnSpec]] = {}

    def __reduce__(self) -> tuple[object, ...]:
        return (__import__, ("module_of_a_notebook",))


@dataclass(frozen=True)
class Brightest:
    """A signal: how many frames are brighter than that."""

    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, str]] = {"bright_frames": "double"}
    least: float = 200

    def measure(
        self, timeline: Timeline, span: TimeSpan, picks: Sequence[PickFacts]
    ) -> dict[str, float]:
        return {"bright_frames": float((timeline.column("luma_mean") > self.least).sum())}
