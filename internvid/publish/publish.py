"""Publishes a subset: gathers its clips with their sources and lets an exporter write them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from internvid.core.config import identity
from internvid.core.contracts import Exporter, ExportItem
from internvid.core.errors import OutputExistsError
from internvid.dataset.parts import commit_json, storage_errors
from internvid.dataset.store import Dataset
from internvid.dataset.tables import row_to_clip
from internvid.dataset.uris import uri_to_path

MANIFEST = "manifest.json"


def publish(
    dataset: Dataset, folder: Path, exporter: Exporter, subset: str | None = None
) -> dict[str, Any]:
    """Write clips in a public format, with a manifest that says where they came from.

    Args:
        dataset: what to publish from.
        folder: new or empty; the manifest, written last, says the export is whole.
        exporter: the format.
        subset: only its clips; every kept clip when None.

    Raises:
        OutputExistsError: the folder holds something else.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputExistsError(
            f"{folder} exists and is not empty", hint="choose a new folder for the export"
        )
    with storage_errors(folder), dataset.reading():
        folder.mkdir(parents=True, exist_ok=True)
        manifest = exporter.export(export_items(dataset, subset), folder)
        manifest["exporter"] = identity(exporter)
        manifest["cut"] = dataset.record.cut
        manifest["subset"] = subset
        commit_json(folder / MANIFEST, manifest)
    return manifest


def export_items(dataset: Dataset, subset: str | None) -> Iterator[ExportItem]:
    """Clips in video and time order, each with a source file that still exists, or None."""
    places: dict[str, Path | None] = {}
    rows = dataset.sql("select video_id, uri, status, file_bytes from videos order by uri")
    for video_id, uri, status, size in rows.fetchall():
        if status in ("ok", "duplicate") and _still_there(path := uri_to_path(uri), size):
            places.setdefault(video_id, path)
    relation = dataset.clips_relation(subset)
    for batch in relation.to_arrow_reader(1024):
        for row in batch.to_pylist():
            clip = row_to_clip(row)
            yield ExportItem(clip, row, places.get(row["video_id"]))


def _still_there(path: Path, size: int | None) -> bool:
    # Another length means other bytes, of which the clip's times say nothing.
    return path.is_file() and (size is None or path.stat().st_size == size)
