"""Spans of videos that somebody marked and described, as components of a build."""

from __future__ import annotations

import csv
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from internvid.core.contracts import Annotation, ClipView
from internvid.core.types import Shot, Timeline, TimeSpan

CAPTIONS, COPIES = "captions.csv", "dedup_groups.csv"
# Marks were made by eye; frames are snapped to.
_TOLERANCE_SECONDS = 0.3


@dataclass(frozen=True)
class Mark:
    """One row of `captions.csv`."""

    path: Path
    start_seconds: float
    end_seconds: float
    caption: str


def read_marks(media: Path, most: int = 0) -> list[Mark]:
    """The captioned spans of the files that are there; of the first `most` rows only, if given."""
    with (media / CAPTIONS).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    marks = [
        Mark(media / row["file"], float(row["start"]), float(row["end"]), row["caption"])
        for row in rows[: most or None]
    ]
    return [mark for mark in marks if mark.path.is_file()]


def label_sources(media: Path) -> Callable[[Path], str]:
    """What a file is a copy of: `FOLDER/NAME`, equal for copies wherever they lie.

    Copies in several folders are named after the last of these in the alphabet.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    if (media / COPIES).is_file():
        with (media / COPIES).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                groups[row["group"]].append(row["file"])
    labels = {
        name: f"{max(each.split('/')[0] for each in files)}/{group}"
        for group, files in groups.items()
        for name in files
    }

    def label(path: Path) -> str:
        name = path.relative_to(media).as_posix()
        return labels.get(name, name)

    return label


@dataclass(frozen=True)
class MarkedShots:
    """A detector that cuts where somebody marked it.

    Attributes:
        marks: (video_id, seconds of the cuts, ascending) of each video.
    """

    version: ClassVar[int] = 1
    marks: tuple[tuple[str, tuple[float, ...]], ...]

    def detect(self, timeline: Timeline) -> list[Shot]:
        """Shots that tile the video, each beginning with the frame at or after its mark."""
        starts = timeline.pts_seconds
        wanted = dict(self.marks).get(timeline.video_id, ())
        places = {0} | {int(np.searchsorted(starts, at - 1e-3)) for at in wanted}
        firsts = sorted(place for place in places if place < len(starts))
        edges = [*(float(starts[place]) for place in firsts), timeline.duration_seconds]
        return [
            Shot(TimeSpan(start, end), "cut" if at else "start", 1.0)
            for at, (start, end) in enumerate(itertools.pairwise(edges))
        ]


@dataclass(frozen=True)
class MarkedCaptions:
    """A captioner that says what somebody wrote about the span.

    Attributes:
        sentences: (video_id, start, end, sentence) of each span, in seconds.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[frozenset[str]] = frozenset({"row"})
    sentences: tuple[tuple[str, float, float, str], ...]

    def caption(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        """The sentence, or nothing to say."""
        of_video: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
        for video, start, end, sentence in self.sentences:
            of_video[video].append((start, end, sentence))
        for view in clips:
            start, end = view.span.start_seconds, view.span.end_seconds
            near = [
                (abs(mark[0] - start), mark[2])
                for mark in of_video[view.clip.video_id]
                # The last span of a file ends with it, whatever length it was said to have.
                if end < mark[1] + _TOLERANCE_SECONDS
            ]
            distance, sentence = min(near, default=(math.inf, ""))
            if distance < _TOLERANCE_SECONDS:
                yield Annotation(view.clip.clip_id, sentence)
            else:
                yield Annotation(view.clip.clip_id, None, "skipped", "no_caption")
