"""Rows of interleaved documents as public readers take them.

- `items`: ours, with every item by name.
- `obelics`: `images` and `texts` of equal length, at each place exactly one of them (OBELICS).
- `mmc4`: `text_list` and `image_info` with JPEGs in base64, as OpenFlamingo's tars of MMC4.
- `messages`: one assistant message with `<video>` in it, and `videos` (ms-swift, LLaMA-Factory).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from internvid.conversations.interleaved.interleaved_document import (
    InterleavedDocument,
    Item,
    VideoItem,
)

LAYOUTS = ("items", "obelics", "mmc4", "messages")


def layout_row(
    document: InterleavedDocument, layout: str, pictures: Mapping[str, bytes]
) -> dict[str, Any]:
    """A document as a row.

    Args:
        document: what is written.
        layout: one of `LAYOUTS`.
        pictures: path -> JPEG, for `mmc4`, which holds them.
    """
    if layout == "obelics":
        return obelics_row(document)
    if layout == "mmc4":
        return mmc4_row(document, pictures)
    return messages_row(document) if layout == "messages" else items_row(document)


def items_row(document: InterleavedDocument) -> dict[str, Any]:
    """`id`, `format`, `video_ids`, `items` and `counts`."""
    return {
        "id": document.document_id,
        "format": document.format,
        "video_ids": list(document.video_ids),
        "items": [_item(item) for item in document.items],
        "counts": document.counts,
    }


def obelics_row(document: InterleavedDocument) -> dict[str, Any]:
    """`images` and `texts`, and what is known of each place as JSON texts.

    A clip of several frames takes a place for each of them.
    """
    images: list[str | None] = []
    texts: list[str | None] = []
    facts: list[dict[str, Any] | None] = []
    for item in document.items:
        if isinstance(item, VideoItem):
            for path in item.pictures or (item.path,):
                images.append(path)
                texts.append(None)
                facts.append(
                    {
                        "clip_id": item.clip_id,
                        "start": item.start_seconds,
                        "end": item.end_seconds,
                    }
                )
        else:
            images.append(None)
            texts.append(item.text)
            facts.append(None)
    general = {
        "id": document.document_id,
        "format": document.format,
        "video_ids": list(document.video_ids),
    }
    return {
        "id": document.document_id,
        "images": images,
        "texts": texts,
        "metadata": json.dumps(facts),
        "general_metadata": json.dumps(general),
    }


def mmc4_row(document: InterleavedDocument, pictures: Mapping[str, bytes]) -> dict[str, Any]:
    """`text_list`, `image_info` and `similarity_matrix`.

    A picture is matched with the first text of its clip, and stands before it. The similarity is 1
    there and 0 elsewhere: it says which text belongs to a picture, and is no model's score.
    """
    texts: list[str] = []
    owners: list[str] = []
    for item in document.items:
        if not isinstance(item, VideoItem):
            texts.append(item.text)
            owners.append(item.clip_id)
    info: list[dict[str, Any]] = []
    matrix: list[list[float]] = []
    for item in document.shown:
        at = owners.index(item.clip_id)
        for path in item.pictures:
            info.append(
                {
                    "image_name": path,
                    "matched_text_index": at,
                    "matched_sim": 1.0,
                    "image_base64": base64.b64encode(pictures[path]).decode("ascii"),
                }
            )
            matrix.append([float(place == at) for place in range(len(texts))])
    return {
        "id": document.document_id,
        "text_list": texts,
        "image_info": info,
        "similarity_matrix": matrix,
    }


def messages_row(document: InterleavedDocument) -> dict[str, Any]:
    """One message of the assistant, with as many `<video>` as there are `videos`."""
    parts = [
        "<video>" if isinstance(item, VideoItem) else f"{item.text}\n" for item in document.items
    ]
    return {
        "messages": [{"role": "assistant", "content": "".join(parts).rstrip("\n")}],
        "videos": [item.path for item in document.shown],
        "id": document.document_id,
    }


def _item(item: Item) -> dict[str, Any]:
    if not isinstance(item, VideoItem):
        return {"type": "text", "role": item.role, "clip_id": item.clip_id, "text": item.text}
    row: dict[str, Any] = {
        "type": "video",
        "clip_id": item.clip_id,
        "path": item.path,
        "start": item.start_seconds,
        "end": item.end_seconds,
        "frames": item.frames,
    }
    return {**row, "pictures": list(item.pictures)} if item.pictures else row
