"""A flat folder of videos with a text beside each: what trainers of text-to-video models read."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from internvid.core.contracts import ExportItem
from internvid.core.errors import ConfigInvalidError, VideoError
from internvid.publishing.clip_files import ClipDroppedError, FilesOfClip, write_clip_files
from internvid.publishing.cut_report import CutReport, PlannedClip, plan_cut, seconds_of
from internvid.publishing.members import refuse_unknown_column
from internvid.publishing.source_files import ClipReader, span_of
from internvid.video.cutting.cut_clip import cut_clip
from internvid.video.cutting.cut_picture import Bars
from internvid.video.cutting.cut_plan import CutPlan
from internvid.video.cutting.cut_windows import TOO_SHORT

NO_CAPTION = "no_caption"
_BARS = ("letterbox_share", "pillarbox_share")


@dataclass(frozen=True)
class FolderExporter:
    """`<clip_id>.mp4` and `<clip_id>.txt`, one pair a window; `<clip_id>_w00` where they slide.

    Trainers that read such a folder: finetrainers, diffusion-pipe, musubi-tuner, ai-toolkit. They
    skip a video without a text, or fail, so a clip without a caption is dropped.

    Attributes:
        caption: the column written as `.txt`, in one line; empty for prefix and trigger alone.
        prefix: put before the caption as it is.
        trigger: a word for what is taught, put before the caption, behind the prefix.
        cut: rate, frame counts, windows, size, bars, sound and quality.
    """

    version: ClassVar[int] = 1
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
        files: list[str] = []
        missing: list[Any] = []
        sounds: Counter[str] = Counter()
        reader = ClipReader()
        make = functools.partial(self._make, reader)
        for item, written in write_clip_files(items, folder, self._refusal, make):
            files += written["files"]
            sounds.update(written["facts"].get("sounds", ()))
            if written["missing"] is not None:
                missing.append(written["missing"])
            else:
                report.add(_planned(written), seconds_of(item))
        reader.close()
        return {"files": files, "missing": missing, "sound": dict(sounds), **report.as_json()}

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
        text = (self.text_of(item.row) or "").encode("utf-8")
        files: dict[str, bytes] = {}
        for number, window in enumerate(written.windows):
            stem = item.clip.clip_id
            if self.cut.windows == "slide":
                stem += f"_w{number:02d}"
            files |= {f"{stem}.mp4": window.data, f"{stem}.txt": text}
        return files, {
            "seconds": [window.seconds for window in written.windows],
            "frames": [window.window.frames for window in written.windows],
            "sounds": [window.sound for window in written.windows],
            "unused_seconds": written.unused_seconds,
        }


def _planned(written: FilesOfClip) -> PlannedClip:
    facts = written["facts"]
    return PlannedClip(
        tuple(facts.get("seconds", ())),
        tuple(facts.get("frames", ())),
        facts.get("unused_seconds", 0.0),
        written["dropped"],
    )
