"""An exporter with an index of every form, a page, a fixed file, and a file that clips share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from internvid.core.contracts import ExportItems
from internvid.dataset.parts import commit_bytes
from internvid.publishing.index_files import IndexFile, WrittenVideo
from internvid.publishing.video_files import VideoFilesExporter

SHARED = "notes/shared.txt"


@dataclass(frozen=True)
class EveryFormExporter(VideoFilesExporter):
    """Lists videos as JSON, JSON lines with a list of paths, csv and Parquet."""

    version: ClassVar[int] = 1

    def indexes(self, items: ExportItems) -> Sequence[IndexFile]:
        """Paths in all the ways in which a row may have one."""
        schema = pa.schema(
            [
                ("video", pa.struct([("path", pa.string())])),
                ("text", pa.string()),
                ("sizes", pa.list_(pa.int32())),
            ]
        )
        return (
            IndexFile("all.json", "json", "video", _plain),
            IndexFile("chat.jsonl", "jsonl", "videos", _chat),
            IndexFile("sub/rows.csv", "csv", "name", _row, root="videos/"),
            IndexFile("rows.parquet", "parquet", "video.path", _nested, schema),
        )

    def export(self, items: ExportItems, folder: Path) -> dict[str, Any]:
        """What the others write, and two files more."""
        manifest = super().export(items, folder)
        commit_bytes(folder / SHARED, b"of two clips")
        commit_bytes(folder / "fixed.json", b'{"columns": {"videos": "videos"}}\n')
        for sample in manifest["samples"][-2:]:
            sample["files"] = [*sample["files"], SHARED]
        manifest["files"] += [SHARED, "fixed.json"]
        return manifest

    @staticmethod
    def describe(manifest: Mapping[str, Any], folder: Path) -> dict[str, bytes]:
        """A page that names every clip, and counts the rows of an index."""
        lines = (folder / "chat.jsonl").read_text("utf-8").count("\n")
        names = "".join(f"- {sample['clip_id']}\n" for sample in manifest["samples"])
        text = f"{manifest['clips']} clips, {lines} rows, {manifest['hours']} h\n{names}"
        return {"README.md": text.encode("utf-8")}


def _plain(video: WrittenVideo) -> dict[str, Any]:
    return {"video": video.path, "text": f'{video.text} "\u2028é"', "frames": video.frames}


def _chat(video: WrittenVideo) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": video.text}], "videos": [video.path]}


def _row(video: WrittenVideo) -> dict[str, Any]:
    text = f'says "{video.text}",\nin two lines'
    return {"text": text, "name": video.path.removeprefix("videos/"), "fps": video.fps}


def _nested(video: WrittenVideo) -> dict[str, Any]:
    size = [video.width, video.height]
    return {"video": {"path": video.path}, "text": video.text, "sizes": size}
