"""Tars of pictures with texts, as trainers of image-text models read them (open_clip)."""

from __future__ import annotations

import functools
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import PIL.Image

from internvid.core.contracts import ExportItem, ExportItems
from internvid.core.errors import ConfigInvalidError
from internvid.core.sequences import middles, spread
from internvid.publishing.cut_report import CutReport, PlannedClip
from internvid.publishing.index_files import tar_facts
from internvid.publishing.members import json_member
from internvid.publishing.shards import (
    ClipDroppedError,
    DroppedClip,
    WrittenClip,
    add_file,
    write_shards,
)
from internvid.publishing.source_files import ClipReader, span_of
from internvid.publishing.text_exporter import NO_CAPTION, TextExporter
from internvid.video.reader import read_chosen

_NO_PICTURES = "no_pictures"


@dataclass(frozen=True)
class KeyFramesExporter(TextExporter):
    """Shards `shard-000000.tar` with `<clip_id>.jpg`, `.txt` and `.json`, a sample a picture.

    With several pictures a clip, samples are `<clip_id>_k00` and so on. A clip without a text is
    dropped. Other fields are those of `TextExporter`.

    Attributes:
        frames: pictures of a clip, from the middles of as many equal parts of it.
        short_side: pixels of the shorter side, read from the sources; None takes the pictures that
            the scan stored, for which no source has to be there.
        quality: of the JPEGs, where sources are read.
        clips_per_shard: how many clips a shard takes.
    """

    version: ClassVar[int] = 1
    frames: int = 1
    short_side: int | None = None
    quality: int = 90
    clips_per_shard: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("frames", "short_side", "clips_per_shard"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigInvalidError(f"{name} must be at least 1, got {value}")
        if not 1 <= self.quality <= 100:
            raise ConfigInvalidError(
                f"quality must be from 1 to 100, got {self.quality}", hint="90 is usual"
            )

    def plan_clip(self, item: ExportItem) -> PlannedClip:
        """What would be written of a clip, which has no length."""
        return PlannedClip((), dropped=self._refusal(item))

    def export(self, items: ExportItems, folder: Path) -> dict[str, Any]:
        """Write every clip with pictures; the others are listed with their reason."""
        files: list[str] = []
        missing: list[Any] = []
        samples: list[Any] = []
        dropped: list[DroppedClip] = []
        reader = ClipReader()
        shards = write_shards(
            items,
            folder,
            self.clips_per_shard,
            functools.partial(self._add, items, reader),
            self._refusal,
            reads_sources=self.short_side is not None,
        )
        for shard in shards:
            files += [shard.name] if shard.name else []
            missing += shard.missing
            samples += [{**written, "files": [shard.name]} for written in shard.clips]
            dropped += shard.dropped
        reader.close()
        report = CutReport()
        for each in dropped:
            report.add(PlannedClip(dropped=each["reason"]), each["seconds"])
        counts = report.as_json()
        return {
            "files": files,
            "clips": len(samples),
            "missing": missing,
            "dropped_clips": dropped,
            "dropped": counts["dropped"],
            "dropped_hours": counts["dropped_hours"],
            "samples": samples,
            "indexes": [tar_facts(name) for name in files],
        }

    def _refusal(self, item: ExportItem) -> str | None:
        return NO_CAPTION if self.text_of(item.row) is None else None

    def _add(
        self, items: ExportItems, reader: ClipReader, shard: tarfile.TarFile, item: ExportItem
    ) -> WrittenClip:
        clip = item.clip
        text = (self.text_of(item.row) or "").encode("utf-8")
        pictures = list(self.pictures(items, reader, item))
        if not pictures:
            raise ClipDroppedError(_NO_PICTURES)
        for number, jpeg in enumerate(pictures):
            stem = clip.clip_id if self.frames == 1 else f"{clip.clip_id}_k{number:02d}"
            width, height = PIL.Image.open(io.BytesIO(jpeg)).size
            facts = {"picture": number, "width": width, "height": height}
            add_file(shard, f"{stem}.jpg", jpeg)
            add_file(shard, f"{stem}.txt", text)
            add_file(shard, f"{stem}.json", json_member(item, facts))
        return {
            "clip_id": clip.clip_id,
            "video_id": clip.video_id,
            "source_id": str(item.row.get("source_id") or clip.video_id),
            "uri": item.uri,
            "start_seconds": clip.span.start_seconds,
            "end_seconds": clip.span.end_seconds,
            "pictures": len(pictures),
        }

    def pictures(self, items: ExportItems, reader: ClipReader, item: ExportItem) -> Iterator[bytes]:
        """JPEGs of a clip, in time order.

        Args:
            items: that have the pictures which the scan stored.
            reader: of sources.
            item: the clip.

        Raises:
            VideoError: its source cannot be read.
        """
        if self.short_side is None:
            picks = items.pictures_of(item)
            yield from (picks[at].jpeg for at in spread(range(len(picks)), self.frames))
            return
        painted = read_chosen(
            reader.of(item),
            span_of(item),
            lambda available: middles(available, min(available, self.frames)),
            self.short_side,
        )
        for picture in painted:
            buffer = io.BytesIO()
            PIL.Image.fromarray(picture).save(buffer, "JPEG", quality=self.quality)
            yield buffer.getvalue()
