"""What exporters of documents share: progress, tables, and documents with their clips."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from internvid.conversations.documents.document_clips import ClipRow
from internvid.dataset.releases.documents.document_files import DocumentFile
from internvid.dataset.releases.documents.document_tables import (
    CLIP_TABLE,
    DOCUMENT,
    DOCUMENT_TABLE,
)
from internvid.publishing.clip_items import ClipItems

_EVERY = 64


def by_document(
    note: Mapping[str, Any],
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each document of a shard's note, with its clips."""
    clips: dict[str, list[dict[str, Any]]] = {}
    for clip in note["clips"]:
        named = {name: value for name, value in clip.items() if name != DOCUMENT}
        clips.setdefault(clip[DOCUMENT], []).append(named)
    for document in note["documents"]:
        yield dict(document), clips.get(document[DOCUMENT], [])


def listed_tables() -> list[DocumentFile]:
    """Both tables, as a manifest lists them: last, as they say which documents there are."""
    names = (DOCUMENT_TABLE, CLIP_TABLE)
    return [DocumentFile(file=name, form="parquet", field=DOCUMENT) for name in names]


def with_progress(rows: Iterable[ClipRow], items: ClipItems) -> Iterator[ClipRow]:
    """The rows, with the progress that somebody may want to know."""
    total = len(items) if items.progress is not None else 0
    for at, row in enumerate(rows):
        if items.progress is not None and at % _EVERY == 0:
            items.progress(at, total)
        yield row
    if items.progress is not None:
        items.progress(total, total)
