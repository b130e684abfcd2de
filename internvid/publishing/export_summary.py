"""What a manifest says of clips that were cut: samples, counts, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from internvid.core.contracts import ExportItem
from internvid.publishing.cut_report import CutReport, PlannedClip
from internvid.publishing.index_files import licence_of
from internvid.publishing.shards import DroppedClip, MissingClip


class WindowFacts(TypedDict):
    """What there is to say of a written video.

    Attributes:
        frames, seconds, width, height: of it.
        fps: mean frames per second.
        sound: `kept`, `none` or `unsure`.
        dynamic_range: of the source: `sdr`, `pq` or `hlg`.
        copied_share: with a lossless cut, how many of its frames are the source's own packets, of
            all; None with other cuts.
    """

    frames: int
    seconds: float
    width: int
    height: int
    fps: float
    sound: str
    dynamic_range: str
    copied_share: float | None


class ExportedClip(TypedDict):
    """What a manifest says of a clip (`samples`), in the order of the export.

    Attributes:
        clip_id, video_id, source_id: as in the dataset.
        uri: of the source, as it travels.
        licence: of the source, where its metadata names one.
        start_seconds, end_seconds: of the clip in its source.
        files: names of files with what was written of it, below the export's folder; those of
            several clips are tar files whose members begin with the clip's id.
        frames, seconds: of each window.
        sizes: (width, height) of each window.
        sounds: of each window: `kept`, `none` or `unsure`.
        unused_seconds: of the clip, in no window.
        dynamic_range: of its source: `sdr`, `pq` or `hlg`.
        copied_shares: of each window: see `WindowFacts`.
        column: that has its text; empty where none has.
        tokens: of its text; None where they are not counted.
    """

    clip_id: str
    video_id: str
    source_id: str
    uri: str | None
    licence: str | None
    start_seconds: float
    end_seconds: float
    files: list[str]
    frames: list[int]
    seconds: list[float]
    sizes: list[list[int]]
    sounds: list[str]
    unused_seconds: float
    dynamic_range: str
    copied_shares: list[float | None]
    column: str
    tokens: int | None


def exported_clip(
    item: ExportItem,
    files: Sequence[str],
    windows: Sequence[WindowFacts],
    unused_seconds: float,
    *,
    column: str = "",
    tokens: int | None = None,
) -> ExportedClip:
    """What a manifest says of a clip; see `ExportedClip`."""
    clip = item.clip
    return {
        "clip_id": clip.clip_id,
        "video_id": clip.video_id,
        "source_id": str(item.row.get("source_id") or clip.video_id),
        "uri": item.uri,
        "licence": licence_of(item),
        "start_seconds": clip.span.start_seconds,
        "end_seconds": clip.span.end_seconds,
        "files": list(files),
        "frames": [window["frames"] for window in windows],
        "seconds": [window["seconds"] for window in windows],
        "sizes": [[window["width"], window["height"]] for window in windows],
        "sounds": [window["sound"] for window in windows],
        "unused_seconds": unused_seconds,
        "dynamic_range": windows[0]["dynamic_range"] if windows else "sdr",
        "copied_shares": [window["copied_share"] for window in windows],
        "column": column,
        "tokens": tokens,
    }


@dataclass
class ExportSummary:
    """Gathers what a manifest says, clip by clip."""

    report: CutReport = field(default_factory=CutReport)
    samples: list[ExportedClip] = field(default_factory=list)
    missing: list[MissingClip] = field(default_factory=list)
    dropped: list[DroppedClip] = field(default_factory=list)

    def add(self, sample: ExportedClip) -> None:
        """Count a clip that was written."""
        sizes = sample["sizes"]
        planned = PlannedClip(
            tuple(sample["seconds"]),
            tuple(sample["frames"]),
            sample["unused_seconds"],
            size=(sizes[0][0], sizes[0][1]) if sizes else None,
            column=sample["column"],
            tokens=sample["tokens"],
        )
        self.report.add(planned, sample["end_seconds"] - sample["start_seconds"])
        self.samples.append(sample)

    def drop(self, clip: DroppedClip) -> None:
        """Count a clip that the format does not take."""
        self.report.add(PlannedClip(dropped=clip["reason"]), clip["seconds"])
        self.dropped.append(clip)

    def as_json(self) -> dict[str, Any]:
        """The part of the manifest."""
        return {
            "missing": self.missing,
            "dropped_clips": self.dropped,
            "samples": self.samples,
            "sound": dict(Counter(sound for each in self.samples for sound in each["sounds"])),
            **self.report.as_json(),
        }
