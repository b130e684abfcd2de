"""Makes interleaved documents: their rows, and the videos or frames of the clips that are shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from internvid.conversations.documents.clip_media import (
    ClipMediaReader,
    ClipPixels,
    MediaSettings,
    write_pieces,
)
from internvid.conversations.documents.document_clips import ClipRow
from internvid.conversations.documents.document_shards import MadeDocument, json_bytes
from internvid.conversations.interleaved.interleaved_document import (
    InterleavedDocument,
    PlannedDocument,
    VideoItem,
)
from internvid.conversations.interleaved.interleaved_layouts import layout_row
from internvid.core.contracts import ExportItem
from internvid.dataset.releases.documents.document_tables import ClipOfDocument
from internvid.publishing.clip_items import ClipItems
from internvid.publishing.shards import MissingClip


class InterleavedMaker:
    """Makes the documents of a shard: their rows, and the pixels of their clips.

    Args:
        media: what is written of a clip that is shown.
        layout: of a row.
        in_tars: whether pictures are members beside the row.
        items: the clips, which know their sources.
        folder: of the export.
    """

    def __init__(
        self, media: MediaSettings, layout: str, items: ClipItems, folder: Path, *, in_tars: bool
    ) -> None:
        self._media, self._layout, self._in_tars = media, layout, in_tars
        self._items, self._folder = items, folder
        self._reader = ClipMediaReader(media, items)

    def close(self) -> None:
        """Let go of the last source."""
        self._reader.close()

    def make(self, batch: Sequence[PlannedDocument]) -> Iterator[MadeDocument]:
        """The documents of some plans, in their order."""
        items: Mapping[str, ExportItem] = {}
        if self._media.pixels != "none":
            shown = (one.row.clip_id for each in batch for one in each.clips if one.is_shown)
            items = self._items.of_clips(set(shown))
        for planned in batch:
            yield self._made(planned, items)

    def _made(self, planned: PlannedDocument, items: Mapping[str, ExportItem]) -> MadeDocument:
        shown: dict[str, VideoItem] = {}
        files: dict[str, list[str]] = {}
        members: dict[str, bytes] = {}
        missing: list[MissingClip] = []
        pictures: dict[str, bytes] = {}
        for one in planned.clips:
            if not one.is_shown:
                continue
            row = one.row
            if self._media.pixels == "none":
                shown[row.clip_id] = item_in_source(row, self._media.frames)
                continue
            item = items.get(row.clip_id)
            made = None if item is None else self._reader.of(item)
            if not isinstance(made, ClipPixels):
                missing += [] if made is None else [made]
                continue
            names = self._placed(planned, len(shown), row, made, members, pictures)
            files[row.clip_id] = names if self._writes_files else []
            shown[row.clip_id] = _video_item(row, made, names, self._media.frames)
        if not shown:
            return MadeDocument(planned.document_id, missing=missing, left_out="no_pixels")
        document = planned.written(shown)
        row_bytes = json_bytes(layout_row(document, self._layout, pictures))
        return MadeDocument(
            document.document_id,
            {"json": row_bytes, **members},
            document.counts,
            _clips_of(planned, document, files),
            missing,
        )

    @property
    def _writes_files(self) -> bool:
        """Whether pictures lie in files of their own."""
        return not self._in_tars and self._layout != "mmc4"

    def _placed(
        self,
        planned: PlannedDocument,
        number: int,
        row: ClipRow,
        made: ClipPixels,
        members: dict[str, bytes],
        pictures: dict[str, bytes],
    ) -> list[str]:
        """Puts the pieces of a clip where they belong; returns how the row names them."""
        if self._writes_files:
            return write_pieces(self._folder, row.clip_id, made)
        endings = [f"{number:03d}{piece.suffix.replace('_', '.')}" for piece in made.pieces]
        names = [f"{planned.document_id}.{ending}" for ending in endings]
        for ending, name, piece in zip(endings, names, made.pieces, strict=True):
            pictures[name] = piece.data
            if self._layout != "mmc4":  # which has them in its row
                members[ending] = piece.data
        return names


def item_in_source(row: ClipRow, frames: int) -> VideoItem:
    """The place of a clip in its source."""
    start, end = row.start_seconds, row.end_seconds
    assert start is not None
    assert end is not None
    return VideoItem(row.clip_id, row.uri or "", start, end, frames)


def _video_item(
    row: ClipRow, made: ClipPixels, names: Sequence[str], most_frames: int
) -> VideoItem:
    if made.seconds:
        frames = min(made.frames, most_frames)
        return VideoItem(row.clip_id, names[0], 0.0, made.seconds, frames)
    start, end = row.start_seconds or 0.0, row.end_seconds or 0.0
    return VideoItem(row.clip_id, "", start, end, made.frames, tuple(names))


def _clips_of(
    planned: PlannedDocument, document: InterleavedDocument, files: Mapping[str, list[str]]
) -> list[ClipOfDocument]:
    rows = {one.row.clip_id: one.row for one in planned.clips}
    return [
        ClipOfDocument(
            clip_id=clip_id,
            video_id=rows[clip_id].video_id,
            source_id=rows[clip_id].source_id,
            uri=rows[clip_id].uri,
            files=files.get(clip_id, []),
        )
        for clip_id in document.clip_ids
    ]
