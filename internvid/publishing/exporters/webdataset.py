"""WebDataset export: tar shards of (mp4, txt, json) samples that training code streams."""

from __future__ import annotations

import functools
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from internvid.core.contracts import ExportItem, ExportItems
from internvid.core.errors import ConfigInvalidError
from internvid.publishing.cut_exporter import CutExporter
from internvid.publishing.export_summary import ExportedClip
from internvid.publishing.index_files import tar_facts
from internvid.publishing.members import json_member
from internvid.publishing.shards import WrittenClip, add_file, write_shards
from internvid.publishing.source_files import ClipReader
from internvid.video.cutting.cut_plan import CutPlan

_SHORT_SIDE = "360"


@dataclass(frozen=True)
class WebDatasetExporter(CutExporter):
    """Shards `shard-000000.tar` with `<clip_id>.mp4`, `.txt` (text) and `.json` (columns).

    One sample a window; `<clip_id>_w00` where they slide. The `.json` also has the `uri` and the
    `metadata` (JSON text) of the source, and what there is to say of the video. Every member has
    one type in all samples: see `internvid.publishing.members`. The `.txt` is empty for clips
    without a text; none is written if clips have no texts at all.

    Attributes:
        caption: the column with the text; empty for prefix and trigger alone.
        prefix: put before the caption as it is.
        trigger: a word for what is taught, put before the caption, behind the prefix.
        cut: rate, frame counts, windows, size, bars, sound and quality.
        clips_per_shard: how many clips a shard takes.
    """

    version: ClassVar[int] = 6
    needs_text: ClassVar[bool] = False
    cut: CutPlan = field(default_factory=lambda: CutPlan(size=_SHORT_SIDE))
    clips_per_shard: int = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clips_per_shard < 1:
            raise ConfigInvalidError(
                f"clips_per_shard must be at least 1, got {self.clips_per_shard}"
            )

    def export(self, items: ExportItems, folder: Path) -> dict[str, Any]:
        """Write every clip whose source can be read; the others are listed with their reason."""
        summary, files = self.summary(), list[str]()
        reader = ClipReader()
        add = functools.partial(self._add, reader)
        for shard in write_shards(items, folder, self.clips_per_shard, add, self.refusal):
            files += [shard.name] if shard.name else []
            summary.missing += shard.missing
            for dropped in shard.dropped:
                summary.drop(dropped)
            for written in shard.clips:
                sample: ExportedClip = written["sample"]
                summary.add({**sample, "files": [shard.name] if shard.name else []})
        reader.close()
        return {"files": files, "indexes": [tar_facts(name) for name in files], **summary.as_json()}

    def _add(self, reader: ClipReader, shard: tarfile.TarFile, item: ExportItem) -> WrittenClip:
        cut = self.cut_out(reader, item)
        for number, window in enumerate(cut.windows):
            members = {
                ".mp4": window.data,
                ".json": json_member(item, {"window": number, **window.facts}),
            }
            if self.has_texts(item.row):
                members[".txt"] = (self.text_of(item.row) or "").encode("utf-8")
            for suffix, data in members.items():
                add_file(shard, f"{window.stem}{suffix}", data)
        facts = [window.facts for window in cut.windows]
        return {"sample": self.sample_of(item, [], facts, cut.unused_seconds)}
