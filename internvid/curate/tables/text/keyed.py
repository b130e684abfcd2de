"""Tables that are one JSON object of videos by their ids: they become lines, one a clip.

YouCook2: `{"database": {ID: {"duration", "annotations": [{"segment", "sentence", ...}], ...}}}`.
ActivityNet Captions: `{ID: {"duration", "timestamps", "sentences"}}`, ids with `v_` before them.

Such files are small, and are read whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from internvid.curate.tables.faults import MOST_CHARACTERS, FaultyLine
from internvid.curate.tables.files import TableFiles
from internvid.curate.tables.text.line_blocks import read_pieces
from internvid.dataset.parts import storage_errors

# A file that is read whole takes ten times its size; the published ones have some megabytes.
_MOST_BYTES = 128 << 20
_BEGIN = re.compile(rb'\s*\{\s*"[^"]*"\s*:\s*\{')
# ActivityNet writes an id of eleven characters with two more before them.
_PREFIX, _PREFIXED = "v_", 13
Entries = Mapping[str, Any]


def read_keyed(files: TableFiles, target: Path) -> tuple[TableFiles, list[FaultyLine]] | None:
    """Write the clips of files that are each one object of videos as lines of JSON.

    Args:
        files: of a table.
        target: the file of lines.

    Returns:
        The file, and the videos that have no clips; None where a file is something else.

    Raises:
        StorageError: the disk is full.
    """
    if files.form != "json":
        return None
    videos: list[tuple[Path, Entries]] = []
    for path in files.paths:
        entries = _entries(path)
        if entries is None:
            return None
        videos.append((path, entries))
    faulty: list[FaultyLine] = []
    with storage_errors(target), target.open("w", encoding="utf-8") as out:
        for path, entries in videos:
            for number, (name, video) in enumerate(entries.items(), 1):
                rows = _clips(name, video)
                if isinstance(rows, str):
                    text = f"{name}: {json.dumps(video)}"[:MOST_CHARACTERS]
                    faulty.append(FaultyLine(path, number, rows, text))
                    continue
                out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return TableFiles((target,), "jsonl"), faulty


def _entries(path: Path) -> Entries | None:
    """Videos by their ids; None where the file is something else."""
    data = b""
    for _, piece in read_pieces(path):
        data += piece
        if len(data) > _MOST_BYTES or not _BEGIN.match(data):
            return None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    found = value.get("database", value) if isinstance(value, dict) else None
    if not isinstance(found, dict):
        return None
    known = [each for each in found.values() if isinstance(each, dict)]
    is_known = any(
        "annotations" in each or {"timestamps", "sentences"} <= each.keys() for each in known
    )
    return found if is_known else None


def _clips(name: str, video: Any) -> list[dict[str, Any]] | str:
    """A row a clip; or why there is none."""
    if not isinstance(video, dict):
        return "not_an_object"
    if "annotations" in video:
        rows = list(_of_annotations(name, video))
    else:
        rows = list(_of_lists(name, video))
    if not rows:
        return "no_clips"
    return "malformed_list" if None in rows else [row for row in rows if row is not None]


def _of_annotations(name: str, video: Entries) -> Iterator[dict[str, Any] | None]:
    annotations = video["annotations"]
    if not isinstance(annotations, list):
        yield None
        return
    whole = {key: value for key, value in video.items() if key != "annotations"}
    for each in annotations:
        yield {"video_id": name, **whole, **each} if isinstance(each, dict) else None


def _of_lists(name: str, video: Entries) -> Iterator[dict[str, Any] | None]:
    spans, sentences = video.get("timestamps"), video.get("sentences")
    if not isinstance(spans, list) or not isinstance(sentences, list):
        yield None
        return
    if len(spans) != len(sentences):
        yield None
        return
    is_prefixed = len(name) == _PREFIXED and name.startswith(_PREFIX)
    whole = {key: value for key, value in video.items() if key not in ("timestamps", "sentences")}
    start = {"video_id": name.removeprefix(_PREFIX) if is_prefixed else name, **whole}
    for span, sentence in zip(spans, sentences, strict=True):
        yield {**start, "timestamp": span, "sentence": sentence}
