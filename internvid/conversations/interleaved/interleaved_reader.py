"""Reads interleaved documents back, and says of each row what is wrong with it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from internvid.conversations.documents.row_files import (
    Faults,
    ReadRow,
    files_with_rows,
    read_rows,
)
from internvid.conversations.interleaved.interleaved_document import (
    FORMATS,
    TEXT_ROLES,
    Format,
    InterleavedDocument,
    Item,
    TextItem,
    VideoItem,
)

_FILES = ("documents-*.jsonl", "documents-*.tar")


class RowError(Exception):
    """A row that is none; its arguments are the reason, a word, and the detail."""


@dataclass
class InterleavedReading:
    """Documents of a file or of an export; gone through as often as wanted.

    Attributes:
        path: a file (`.jsonl`, `.tar`) or the folder of an export.
        faults: of the rows that were read; others are given all the same.
        rows: how many were read.
    """

    path: Path
    faults: Faults = field(default_factory=Faults)
    rows: int = 0

    def __iter__(self) -> Iterator[InterleavedDocument]:
        """Documents of the layouts `items` and `obelics`; rows of others are only checked."""
        self.faults, self.rows = Faults(), 0
        for path in files_with_rows(self.path, _FILES):
            for row in read_rows(path, self.faults):
                self.rows += 1
                try:
                    document = document_of(row, self.path if self.path.is_dir() else path.parent)
                except RowError as error:
                    self.faults.add(path.name, row.number, *error.args)
                    continue
                if document is not None:
                    yield document

    def check(self) -> Faults:
        """Read all; returns the faults."""
        for _ in self:
            pass
        return self.faults


def document_of(row: ReadRow, folder: Path) -> InterleavedDocument | None:
    """The document of a row; None where its layout has no items.

    Args:
        row: as it was read.
        folder: that paths of videos and pictures start from.

    Raises:
        RowError: it is none.
    """
    value = row.value
    if not isinstance(value, dict):
        raise RowError("not_an_object", f"it is {type(value).__name__}")
    if "items" in value:
        document = _of_items(value)
    elif "images" in value and "texts" in value:
        document = _of_obelics(value)
    elif "text_list" in value:
        _check_mmc4(value)
        return None
    elif "messages" in value:
        _check_messages(value, row, folder)
        return None
    else:
        raise RowError("unknown_layout", f"it has the fields {', '.join(sorted(value))}")
    for item in document.shown:
        for path in item.pictures or ([item.path] if item.path else []):
            _check_file(path, row, folder)
    return document


def _of_items(row: Mapping[str, Any]) -> InterleavedDocument:
    for name, kind in (("id", str), ("format", str), ("video_ids", list), ("items", list)):
        if not isinstance(row.get(name), kind):
            raise RowError("missing_field", f"{name} is no {kind.__name__}")
    if row["format"] not in FORMATS:
        raise RowError("unknown_format", str(row["format"]))
    items = [_item(each) for each in row["items"]]
    counts = row.get("counts")
    tokens = counts.get("tokens", 0) if isinstance(counts, dict) else 0
    document = InterleavedDocument(
        row["id"], cast("Format", row["format"]), row["video_ids"], items, tokens
    )
    _check_whole(document)
    if isinstance(counts, dict) and counts != document.counts:
        differing = sorted(name for name in counts if counts[name] != document.counts.get(name))
        raise RowError("wrong_counts", ", ".join(differing))
    return document


def _item(value: Any) -> Item:
    if not isinstance(value, dict) or not isinstance(value.get("clip_id"), str):
        raise RowError("wrong_item", str(value)[:80])
    if value.get("type") == "text":
        if value.get("role") not in TEXT_ROLES:
            raise RowError("unknown_role", str(value.get("role")))
        if not isinstance(value.get("text"), str) or not value["text"].strip():
            raise RowError("empty_text", value["clip_id"])
        return TextItem(value["clip_id"], value["role"], value["text"])
    if value.get("type") != "video":
        raise RowError("unknown_item", str(value.get("type")))
    start, end = _number(value.get("start")), _number(value.get("end"))
    if start is None or end is None or not 0 <= start < end:
        raise RowError("times_outside", f"{start} to {end} seconds of {value['clip_id']}")
    frames, pictures = value.get("frames"), value.get("pictures", [])
    if not isinstance(frames, int) or frames < 1 or not isinstance(value.get("path"), str):
        raise RowError("wrong_item", str(value)[:80])
    if not value["path"] and not pictures:
        raise RowError("no_picture", value["clip_id"])
    return VideoItem(value["clip_id"], value["path"], start, end, frames, tuple(pictures))


def _check_whole(document: InterleavedDocument) -> None:
    if not document.shown:
        raise RowError("no_video", document.document_id)
    texts = [item for item in document.items if isinstance(item, TextItem)]
    without = {item.clip_id for item in document.shown} - {item.clip_id for item in texts}
    if without:
        raise RowError("no_text", f"of {', '.join(sorted(without))}")
    shown = [item.clip_id for item in document.shown]
    if len(shown) != len(set(shown)):
        raise RowError("shown_twice", document.document_id)


def _of_obelics(row: Mapping[str, Any]) -> InterleavedDocument:
    images, texts = row["images"], row["texts"]
    if not isinstance(images, list) or not isinstance(texts, list) or len(images) != len(texts):
        raise RowError("lengths_differ", "images and texts")
    try:
        facts, general = json.loads(row["metadata"]), json.loads(row["general_metadata"])
        clips = [(each or {}).get("clip_id") for each in facts]
        if len(clips) != len(images):
            raise RowError("lengths_differ", "images and metadata")
        named = general["id"], general["format"], general["video_ids"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RowError("missing_field", f"metadata: {error}") from error
    items: list[Item] = []
    for at, (image, text) in enumerate(zip(images, texts, strict=True)):
        if (image is None) == (text is None):
            raise RowError("both_or_neither", f"place {at}")
        if text is not None:
            items.append(TextItem(_owner(items), "caption", text))
            continue
        before = items[-1] if items else None
        if isinstance(before, VideoItem) and before.clip_id == clips[at]:
            pictures = (*(before.pictures or (before.path,)), image)
            items[-1] = VideoItem(before.clip_id, "", before.start_seconds, before.end_seconds,
                                  len(pictures), pictures)  # fmt: skip
        else:
            items.append(VideoItem(clips[at] or "", image, facts[at]["start"], facts[at]["end"], 1))
    if not any(isinstance(item, VideoItem) for item in items):
        raise RowError("no_video", str(named[0]))
    return InterleavedDocument(named[0], named[1], named[2], items, 0)


def _owner(items: list[Item]) -> str:
    # Of texts alone OBELICS does not say which clip they are of.
    return items[-1].clip_id if items and isinstance(items[-1], VideoItem) else ""


def _check_mmc4(row: Mapping[str, Any]) -> None:
    texts, info = row["text_list"], row.get("image_info")
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise RowError("empty_text", "text_list")
    if not isinstance(info, list) or not info:
        raise RowError("no_video", "image_info")
    matrix = row.get("similarity_matrix")
    if not isinstance(matrix, list) or [len(each) for each in matrix] != [len(texts)] * len(info):
        raise RowError("lengths_differ", "similarity_matrix")
    for each in info:
        at = each.get("matched_text_index") if isinstance(each, dict) else None
        if not isinstance(at, int) or not 0 <= at < len(texts):
            raise RowError("index_outside", str(at))
        if not isinstance(each.get("image_base64"), str) or not each["image_base64"]:
            raise RowError("no_picture", str(each.get("image_name")))


def _check_messages(row: Mapping[str, Any], read: ReadRow, folder: Path) -> None:
    messages, videos = row["messages"], row.get("videos")
    if not isinstance(messages, list) or not isinstance(videos, list) or not videos:
        raise RowError("no_video", "videos")
    texts = [each.get("content") for each in messages if isinstance(each, dict)]
    if len(texts) != len(messages) or not all(isinstance(text, str) for text in texts):
        raise RowError("missing_field", "content")
    marks = sum(text.count("<video>") for text in texts if isinstance(text, str))
    if marks != len(videos):
        raise RowError("wrong_token_count", f"{marks} tokens for {len(videos)} videos")
    for path in videos:
        _check_file(path, read, folder)


def _check_file(path: str, row: ReadRow, folder: Path) -> None:
    """Refuses a path below the folder, or a member, that is not there; sources lie elsewhere."""
    if row.members:
        if path not in row.members:
            raise RowError("picture_missing", path)
    elif path.startswith(("videos/", "frames/")) and not _is_below(folder, path):
        raise RowError("picture_missing", path)


def _is_below(folder: Path, path: str) -> bool:
    return ".." not in path.split("/") and (folder / path).is_file()


def _number(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number and math.isfinite(value) else None
