"""Publishes a subset: gathers its clips with their sources and lets an exporter write them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from internvid.core.config import Identity, identity
from internvid.core.contracts import Exporter
from internvid.core.errors import DatasetBusyError, OutputExistsError
from internvid.core.system.shell import command
from internvid.dataset.layout import read_json
from internvid.dataset.left_temporaries import discard_temporaries
from internvid.dataset.parts import (
    commit_bytes,
    commit_json,
    discard,
    held,
    read_part,
    storage_errors,
)
from internvid.dataset.releases.checksums import (
    CHECKSUMS,
    VERSION,
    checksums_of,
    files_in,
    sealed,
)
from internvid.dataset.releases.origin import making_of, provenance_of
from internvid.dataset.removal.copies import (
    EXPORT,
    MANIFEST,
    REQUEST,
    Copy,
    copy_at,
    digests_of,
    note_copy,
    settle_copy,
)
from internvid.dataset.store import Dataset
from internvid.publishing.clip_items import ClipItems, Progress
from internvid.publishing.pages.page_files import write_pages
from internvid.publishing.shards import NOTES

LOCK = "lock"


class _Request(TypedDict):
    """Which export it is."""

    exporter: Identity
    cut: str | None
    subset: str | None
    keep_paths: bool


def publish(
    dataset: Dataset,
    folder: Path,
    exporter: Exporter,
    subset: str | None = None,
    progress: Progress | None = None,
    *,
    keep_paths: bool = False,
) -> dict[str, Any]:
    """Write clips in a public format, with a manifest that says where they came from.

    An export that was interrupted goes on when the same one is requested again: shards that are
    there are not written anew, and the end is the same to the byte.

    Args:
        dataset: what to publish from.
        folder: new, empty, or of such an export; the manifest, written last, says it is whole.
        exporter: the format.
        subset: only its clips; every kept clip when None.
        progress: is called with how many clips are done, and of how many.
        keep_paths: write whole paths of local sources, not the names of their files alone.

    Raises:
        OutputExistsError: the folder holds something else.
        DatasetBusyError: another process writes there.
    """
    request: _Request = {
        "exporter": identity(exporter),
        "cut": dataset.record.cut,
        "subset": subset,
        "keep_paths": keep_paths,
    }
    # What cannot be asked for is found out before anything is written.
    _refuse_foreign_ids(dataset)
    columns = columns_of(dataset)
    check = getattr(exporter, "check", None)
    if check is not None:
        check(columns)
    with dataset.reading():
        splits = splits_of(dataset, exporter)
        items = ClipItems(dataset, subset, keep_paths, splits, progress)
    _refuse_others(dataset.root, folder, request)
    busy = DatasetBusyError(
        f"another process is writing to {folder}", hint="wait until it ends, or stop it"
    )
    with storage_errors(folder), dataset.reading(), held(folder / NOTES / LOCK, busy):
        _refuse_others(dataset.root, folder, request)  # another process may have ended meanwhile
        discard_temporaries(folder)
        commit_json(folder / NOTES / REQUEST, request)
        copy = _noted(dataset, folder, request)
        manifest: dict[str, Any] = {**exporter.export(items, folder), **request}
        manifest["columns"] = [{"column": name, "type": kind} for name, kind in columns.items()]
        manifest["provenance"] = provenance_of(dataset.layout, subset, keep_paths=keep_paths)
        manifest["making"] = making_of(dataset.record)
        manifest[VERSION] = 1
        if pages := write_pages(manifest, folder):
            manifest["pages"] = pages
            manifest["files"] = [*manifest["files"], *pages]
        rows = checksums_of(folder, files_in(folder))
        manifest, data = sealed({**manifest, CHECKSUMS: rows})
        # Known before it is there: a removal changes no folder whose manifest it does not know.
        settle_copy(dataset.layout, copy, hashlib.sha256(data).hexdigest())
        commit_bytes(folder / MANIFEST, data)
        discard(folder / NOTES)
    return manifest


def _noted(dataset: Dataset, folder: Path, request: _Request) -> Copy:
    """Lets the dataset know of the export, so that a removal of videos reaches it."""
    before = copy_at(dataset.layout, folder)
    copy: Copy = {
        "kind": EXPORT,
        "path": str(folder.resolve()),
        "manifests": [],
        "earlier": digests_of(before) if before else [],  # what lay here may lie elsewhere now
        "exporter": request["exporter"],
        "cut": request["cut"],
        "subset": request["subset"],
        "keep_paths": request["keep_paths"],
    }
    note_copy(dataset.layout, copy)
    return copy


def splits_of(dataset: Dataset, exporter: Exporter) -> Mapping[str, str]:
    """Split -> subset, of an exporter that writes splits; nothing of any other.

    Raises:
        ConfigInvalidError: the exporter cannot be given the dataset's subsets as splits.
    """
    find = getattr(exporter, "subsets_of_splits", None)
    splits: Mapping[str, str] = {} if find is None else find(dataset.subsets())
    return splits


def columns_of(dataset: Dataset) -> dict[str, str]:
    """Name -> Arrow type of every column of clips."""
    with dataset.reading():
        schema = dataset.sql("select * from clips limit 0").to_arrow_table().schema
    return {field.name: re.sub(r"<\w+: ", "<", str(field.type)) for field in schema}


def _refuse_foreign_ids(dataset: Dataset) -> None:
    # They become names of files.
    for part in dataset.parts:
        read_part(dataset.layout.clips(dataset.record.cut or "", part), ["clip_id", "video_id"])


def _refuse_others(root: Path, folder: Path, request: _Request) -> None:
    """Makes sure that the folder is free, or holds this very export, unfinished."""
    if folder.is_dir() and not {path.name for path in folder.iterdir()} - {NOTES}:
        return
    if not folder.exists():
        return
    manifest = read_json(folder / MANIFEST)
    if isinstance(manifest, dict) and "exporter" in manifest:
        check, again = (
            command("publish", root, folder, name) for name in ("--verify", "--reissue")
        )
        raise OutputExistsError(
            f"{folder} holds a finished export",
            hint=f"choose a new folder; to check this one: {check}; to take out of it what is gone "
            f"since: {again}",
        )
    if not (folder / NOTES).is_dir():
        raise OutputExistsError(
            f"{folder} exists and is not empty", hint="choose a new folder for the export"
        )
    try:
        known = json.loads((folder / NOTES / REQUEST).read_text("utf-8"))
    except (OSError, ValueError):
        known = None
    if known != json.loads(json.dumps(request)):
        raise OutputExistsError(
            f"{folder} holds an unfinished export of other clips or settings",
            hint="ask for the same to go on with it, or remove it, or choose a new folder",
        )
