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
    with storage_errors(folder):
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
    for video_id, uri in dataset.sql("select video_id, uri from videos order by uri").fetchall():
        path = Path(uri)
        if video_id and path.is_file():
            places.setdefault(video_id, path)
    relation = dataset.clips_relation(subset)
    for batch in relation.to_arrow_reader(1024):
        for row in batch.to_pylist():
            clip = row_to_clip(row)
            yield ExportItem(clip, row, places.get(row["video_id"]))
