"""What exporters of video files share: a text and a cut for each clip, a file for each window."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypedDict

from internvid.core.contracts import ExportItem
from internvid.core.errors import ConfigInvalidError, VideoError
from internvid.publishing.clip_files import ClipDroppedError, FilesOfClip, write_clip_files
from internvid.publishing.cut_report import CutReport, PlannedClip, plan_cut, seconds_of
from internvid.publishing.index_files import IndexFile, WrittenVideo, writing_indexes
from internvid.publishing.members import refuse_unknown_column
from internvid.publishing.source_files import ClipReader, span_of
from internvid.video.cutting.cut_clip import cut_clip
from internvid.video.cutting.cut_picture import Bars
from internvid.video.cutting.cut_plan import CutPlan
from internvid.video.cutting.cut_windows import TOO_SHORT

NO_CAPTION = "no_caption"
_BARS = ("letterbox_share", "pillarbox_share")


class ExportedClip(TypedDict):
    """What a manifest says of a clip (`samples`), in the order of the export.

    Attributes:
        clip_id, video_id, source_id: as in the dataset.
        uri: of the source, as it travels.
        start_seconds, end_seconds: of the clip in its source.
        files: names of what was written of it, below the export's folder.
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


class DroppedClip(TypedDict):
    """A clip that the format does not take (`dropped_clips`), and why; `seconds` is its length."""

    clip_id: str
    reason: str
    seconds: float


@dataclass(frozen=True)
class VideoFilesExporter:
    """One MP4 for each window of each clip that has a text, and files that list them.

    What a layout adds: where videos lie (`videos`), files beside them (`beside`), and `indexes`.

    Attributes:
        caption: the column with the text, which is written in one line; empty for prefix and
            trigger alone. A clip without one is dropped.
        prefix: put before the caption as it is.
        trigger: a word for what is taught, put before the caption, behind the prefix.
        cut: rate, frame counts, windows, size, bars, sound and quality.
    """

    videos: ClassVar[str] = "videos/"
    """Folder of the videos below the export's, with `/` at its end; empty for the folder itself."""

    caption: str = "measured"
    prefix: str = ""
    trigger: str = ""
    cut: CutPlan = field(default_factory=CutPlan)

    def __post_init__(self) -> None:
        if not self.caption and not (self.prefix + self.trigger).strip():
            raise ConfigInvalidError(
                "caption is empty, and so are prefix and trigger: nothing would be written as text",
                hint="name a column, or give a trigger",
            )

    def check(self, columns: Mapping[str, str]) -> None:
        """Refuse a caption, or a crop, of which clips have no column.

        Raises:
            ConfigInvalidError: no column is called so.
        """
        if self.caption:
            refuse_unknown_column(self.caption, columns, "caption")
        if self.cut.crop == "bars" and not set(_BARS) <= set(columns):
            raise ConfigInvalidError(
                f"cut.crop=bars: clips have no columns {' and '.join(_BARS)}",
                hint="build with the signal borders",
            )

    def indexes(self) -> Sequence[IndexFile]:
        """Files that list the videos."""
        return ()

    def beside(self, text: str) -> Mapping[str, bytes]:
        """Ending -> bytes of files beside each video."""
        return {}

    def text_of(self, row: Mapping[str, Any]) -> str | None:
        """The text of a clip; None where it has no caption."""
        caption = " ".join(str(row.get(self.caption) or "").split()) if self.caption else ""
        if self.caption and not caption:
            return None
        return self.prefix + " ".join(part for part in (self.trigger.strip(), caption) if part)

    def plan_clip(self, item: ExportItem) -> PlannedClip:
        """What would be written of a clip, from its row alone."""
        if self.text_of(item.row) is None:
            return PlannedClip(dropped=NO_CAPTION)
        return plan_cut(item, self.cut)

    def export(self, items: Iterable[ExportItem], folder: Path) -> dict[str, Any]:
        """Write every clip whose source can be read; the others are listed with their reason."""
        report = CutReport()
        indexes = self.indexes()
        files: list[str] = []
        missing: list[Any] = []
        dropped: list[DroppedClip] = []
        samples: list[ExportedClip] = []
        reader = ClipReader()
        make = functools.partial(self._make, reader)
        with writing_indexes(folder, indexes) as add:
            for item, written in write_clip_files(items, folder, self._refusal, make):
                files += written["files"]
                if written["missing"] is not None:
                    missing.append(written["missing"])
                    continue
                report.add(_planned(written), seconds_of(item))
                if written["dropped"] is not None:
                    dropped.append(_dropped(item, written["dropped"]))
                else:
                    samples.append(_exported(item, written))
                    for video in self._videos(item, written):
                        add(video)
        reader.close()
        return {
            "files": [*files, *(index.file for index in indexes)],
            "missing": missing,
            "dropped_clips": dropped,
            "samples": samples,
            "indexes": [index.facts() for index in indexes],
            "sound": dict(Counter(sound for each in samples for sound in each["sounds"])),
            **report.as_json(),
        }

    def _refusal(self, item: ExportItem) -> str | None:
        if self.text_of(item.row) is None:
            return NO_CAPTION
        # Frames that a fast scan skipped are counted when they are read.
        is_counted = self.cut.rate is not None or item.video.get("scan_mode") == "full"
        return plan_cut(item, self.cut).dropped if is_counted else None

    def _make(
        self, reader: ClipReader, item: ExportItem
    ) -> tuple[Mapping[str, bytes], dict[str, Any]]:
        letterbox, pillarbox = (float(item.row.get(name) or 0) for name in _BARS)
        try:
            written = cut_clip(
                reader.of(item),
                span_of(item),
                self.cut,
                Bars(letterbox, pillarbox),
                reader.sounds_of(item),
            )
        except VideoError as error:
            if error.reason == TOO_SHORT:
                raise ClipDroppedError(TOO_SHORT) from error
            raise
        text = self.text_of(item.row) or ""
        files: dict[str, bytes] = {}
        windows: list[dict[str, Any]] = []
        for number, window in enumerate(written.windows):
            stem = self.videos + item.clip.clip_id
            if self.cut.windows == "slide":
                stem += f"_w{number:02d}"
            files[f"{stem}.mp4"] = window.data
            files |= {f"{stem}{ending}": data for ending, data in self.beside(text).items()}
            windows.append(
                {
                    "path": f"{stem}.mp4",
                    "frames": window.window.frames,
                    "seconds": window.seconds,
                    "size": list(window.size),
                    "sound": window.sound,
                }
            )
        return files, {"windows": windows, "unused_seconds": written.unused_seconds}

    def _videos(self, item: ExportItem, written: FilesOfClip) -> Iterator[WrittenVideo]:
        text, rate = self.text_of(item.row) or "", self.cut.rate
        for number, window in enumerate(written["facts"]["windows"]):
            width, height = window["size"]
            frames, seconds = window["frames"], window["seconds"]
            yield WrittenVideo(
                item=item,
                path=window["path"],
                text=text,
                number=number,
                frames=frames,
                seconds=seconds,
                width=width,
                height=height,
                fps=round(float(rate) if rate else frames / seconds, 6),
                sound=window["sound"],
            )


def _planned(written: FilesOfClip) -> PlannedClip:
    facts = written["facts"]
    windows = facts.get("windows", ())
    return PlannedClip(
        tuple(window["seconds"] for window in windows),
        tuple(window["frames"] for window in windows),
        facts.get("unused_seconds", 0.0),
        written["dropped"],
    )


def _dropped(item: ExportItem, reason: str) -> DroppedClip:
    return {"clip_id": item.clip.clip_id, "reason": reason, "seconds": seconds_of(item)}


def _exported(item: ExportItem, written: FilesOfClip) -> ExportedClip:
    windows, clip = written["facts"]["windows"], item.clip
    return {
        "clip_id": clip.clip_id,
        "video_id": clip.video_id,
        "source_id": str(item.row.get("source_id") or clip.video_id),
        "uri": item.uri,
        "start_seconds": clip.span.start_seconds,
        "end_seconds": clip.span.end_seconds,
        "files": written["files"],
        "frames": [window["frames"] for window in windows],
        "seconds": [window["seconds"] for window in windows],
        "sounds": [window["sound"] for window in windows],
        "unused_seconds": written["facts"]["unused_seconds"],
    }
