"""Publishes a subset: gathers its clips with their sources and lets an exporter write them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from internvid.core.config import identity
from internvid.core.contracts import Exporter, ExportItem
from internvid.core.errors import OutputExistsError
from internvid.dataset.parts import TEMPORARY_SUFFIX, commit_json, storage_errors
from internvid.dataset.store import Dataset
from internvid.dataset.tables import row_to_clip
from internvid.dataset.uris import uri_to_path
from internvid.publish.shards import NOTES

MANIFEST = "manifest.json"
ASKED = "asked.json"

Progress = Callable[[int, int], None]
"""Is told how many clips are done, and of how many."""


def publish(
    dataset: Dataset,
    folder: Path,
    exporter: Exporter,
    subset: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write clips in a public format, with a manifest that says where they came from.

    An export that was interrupted goes on when the same one is asked for again: shards that are
    there are not written anew, and the end is the same to the byte.

    Args:
        dataset: what to publish from.
        folder: new, empty, or of such an export; the manifest, written last, says it is whole.
        exporter: the format.
        subset: only its clips; every kept clip when None.
        progress: is told how many clips are done, and of how many.

    Raises:
        OutputExistsError: the folder holds something else.
    """
    asked = {"exporter": identity(exporter), "cut": dataset.record.cut, "subset": subset}
    _claim(folder, asked)
    with storage_errors(folder), dataset.reading():
        folder.mkdir(parents=True, exist_ok=True)
        commit_json(folder / NOTES / ASKED, asked)
        total = dataset.clips_relation(subset).count("*").fetchall()[0][0]
        items = _counted(export_items(dataset, subset), total, progress)
        manifest = exporter.export(items, folder) | asked
        commit_json(folder / MANIFEST, manifest)
        shutil.rmtree(folder / NOTES)
    return manifest


def _claim(folder: Path, asked: dict[str, Any]) -> None:
    """Makes sure that the folder is free, or holds this very export, unfinished."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    path = folder / NOTES / ASKED
    if not path.is_file():
        raise OutputExistsError(
            f"{folder} exists and is not empty", hint="choose a new folder for the export"
        )
    if (folder / MANIFEST).is_file():
        # Whole but for its last step.
        shutil.rmtree(folder / NOTES)
        raise OutputExistsError(
            f"{folder} holds a finished export", hint="choose a new folder for the export"
        )
    if json.loads(path.read_text("utf-8")) != json.loads(json.dumps(asked)):
        raise OutputExistsError(
            f"{folder} holds an unfinished export of other clips or settings",
            hint="ask for the same to go on with it, or remove it, or choose a new folder",
        )
    for left in folder.rglob(f"*{TEMPORARY_SUFFIX}"):
        left.unlink()


def _counted(
    items: Iterator[ExportItem], total: int, progress: Progress | None
) -> Iterator[ExportItem]:
    for at, item in enumerate(items):
        if progress is not None:
            progress(at, total)
        yield item
    if progress is not None:
        progress(total, total)


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
