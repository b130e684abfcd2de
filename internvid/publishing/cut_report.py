"""What a cut plan makes of clips, found out from their rows alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Protocol, runtime_checkable

from internvid.core.contracts import ExportItem
from internvid.core.errors import VideoUnreadableError
from internvid.publishing.texts.token_limits import counted_by
from internvid.video.cutting.cut_edges import measured_bars
from internvid.video.cutting.cut_picture import plan_picture
from internvid.video.cutting.cut_plan import CutPlan
from internvid.video.cutting.cut_windows import (
    TOO_SHORT,
    frames_at_rate,
    plan_windows,
    slack_of,
    unused_frames,
)

_HOUR = 3600


@dataclass(frozen=True)
class PlannedClip:
    """What a clip would become.

    Attributes:
        seconds: of each file that would be written, in order.
        frames: of each file.
        unused_seconds: of the clip, in no file.
        dropped: why nothing would be written; None where something would.
        size: (width, height) of the files; None where it is not known.
        column: that has the text.
        tokens: of the text; None where they are not counted.
    """

    seconds: tuple[float, ...] = ()
    frames: tuple[int, ...] = ()
    unused_seconds: float = 0.0
    dropped: str | None = None
    size: tuple[int, int] | None = None
    column: str = ""
    tokens: int | None = None


@runtime_checkable
class Planner(Protocol):
    """An exporter that can say what it would write of a clip, from its row alone."""

    def plan_clip(self, item: ExportItem) -> PlannedClip:
        """What would be written of a clip."""
        ...


Bucket = tuple[int, tuple[int, int] | None]
"""Frames and (width, height) of a window."""


@dataclass
class CutReport:
    """Counts of what is written and of what falls out, and why.

    Attributes:
        clips: how many are written.
        windows: how many files of video they become.
        seconds: of these.
        unused_seconds: of written clips, in no window.
        dropped: reason -> clips.
        dropped_seconds: reason -> seconds of clips.
        frames: frames of a window -> windows.
        buckets: (frames, size) -> windows; the size is None where it is not known.
        bucket_seconds: (frames, size) -> seconds of windows.
        captions: column -> clips that have their text from it.
        token_limit: of texts; None where nothing is counted.
        tokenizer: what counts them, as a field of the exporter names it.
        over_limit: texts of written clips with more tokens.
        longest_tokens: of a text.
    """

    clips: int = 0
    windows: int = 0
    seconds: float = 0.0
    unused_seconds: float = 0.0
    dropped: Counter[str] = field(default_factory=Counter)
    dropped_seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    frames: Counter[int] = field(default_factory=Counter)
    buckets: Counter[Bucket] = field(default_factory=Counter)
    bucket_seconds: defaultdict[Bucket, float] = field(default_factory=lambda: defaultdict(float))
    captions: Counter[str] = field(default_factory=Counter)
    token_limit: int | None = None
    tokenizer: str = ""
    over_limit: int = 0
    longest_tokens: int = 0

    def add(self, planned: PlannedClip, clip_seconds: float) -> None:
        """Count a clip of that length."""
        if planned.dropped is not None:
            self.dropped[planned.dropped] += 1
            self.dropped_seconds[planned.dropped] += clip_seconds
            return
        self.clips += 1
        self.windows += len(planned.seconds)
        self.seconds += sum(planned.seconds)
        self.unused_seconds += planned.unused_seconds
        self.frames.update(planned.frames)
        for frames, seconds in zip(planned.frames, planned.seconds, strict=False):
            self.buckets[frames, planned.size] += 1
            self.bucket_seconds[frames, planned.size] += seconds
        if planned.column:
            self.captions[planned.column] += 1
        if planned.tokens is not None and self.token_limit is not None:
            self.over_limit += planned.tokens > self.token_limit
            self.longest_tokens = max(self.longest_tokens, planned.tokens)

    def as_json(self) -> dict[str, Any]:
        """Its counts, times in hours, with names that say so."""
        report: dict[str, Any] = {
            "clips": self.clips,
            "windows": self.windows,
            "hours": _hours(self.seconds),
            "unused_hours": _hours(self.unused_seconds),
            "dropped": dict(sorted(self.dropped.items())),
            "dropped_hours": {
                reason: _hours(seconds) for reason, seconds in sorted(self.dropped_seconds.items())
            },
            "frames": {str(count): self.frames[count] for count in sorted(self.frames)},
            "buckets": [self._bucket(each) for each in sorted(self.buckets, key=_order)],
            "captions": dict(sorted(self.captions.items())),
        }
        if self.token_limit is not None:
            report["tokens"] = {
                "limit": self.token_limit,
                "counted_by": counted_by(self.tokenizer),
                "texts_over_limit": self.over_limit,
                "longest": self.longest_tokens,
            }
        return report

    def _bucket(self, bucket: Bucket) -> dict[str, Any]:
        frames, size = bucket
        width, height = size or (None, None)
        return {
            "frames": frames,
            "width": width,
            "height": height,
            "windows": self.buckets[bucket],
            "hours": _hours(self.bucket_seconds[bucket]),
        }


def _order(bucket: Bucket) -> tuple[int, tuple[int, int]]:
    frames, size = bucket
    return frames, size or (0, 0)


def _hours(seconds: float) -> float:
    return round(seconds / _HOUR, 6)


def plan_cut(item: ExportItem, plan: CutPlan) -> PlannedClip:
    """What a plan makes of a clip.

    Exact where the scan numbered the frames, or where frames of a rate are written; else frames
    are counted by the mean rate that the source states.

    Args:
        item: the clip; no pixel of it is read.
        plan: how to cut.
    """
    video, rate = item.video, plan.rate
    numerator, denominator = (
        video.get(f"time_base_{part}") for part in ("numerator", "denominator")
    )
    if numerator and denominator:
        time_base = Fraction(int(numerator), int(denominator))
        seconds = (item.clip.end_pts - item.clip.start_pts) * time_base
    else:
        span = item.clip.span
        time_base = Fraction(1, 1000)
        seconds = Fraction(span.end_seconds - span.start_seconds)
    if rate is not None:
        available = frames_at_rate(seconds, rate, slack_of(time_base))
    elif video.get("scan_mode") == "full" and item.row.get("end_frame") is not None:
        available = int(item.row["end_frame"]) - int(item.row["start_frame"])
    else:
        available = max(1, round(seconds * Fraction(video.get("fps") or 25)))
    windows = plan_windows(available, plan)
    if not windows:
        return PlannedClip(dropped=TOO_SHORT)
    try:
        size = _size_of(item, plan)
    except VideoUnreadableError as error:
        return PlannedClip(dropped=error.reason)
    one = 1 / rate if rate is not None else seconds / available
    return PlannedClip(
        tuple(float(window.frames * one) for window in windows),
        tuple(window.frames for window in windows),
        float(unused_frames(available, windows) * one),
        size=size,
    )


def _size_of(item: ExportItem, plan: CutPlan) -> tuple[int, int] | None:
    """(width, height) of the files of a clip, of its measured bars; None where it is not known."""
    # The scan wrote down sizes as players show them, turned and of square pixels.
    width, height = item.video.get("width"), item.video.get("height")
    if not width or not height:
        return None
    return plan_picture((int(width), int(height)), measured_bars(item.row, plan), plan).size


def report_of(items: Iterable[ExportItem], exporter: object) -> CutReport:
    """What an exporter would write of clips; of one that plans nothing, each clip whole."""
    limit, tokenizer = getattr(exporter, "tokens", None), getattr(exporter, "tokenizer", "")
    report = CutReport(token_limit=limit, tokenizer=tokenizer)
    plan_clip = exporter.plan_clip if isinstance(exporter, Planner) else _whole
    for item in items:
        report.add(plan_clip(item), seconds_of(item))
    return report


def _whole(item: ExportItem) -> PlannedClip:
    return PlannedClip((seconds_of(item),))


def seconds_of(item: ExportItem) -> float:
    """How long a clip is."""
    return item.clip.span.end_seconds - item.clip.span.start_seconds
