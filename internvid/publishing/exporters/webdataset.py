"""WebDataset export: tar shards of (mp4, txt, json) triples that training code streams."""

from __future__ import annotations

import functools
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from internvid.core.contracts import ExportItem
from internvid.core.errors import ConfigInvalidError
from internvid.publishing.members import (
    json_member,
    refuse_quality,
    refuse_unknown_column,
    text_member,
)
from internvid.publishing.shards import WrittenClip, add_file, write_shards
from internvid.publishing.source_files import ClipReader, span_of
from internvid.video.cut import CutOptions, cut_span


@dataclass(frozen=True)
class WebDatasetExporter:
    """Shards `shard-000000.tar` with `<clip_id>.mp4`, `.txt` (caption) and `.json` (columns).

    The `.json` also has the `uri` and the `metadata` (JSON text) of the source. Every member has
    one type in all samples: see `internvid.publishing.members`.

    Attributes:
        clips_per_shard: how many clips a shard takes.
        caption: the column written as `.txt`, which is empty for clips without a value. No `.txt`
            is written if this is empty, or if it is the default and clips have no such column.
        short_side: pixels of the shorter side of the written video; smaller ones stay.
        crf: x264 quality, lower is better.
    """

    version: ClassVar[int] = 5
    clips_per_shard: int = 500
    caption: str = "measured"
    short_side: int = 360
    crf: int = 23

    def __post_init__(self) -> None:
        for name in ("clips_per_shard", "short_side"):
            if getattr(self, name) < 1:
                raise ConfigInvalidError(f"{name} must be at least 1, got {getattr(self, name)}")
        refuse_quality(self.crf)

    def check(self, columns: Mapping[str, str]) -> None:
        """Refuse a caption that clips do not have.

        Raises:
            ConfigInvalidError: no column is called so.
        """
        if self.caption not in ("", type(self).caption):
            refuse_unknown_column(self.caption, columns, "caption")

    def export(self, items: Iterable[ExportItem], folder: Path) -> dict[str, Any]:
        """Write every clip whose source can be read; the others are listed with their reason."""
        manifest: dict[str, Any] = {"files": [], "clips": 0, "missing": []}
        reader = ClipReader()
        add = functools.partial(self._add, reader)
        for shard in write_shards(items, folder, self.clips_per_shard, add):
            manifest["files"] += [shard.name] if shard.name else []
            manifest["clips"] += len(shard.clips)
            manifest["missing"] += shard.missing
        reader.close()
        return manifest

    def _add(self, reader: ClipReader, shard: tarfile.TarFile, item: ExportItem) -> WrittenClip:
        options = CutOptions(short_side=self.short_side, crf=self.crf)
        name = item.clip.clip_id
        members = {
            ".mp4": cut_span(reader.of(item), span_of(item), options),
            ".json": json_member(item),
        }
        if self.caption in item.row:
            members[".txt"] = text_member(item.row, self.caption)
        for suffix, data in members.items():
            add_file(shard, f"{name}{suffix}", data)
        return {"clip_id": name}
