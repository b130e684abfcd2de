"""WebDataset export: tar shards of (mp4, txt, json) triples that training code streams."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from internvid.core.contracts import ExportItem
from internvid.core.errors import VideoError
from internvid.dataset.parts import committed
from internvid.video.cut import CutOptions, cut_span


@dataclass(frozen=True)
class WebDatasetExporter:
    """Shards `shard-000000.tar` with `<clip_id>.mp4`, `.txt` (caption) and `.json` (columns).

    Attributes:
        clips_per_shard: how many clips a shard takes.
        caption: the column written as `.txt`; clips without a value get no `.txt`.
        short_side: pixels of the shorter side of the written video; smaller ones stay.
        crf: x264 quality, lower is better.
    """

    version: ClassVar[int] = 1
    clips_per_shard: int = 500
    caption: str = "measured"
    short_side: int = 360
    crf: int = 23

    def export(self, items: Iterable[ExportItem], folder: Path) -> dict[str, Any]:
        """Write every clip whose source can be read; the others are listed with their reason."""
        manifest: dict[str, Any] = {"files": [], "clips": 0, "missing": []}
        samples = self._samples(items, manifest)
        sample = next(samples, None)
        while sample is not None:
            name = f"shard-{len(manifest['files']):06d}.tar"
            with committed(folder / name) as temporary, tarfile.open(temporary, "w") as shard:
                for _ in range(self.clips_per_shard):
                    if sample is None:
                        break
                    for file_name, data in sample:
                        _add(shard, file_name, data)
                    manifest["clips"] += 1
                    sample = next(samples, None)
            manifest["files"].append(name)
        return manifest

    def _samples(
        self, items: Iterable[ExportItem], manifest: dict[str, Any]
    ) -> Iterator[list[tuple[str, bytes]]]:
        options = CutOptions(short_side=self.short_side, crf=self.crf)
        for item in items:
            clip_id = item.clip.clip_id
            if item.source is None:
                manifest["missing"].append({"clip_id": clip_id, "reason": "source_gone"})
                continue
            try:
                frames = item.row["end_frame"] - item.row["start_frame"]
                video = cut_span(item.source, item.clip, options, frames)
            except VideoError as error:
                manifest["missing"].append({"clip_id": clip_id, "reason": error.reason})
                continue
            facts = json.dumps(dict(item.row), sort_keys=True, ensure_ascii=False, default=str)
            sample = [(f"{clip_id}.mp4", video), (f"{clip_id}.json", facts.encode("utf-8"))]
            text = item.row.get(self.caption)
            if text:
                sample.append((f"{clip_id}.txt", str(text).encode("utf-8")))
            yield sample


def _add(shard: tarfile.TarFile, name: str, data: bytes) -> None:
    # No clock, user or mode of this machine: equal clips make equal shards.
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    shard.addfile(entry, io.BytesIO(data))
