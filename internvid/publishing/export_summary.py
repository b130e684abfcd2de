"""What a manifest says of clips that were cut: samples, counts, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from internvid.core.contracts import ExportItem
from internvid.publishing.cut_report import CutReport, PlannedClip
from internvid.publishing.shards import MissingClip


class WindowFacts(TypedDict):
    """What there is to say of a written video.

    Attributes:
        frames, seconds, width, height: of it.
        fps: mean frames per second.
        sound: `kept`, `none` or `unsure`.
    """

    frames: int
    seconds: float
    width: int
    height: int
    fps: float
    sound: str


class ExportedClip(TypedDict):
    """What a manifest says of a clip (`samples`), in the order of the export.

    Attributes:
        clip_id, video_id, source_id: as in the dataset.
        uri: of the source, as it travels.
        start_seconds, end_seconds: of the clip in its source.
        files: names of files with what was written of it, below the export's folder; those of
            several clips are tar files whose members begin with the clip's id.
        frames, seconds: of each window.
        sounds: of each window: `kept`, `none` or `unsure`.
        unused_seconds: of the clip, in no window.
    """

    clip_id: str
    video_id: str
    source_id: str
    uri: str | None
    start_seconds: float
    end_seconds: float
    files: list[str]
    frames: list[int]
    seconds: list[float]
    sounds: list[str]
    unused_seconds: float


def exported_clip(
    item: ExportItem, files: Sequence[str], windows: Sequence[WindowFacts], unused_seconds: float
) -> ExportedClip:
    """What a manifest says of a clip."""
    clip = item.clip
    return {
        "clip_id": clip.clip_id,
        "video_id": clip.video_id,
        "source_id": str(item.row.get("source_id") or clip.video_id),
        "uri": item.uri,
        "start_seconds": clip.span.start_seconds,
        "end_seconds": clip.span.end_seconds,
        "files": list(files),
        "frames": [window["frames"] for window in windows],
        "seconds": [window["seconds"] for window in windows],
        "sounds": [window["sound"] for window in windows],
        "unused_seconds": unused_seconds,
    }


@dataclass
class ExportSummary:
    """Gathers what a manifest says, clip by clip."""

    report: CutReport = field(default_factory=CutReport)
    samples: list[ExportedClip] = field(default_factory=list)
    missing: list[MissingClip] = field(default_factory=list)

    def add(self, sample: ExportedClip) -> None:
        """Count a clip that was written."""
        seconds, frames = tuple(sample["seconds"]), tuple(sample["frames"])
        planned = PlannedClip(seconds, frames, sample["unused_seconds"])
        self.report.add(planned, sample["end_seconds"] - sample["start_seconds"])
        self.samples.append(sample)

    def drop(self, reason: str, clip_seconds: float) -> None:
        """Count a clip of that length that the format does not take."""
        self.report.add(PlannedClip(dropped=reason), clip_seconds)

    def as_json(self) -> dict[str, Any]:
        """The part of the manifest."""
        return {
            "missing": self.missing,
            "samples": self.samples,
            "sound": dict(Counter(sound for each in self.samples for sound in each["sounds"])),
            **self.report.as_json(),
        }
